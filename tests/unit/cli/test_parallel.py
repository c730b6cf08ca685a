"""Several workers: the same output in the same order, whatever happens to them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmac.cli.parallel import evaluate_all
from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.lines import Block
from tests.unit.cli.conftest import Run

Outcome = tuple[bytes, dict[str, int]]


def blocks(count: int) -> Iterator[Block]:
    for i in range(count):
        yield Block("events", b"x" * (1 << (i % 20)), i, i)


def outcome(block: Block) -> Outcome:
    return b"%d\n" % block.first * 50_000, {"first": block.first, "bytes": len(block.data)}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_outcomes_come_in_the_order_of_the_blocks(workers: int) -> None:
    found = list(evaluate_all(blocks(25), outcome, workers))
    assert [(block.first, counted["first"]) for block, (_, counted) in found] == [
        (i, i) for i in range(25)
    ]
    assert all(lines == outcome(block)[0] for block, (lines, _) in found)


def test_what_was_read_before_a_failure_is_evaluated() -> None:
    def failing() -> Iterator[Block]:
        yield from blocks(5)
        raise InputError("the file is cut off")

    found = evaluate_all(failing(), outcome, 2)
    assert [next(found)[0].first for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="cut off"):
        next(found)


def test_what_evaluating_raises_is_raised_in_turn() -> None:
    def fail(block: Block) -> int:
        if block.first == 3:
            raise ValueError("a fault")
        return block.first

    found = evaluate_all(blocks(25), fail, 3)
    assert [next(found)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="a fault"):
        next(found)


def test_few_blocks_are_read_ahead() -> None:
    read = []

    def watched() -> Iterator[Block]:
        for block in blocks(25):
            read.append(block.first)
            yield block

    for block, _ in evaluate_all(watched(), outcome, 2):
        assert len(read) - block.first <= 5


def test_workers_change_nothing(sigmac: Run, built: Path, tmp_path: Path) -> None:
    lines = [b'{"uid": %d, "n": %d}' % (i % 3, i) for i in range(20_000)]
    lines[777] = lines[15_000] = b"{broken"
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(lines), 1))
    one, three = (sigmac("run", built, file, "--workers", str(n)) for n in (1, 3))
    assert one.stdout == three.stdout
    assert one.stdout.count("\n") == three.stdout.count("\n") == 6665
    assert one.returncode == three.returncode == 1
    rejected = [each for each in three.stderr.splitlines() if "rejected:" in each]
    assert [each.split(":")[1] for each in rejected] == ["778", "15001"]
