"""EVTX files give the matches of the same events in the corpus, which another tool made flat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sigmac.runtime.inputs.format import Event
from sigmac.runtime.inputs.windows.evtx_file import read
from tests.conformance.corpora import EVTX_ATTACK, FOLDER, SigmaHQ, load_json

pytest.importorskip("evtx", reason="the extra evtx is not installed")
FILES = FOLDER / "formats" / "evtx"


def events() -> Iterator[tuple[int, bytes]]:
    """Every event of the files, and its line in the corpus."""
    for name, (first, _) in load_json("formats/evtx/index.json").items():
        with (FILES / name).open("rb") as file:
            for item in read(file):
                assert isinstance(item, Event)
                yield first - 1 + item.position, item.data


def test_evtx_files_match_as_their_events_do(sigmahq: SigmaHQ) -> None:
    compiled = sigmahq.pack("windows")
    lines, data = zip(*events(), strict=True)
    result = compiled.pack.match_batch(b"\n".join(data))
    assert (result.records, result.rejected) == (len(lines), ())
    pairs = zip(result.record.tolist(), result.rule.tolist(), strict=True)
    made = {(lines[record], rule) for record, rule in pairs}
    asked = {*lines}
    expected = {pair for pair in compiled.matches(EVTX_ATTACK) if pair[0] in asked}
    assert len(expected) > 100
    assert made == expected
