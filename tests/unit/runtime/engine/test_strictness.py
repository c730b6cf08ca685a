"""Whatever the bytes: the engine rejects what a strict parser rejects, and says what the scalar path says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest

from sigmac.runtime import Pack, load_pack
from tests.unit.runtime.engine.agreement import agreed
from tests.unit.runtime.engine.records import huge_records, read_records, records_at_block_ends

AWKWARD = read_records()
BLOCKS = list(records_at_block_ends())


def is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def in_one_batch(records: Iterable[bytes]) -> bytes:
    # No record may be taken for the first one, whose byte-order mark is dropped.
    return b"\n".join([b"", *records])


def check(pack: Pack, data: bytes) -> None:
    """Both ways agree, and reject a line exactly when `orjson` does or when it is no object."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    _, rejected, records = agreed(pack, data)
    full = [i for i, line in enumerate(lines) if line.strip(b" \t\r")]
    assert [record for record, _, _ in rejected] == [i for i in full if not is_object(lines[i])]
    assert records == len(full) - len(rejected)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n", b" " * 70], ids=repr)
def test_awkward_records(pack: Pack, ending: bytes) -> None:
    check(pack, in_one_batch(AWKWARD) + ending)


def test_awkward_records_one_by_one(pack: Pack) -> None:
    for record in AWKWARD:
        check(pack, record)


def test_awkward_records_behind_each_other_in_any_order(pack: Pack) -> None:
    check(pack, in_one_batch(reversed(AWKWARD)))
    check(pack, in_one_batch(AWKWARD[::2] + AWKWARD[1::2]))


def test_records_at_block_ends(pack: Pack) -> None:
    check(pack, in_one_batch(BLOCKS))


@pytest.mark.parametrize("begin", [b"", b" ", b"\n", b"\t\r"], ids=repr)
@pytest.mark.parametrize(
    "end", [b"", b"\n", b' {"A":"evil"}\n', b"x", b"{", b"\xef\xbb\xbf{}"], ids=repr
)
def test_a_byte_order_mark_is_no_part_of_the_first_record(
    pack: Pack, begin: bytes, end: bytes
) -> None:
    mark = b"\xef\xbb\xbf"
    agreed(pack, mark + begin + end)
    agreed(pack, begin + mark + end)
    agreed(pack, mark + begin + mark + end)


def test_nothing(pack: Pack) -> None:
    for data in (b"", b"\n", b"\r\n", b" ", b"\n" * 5000, b" \t\r\n" * 100):
        assert agreed(pack, data) == ([], [], 0)


@pytest.mark.slow
def test_huge_records(pack_folders: Callable[[str], Path]) -> None:
    pack = load_pack(pack_folders("all"), max_values=1_000_000)
    check(pack, in_one_batch(huge_records()))


def test_every_beginning_of_a_record(pack: Pack) -> None:
    record = rb'{"A":["evil \u00e9\ud83d\ude00",-1.5e+3,true,null],"C":{"D":"x\n"}} '
    beginnings = [record[:size] for size in range(len(record) + 1)]
    check(pack, in_one_batch(beginnings))
    for each in beginnings:
        check(pack, each)
