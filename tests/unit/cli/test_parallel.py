"""Several workers: the same output in the same order, whatever happens to them."""

from __future__ import annotations

import gzip
import itertools
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from sigmac.cli.parallel import evaluate_all
from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.lines import Block, Buffers, LineNumbers
from sigmac.runtime.reading.reading import Reading, read_events
from tests.unit.cli.conftest import Run

Outcome = tuple[bytes, dict[str, int]]


def blocks(count: int) -> Iterator[Block]:
    for i in range(count):
        yield Block("events", b"x" * (1 << (i % 20)), i, i)


def outcome(block: Block) -> Outcome:
    return b"%d\n" % block.first * 50_000, {"first": block.first, "bytes": len(block.data)}


@pytest.fixture(params=["a pipe", "a file"])
def waits(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "a pipe")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_outcomes_come_in_the_order_of_the_blocks(workers: int, waits: bool) -> None:
    found = list(evaluate_all(blocks(25), outcome, workers, waits=waits))
    assert [(block.first, counted["first"]) for block, (_, counted) in found] == [
        (i, i) for i in range(25)
    ]
    assert all(lines == outcome(block)[0] for block, (lines, _) in found)


def test_what_was_read_before_a_failure_is_evaluated(waits: bool) -> None:
    def failing() -> Iterator[Block]:
        yield from blocks(5)
        raise InputError("the file is cut off")

    found = evaluate_all(failing(), outcome, 2, waits=waits)
    assert [next(found)[0].first for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="cut off"):
        next(found)


def test_what_evaluating_raises_is_raised_in_turn(waits: bool) -> None:
    def fail(block: Block) -> int:
        if block.first == 3:
            raise ValueError("a fault")
        return block.first

    found = evaluate_all(blocks(25), fail, 3, waits=waits)
    assert [next(found)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="a fault"):
        next(found)


def test_few_blocks_are_read_ahead(waits: bool) -> None:
    read = []

    def watched() -> Iterator[Block]:
        for block in blocks(25):
            read.append(block.first)
            yield block

    for block, _ in evaluate_all(watched(), outcome, 2, waits=waits):
        assert len(read) - block.first <= 5


def test_no_thread_is_left_when_nobody_asks_on(waits: bool) -> None:
    before = threading.active_count()
    found = evaluate_all(blocks(25), outcome, 3, waits=waits)
    next(found)
    assert isinstance(found, Generator)
    found.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_is_read_into_is_used_again_and_never_too_early(
    tmp_path: Path, workers: int, waits: bool
) -> None:
    lines = [b"%d " % i + b"x" * (i % 90) + b"\n" for i in range(20_000)]
    file = tmp_path / "events"
    file.write_bytes(b"".join(lines))
    reading = Reading("ndjson", chunk=5_000, buffers=Buffers())
    blocks = read_events(str(file), reading)
    numbers = LineNumbers()
    used, found, first = set(), [], []
    for read, seen in evaluate_all(blocks, lambda each: bytes(each.data), workers, waits=waits):
        assert read.data == seen
        block = numbers.placed(read, seen.count(b"\n"))
        first.append(block.first)
        used.add(id(read.data))
        found.append(seen)
    assert b"".join(found) == b"".join(lines)
    assert first == [0, *itertools.accumulate(each.count(b"\n") for each in found[:-1])]
    assert len(used) < len(found) / 4


def test_a_line_that_is_too_long_is_named_by_its_number(
    sigmac: Run, built: Path, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    root, other = b'{"uid": 0}\n', b'{"uid": 1}\n'
    file.write_bytes(root + other * 699_998 + root + b"x" * (6 << 20) + b"\n")
    for workers in (1, 2):
        made = sigmac("run", built, file, "--workers", str(workers), "--max-record", "1")
        assert made.returncode == 1
        assert "events.ndjson:700001: the line is longer than 1,048,576 bytes" in made.stderr
        assert made.stdout.count("\n") == 2


def test_workers_change_nothing(sigmac: Run, built: Path, tmp_path: Path) -> None:
    lines = [b'{"uid": %d, "n": %d}' % (i % 3, i) for i in range(20_000)]
    lines[777] = lines[15_000] = b"{broken"
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(lines), 1))
    one, three = (sigmac("run", built, file, "--workers", str(n)) for n in (1, 3))
    plain = tmp_path / "events.ndjson"
    plain.write_bytes(b"\n".join(lines))
    piped = sigmac("run", built, "-", "--workers", "2", stdin=plain.read_text())
    assert one.stdout == three.stdout
    assert piped.stdout == one.stdout.replace(str(file), "-")
    assert one.stdout.count("\n") == three.stdout.count("\n") == 6665
    assert one.returncode == three.returncode == 1
    rejected = [each for each in three.stderr.splitlines() if "rejected:" in each]
    assert [each.split(":")[1] for each in rejected] == ["778", "15001"]
