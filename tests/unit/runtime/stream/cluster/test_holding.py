"""Matches that may be held back go to the second stage, and what it lets out is what one process would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime.correlation.spread.bounds import Bounds
from sigmac.runtime.correlation.spread.stored_suppression import StoredSuppression
from sigmac.runtime.correlation.suppression import Alike, Suppression, Suppressions
from sigmac.runtime.errors import InputError
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.stream.cluster.forwarding import Forwarding
from sigmac.runtime.stream.cluster.hit_message import decode
from sigmac.runtime.stream.cluster.holding import Holding
from sigmac.runtime.stream.dead_letters import as_message
from sigmac.runtime.stream.delivery import Outputs
from sigmac.runtime.stream.evaluation import Evaluated, Stream, evaluate
from sigmac.runtime.stream.kept.suppressing import Suppressing
from sigmac.runtime.stream.match_message import as_candidate, candidate_of, is_candidate
from sigmac.runtime.stream.pack_slot import PackSlot
from sigmac.runtime.stream.sink import Message
from tests.unit.packs import write_text_pack
from tests.unit.runtime.correlation.spread.test_family_step import Shelf
from tests.unit.runtime.stream.cluster.test_forwarding import Records
from tests.unit.runtime.stream.stand_ins import MemorySink

RULES = """
title: A
name: a
level: high
logsource: {category: test}
detection: {s: {k: a}, condition: s}
---
title: B
name: b
level: low
logsource: {category: test}
detection: {s: {n|exists: true}, condition: s}
---
title: Two A
name: two
level: low
correlation: {type: event_count, rules: a, group-by: u, timespan: 10s, condition: {gte: 2}, generate: true}
"""
GIVEN = Suppressions(
    [Suppression(20, ("u",), rules=("a",)), Suppression(10, ("rule", "h"), levels=("low",))]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_pack(str(write_text_pack(RULES, tmp_path_factory.mktemp("holding"))))


def slot_of(folder: Path, *, event: bool, held: bool) -> PackSlot:
    """A slot of a worker over Kafka, or one of a worker that holds back by itself."""
    if held:
        return PackSlot(
            "p",
            folder,
            event=event,
            forward=lambda name, pack: Forwarding(
                name, pack, timestamp_fields=None, event=event, suppressions=GIVEN
            ),
            holding=Holding("p", GIVEN, event=event),
        )
    return PackSlot("p", folder, event=event, suppressing=Suppressing("p", GIVEN, None))


def evaluated(slot: PackSlot, events: list[dict[str, object]]) -> Evaluated:
    return evaluate([Records(*events)], [Stream(slot)])  # type: ignore[list-item]


def let_out(candidates: list[Message]) -> list[Message]:
    """What the second stage makes of candidates, of those with one key in their order."""
    kept, stored = Shelf(), StoredSuppression(Bounds())
    found = []
    for at, each in enumerate(candidates):
        candidate = candidate_of(each)
        held, _ = stored.take(kept, each.key or b"", candidate.time, candidate.span, at)
        if held is not None:
            found.append(candidate.out(held))
    return found


EVENT = st.fixed_dictionaries(
    {"time": st.integers(0, 60)},
    optional={
        "k": st.just("a"),
        "n": st.just(1),
        "u": st.sampled_from(["x", "y", ["y", "x"], 5]),
        "h": st.sampled_from(["x", {"event": 1}]),
        "event": st.just({"event": "}"}),
    },
)


@settings(deadline=None, max_examples=60)
@given(events=st.lists(EVENT, max_size=40), event=st.booleans())
def test_what_is_let_out_is_what_one_process_lets_out(
    folder: Path, events: list[dict[str, object]], event: bool
) -> None:
    wanted = evaluated(slot_of(folder, event=event, held=False), events).matches
    made = evaluated(slot_of(folder, event=event, held=True), events)
    assert made.matches == []  # all rules are concerned
    candidates = [each for each in made.hits if is_candidate(each.headers)]
    found = let_out(candidates)
    # Records without a key: what went by the second stage has the one that it was compared by.
    assert [replace(each, key=None) for each in found] == wanted


def test_the_second_stage_knows_what_alerts_are_compared_by(folder: Path) -> None:
    made = evaluated(
        slot_of(folder, event=False, held=True), [{"time": 1, "k": "a", "u": "x", "h": "y", "z": 1}]
    )
    (hit,) = (decode(each.value) for each in made.hits if not is_candidate(each.headers))
    assert hit.observation.values == {"h": ["y"], "u": ["x"]}


def test_what_no_section_is_for_goes_out_at_once(folder: Path) -> None:
    only = Suppressions([Suppression(20, rules=("b",))])
    slot = PackSlot("p", folder, holding=Holding("p", only, event=True))
    made = evaluated(slot, [{"time": 1, "k": "a", "n": 1}])
    assert [orjson.loads(each.value)["rule"]["title"] for each in made.matches] == ["A"]
    assert len(made.hits) == 1


def size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in message.headers)
    return len(message.value) + len(message.key or b"") + headers


MATCH = Message(b'{"id":"1","event":{}}', b"own key", (("sigmac-rule", b"a"),), 3)


def test_a_candidate_is_the_match_with_a_key_and_headers_more() -> None:
    alike = Alike('[0,"a"]', 1_700_000_000_000_000, 7)
    for match in (MATCH, replace(MATCH, key=None)):
        made = as_candidate("p", match, alike, b"{}")
        assert (made.value, made.key) == (match.value, b'["p","[0,\\"a\\"]"]')
        found = candidate_of(made)
        out = replace(match, key=match.key or made.key)
        assert (found.slot, found.time, found.span, found.out(0)) == ("p", alike.time, 7, out)
        assert size(out) + len(b',"suppressed":100000000') < size(made)
        assert found.out(2).value == b'{"id":"1","suppressed":2,"event":{}}'
    assert len(as_candidate("p", MATCH, Alike("x" * 1000, 5, 7), b"{}").key or b"") < 100


@pytest.mark.parametrize(
    "told",
    [b"", b"nonsense", b"[]", b'["p",1,2,0]', b'["p",1,2,5]', b'["p",1,2.5,9]', b"[1,1,2,9]"],
)
def test_what_is_none_is_refused(told: bytes) -> None:
    with pytest.raises(InputError, match="not a match"):
        candidate_of(replace(MATCH, headers=(("sigmac-alike", told),)))


def test_one_that_the_topic_of_hits_does_not_take_is_a_dead_letter_as_any_match(
    folder: Path,
) -> None:
    made = evaluated(slot_of(folder, event=True, held=True), [{"time": 1, "n": 1}])
    hits, dead = MemorySink([], "hits"), MemorySink([], "dead")
    hits.refuses = lambda message: True
    outputs = Outputs({"kafka": MemorySink([], "kafka")}, dead, as_message, hits)
    outputs.write([], [], made.hits)
    outputs.flush(lambda: None)
    (letter,) = outputs.buried()
    assert letter.kind == "undeliverable"  # `sigmac dlq replay` brings it to the topic of matches
    assert not is_candidate(letter.origin.headers)
    assert orjson.loads(letter.value)["rule"]["title"] == "B"
    assert len(dead.delivered) == 1
