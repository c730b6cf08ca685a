"""Correlations in a worker: whatever is rewound, crashes or is swapped, alerts are those of one uninterrupted run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime.errors import StreamError
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.stream.kept.correlating import Correlating
from sigmac.runtime.stream.kept.state_journal import StateJournal
from tests.unit.packs import make_pack

RULES = """
title: A
name: a
logsource: {category: test}
detection: {s: {k: a}, condition: s}
---
title: B
name: b
logsource: {category: test}
detection: {s: {k: b}, condition: s}
---
title: Two A
name: two
correlation: {type: event_count, rules: a, group-by: u, timespan: 10s, condition: {gte: 2}}
---
title: Then B
name: then
correlation: {type: temporal_ordered, rules: [two, b], group-by: u, timespan: 20s}
---
title: Sum
name: sum
correlation: {type: value_sum, rules: b, timespan: 10s, condition: {field: n, gte: 0.3}}
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return make_pack(RULES, tmp_path_factory.mktemp("correlating"))


EVENTS = st.fixed_dictionaries(
    {
        "time": st.integers(0, 40),
        "k": st.sampled_from("ab"),
        "u": st.sampled_from(["x", "y"]),
        "n": st.sampled_from([0.1, 0.2, 1]),
    }
)
BATCHES = st.lists(st.lists(EVENTS, max_size=4), max_size=8)
# What happens to each batch before it is committed
FATES = st.lists(st.sampled_from(["commit", "rewind", "crash", "crash after journal"]), max_size=20)


def taken(correlating: Correlating, pack: Pack, batch: Sequence[object], first: int) -> list[bytes]:
    lines = [orjson.dumps(event) for event in batch]
    found = []
    for line, each in correlating.observe(lines, pack.match_each(b"\n".join(lines))):
        observation = each and each._replace(source=("f", 0, first + line, None))
        found += [orjson.dumps(alert.plain()) for alert in correlating.take(observation)]
    return found


@settings(deadline=None)
@given(batches=BATCHES, fates=FATES)
def test_what_is_done_again_gives_the_same(
    pack: Pack, batches: list[list[object]], fates: list[str]
) -> None:
    whole = Correlating("p", pack, None)
    expected, first = [], 0
    for batch in batches:
        expected.append(taken(whole, pack, batch, first))
        first += len(batch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        correlating, note, first = Correlating("p", pack, folder), None, 0
        for batch, wanted in zip(batches, expected, strict=True):
            while (fate := fates.pop() if fates else "commit") != "commit":
                assert taken(correlating, pack, batch, first) == wanted
                if fate == "rewind":
                    correlating.kept.rewind()
                    continue
                if fate == "crash after journal":
                    correlating.kept.write()  # the positions were not
                correlating = Correlating("p", pack, folder)
                correlating.kept.restore(note)
            assert taken(correlating, pack, batch, first) == wanted
            note = correlating.kept.write()
            correlating.kept.written()
            first += len(batch)
        assert correlating.counts == whole.counts
        assert len([*folder.iterdir()]) == (1 if batches else 0)


@pytest.mark.parametrize("journalled", [False, True])
def test_a_new_pack_goes_on_with_what_did_not_change(
    pack: Pack, tmp_path: Path, journalled: bool
) -> None:
    correlating = Correlating("p", pack, tmp_path)
    one = [{"time": 1, "k": "a", "u": "x"}, {"time": 1, "k": "b", "u": "x", "n": 0.2}]
    if journalled:  # the hits stand behind the snapshot
        correlating.kept.write()
    assert taken(correlating, pack, one, 0) == []
    note = correlating.kept.write()
    # The file has another name, and so have the rules in the pack; the order is another one too.
    first, second, *rest = RULES.replace("gte: 0.3", "gte: 0.2").split("---")
    text = "---".join([second, first.replace("title: A", "title: Renamed"), *rest])
    changed = make_pack(text, tmp_path / "new")
    assert changed.manifest["rules"] != pack.manifest["rules"]
    correlating.swap(changed)
    again = Correlating("p", changed, tmp_path)
    again.kept.restore(note)  # it crashed before it could write
    for each in (correlating, again):
        two = [{"time": 2, "k": "a", "u": "x"}, {"time": 2, "k": "b", "u": "x", "n": 0.1}]
        titles = [orjson.loads(line)["rule"]["title"] for line in taken(each, changed, two, 2)]
        assert titles == ["Then B"]  # not the sum, which began anew


def journal(folder: Path) -> StateJournal:
    made = StateJournal(folder, "p")
    made.begin(b"snapshot")
    made.append([b"one", b"two"])
    return made


def test_a_journal_is_read_as_far_as_its_note_says(tmp_path: Path) -> None:
    made = journal(tmp_path)
    note = made.note
    made.append([b"of a batch that was not committed"])
    again = StateJournal(tmp_path, "p")
    assert again.read(note) == [b"snapshot", b"one", b"two"]
    again.append([b"three"])
    assert StateJournal(tmp_path, "p").read(again.note) == [b"snapshot", b"one", b"two", b"three"]


@pytest.mark.parametrize(
    "harm",
    [
        lambda path, note: path.write_bytes(path.read_bytes()[:-1]),
        lambda path, note: path.write_bytes(path.read_bytes().replace(b"one", b"eno")),
        lambda path, note: path.unlink(),
        lambda path, note: note.__setitem__(0, "../etc/passwd"),
        lambda path, note: note.pop(),
        lambda path, note: note.__setitem__(1, 0),
    ],
)
def test_a_journal_that_is_harmed_is_one_sentence(tmp_path: Path, harm: object) -> None:
    made = journal(tmp_path)
    assert made.note is not None
    note = [*made.note]
    harm(tmp_path / note[0], note)  # type: ignore[operator]
    with pytest.raises(StreamError, match=r"the state p-\* does not restore \(.+\); remove it"):
        StateJournal(tmp_path, "p").read(note)
