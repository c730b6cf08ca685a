"""Records that are no JSON: rejected alike by all paths, whatever they begin with and however many they are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from sigmac.runtime import Rejected, load_pack
from sigmac.runtime.match import BatchResult

Folders = Callable[[str], Path]
TAILS = (b"", b"x", b" ", b"1", b"{}", b'"a": 1}', b"null", b"\xc3\xa9", b"\xff", b"\r", b"\t{}")
# What may stand around such lines: other text, another line that is no ASCII, a byte-order mark before all
AROUND = ((b"", b""), (b'{"A": "evil"}\n', b'\n{"A": "evil"}'), (b"\xef\xbb\xbf", b"\n\xc3\xa9"))


@pytest.mark.parametrize(("before", "behind"), AROUND, ids=ascii)
def test_every_first_byte_is_rejected_alike(
    before: bytes, behind: bytes, pack_folders: Folders
) -> None:
    pack = load_pack(pack_folders("texts"))
    first = (bytes([byte]) for byte in range(256) if byte != ord("\n"))
    batch = before + b"\n".join(byte + tail for byte in first for tail in TAILS) + behind
    engine, scalar = pack.match_batch(batch), pack.match_each(batch)
    assert outcome(engine) == outcome(scalar)
    assert len(engine.rejected) > 255
    # One line at a time they are what they are among others.
    for each in list(engine.rejected)[::50]:
        line = batch.removeprefix(b"\xef\xbb\xbf").split(b"\n")[each.record]
        assert [alone.reason for alone in pack.match_batch(line).rejected] == [each.reason]


def outcome(result: BatchResult) -> tuple[object, ...]:
    pairs = [*zip(result.record.tolist(), result.rule.tolist(), strict=True)]
    return pairs, [*result.rejected], result.records


def test_rejected_records_are_a_sequence(pack_folders: Folders) -> None:
    rejected = load_pack(pack_folders("texts")).match_batch(b'x\n{}\n[1]\n"').rejected
    reasons = [each.reason for each in rejected]
    assert reasons[1] == "not a JSON object but an array"
    assert [(each.record, each.position) for each in rejected] == [(0, 0), (2, 5), (3, 9)]
    assert rejected == tuple(rejected) != ()
    assert rejected[-1] == Rejected(3, 9, reasons[2])
    assert [*rejected[1:]] == [*rejected][1:]
    assert repr(rejected).startswith("<3 rejected: Rejected(record=0")


RECORDS = 50_000


@pytest.mark.parametrize("line", [b"x\n", b"{\n", b"[]\n", b"\xc3\xa9\n", b'{"A": "evil",}\n'])
def test_a_rejected_record_costs_few_bytes(line: bytes, pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("texts"))
    pack.match_batch(b"{}\n" + line)
    batch = line * RECORDS
    tracemalloc.start()
    try:
        result = pack.match_batch(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result.rejected) == RECORDS
    assert peak < 100 * RECORDS + (4 << 20)
