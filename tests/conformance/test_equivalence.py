"""SigmaHQ on recorded events: reference, `match` and `match_batch` agree.

`python -m tests.conformance` does the same without the optimizer, and of more events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import sigmac
from sigmac.runtime.engine import batch
from sigmac.runtime.engine import memory as caches
from tests.conformance.corpora import RECORDINGS, Recording, SigmaHQ
from tests.conformance.reference_pack import ReferencePack, disagreements, kinds, remembering

# Rules as they are, which look at every event; and rules with a logsource, in two variants.
PIPELINES: tuple[tuple[str, ...], ...] = ((), ("windows", "windows-audit"))

MANY = 400  # kinds

each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda each: each.name)
each_pipelines = pytest.mark.parametrize(
    "pipelines", PIPELINES, ids=lambda names: "+".join(names) or "detection"
)

References = Callable[[tuple[str, ...]], ReferencePack]


@pytest.fixture(scope="module")
def reference_packs(sigmahq: SigmaHQ) -> Iterator[References]:
    made: dict[tuple[str, ...], ReferencePack] = {}

    def get(pipelines: tuple[str, ...]) -> ReferencePack:
        if pipelines not in made:
            made[pipelines] = ReferencePack(sigmahq.pack(*pipelines), sigmahq.variants(*pipelines))
        return made[pipelines]

    with remembering():
        yield get


@each_pipelines
@each_recording
def test_a_pack_says_what_the_reference_says(
    pipelines: tuple[str, ...],
    recording: Recording,
    sigmahq: SigmaHQ,
    reference_packs: References,
) -> None:
    compiled = sigmahq.pack(*pipelines)
    # Of many kinds of events some: `python -m tests.conformance` takes all, and more of each.
    found = kinds(recording)
    sample = found[:: 1 + len(found) // MANY]
    wrong = disagreements(compiled, reference_packs(pipelines), recording, sample)
    assert [(line, compiled.sources[rule]) for line, rule in sorted(wrong)] == []


@each_pipelines
@each_recording
def test_match_says_what_match_batch_says(
    pipelines: tuple[str, ...], recording: Recording, sigmahq: SigmaHQ
) -> None:
    compiled = sigmahq.pack(*pipelines)
    said = {
        (position, match.rule.source)
        for position, event in enumerate(recording.events)
        for match in compiled.pack.match(event)
    }
    matches = compiled.matches(recording)
    assert said == {(position, compiled.sources[rule]) for position, rule in matches}


@each_pipelines
@each_recording
def test_the_scalar_path_says_what_match_batch_says(
    pipelines: tuple[str, ...], recording: Recording, sigmahq: SigmaHQ
) -> None:
    compiled = sigmahq.pack(*pipelines)
    result = compiled.pack.match_each(recording.data)
    assert result.rejected == ()
    said = set(zip(result.record.tolist(), result.rule.tolist(), strict=True))
    assert said == compiled.matches(recording)


EVERY = 11  # so many records apart; small caches are slow
# Bytes for all caches, matches listed between two looks at them, lines of a batch
SMALL = [(1 << 18, 64, 500), (1 << 15, 1, 7)]


@pytest.mark.parametrize(("budget", "found", "size"), SMALL)
@each_pipelines
@each_recording
def test_small_caches_and_batches_change_no_answer(
    pipelines: tuple[str, ...],
    recording: Recording,
    sigmahq: SigmaHQ,
    budget: int,
    found: int,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = sigmahq.pack(*pipelines)
    monkeypatch.setattr(caches, "LEAST_BUDGET", budget)
    monkeypatch.setattr(batch, "FOUND", found)
    pack = sigmac.load_pack(compiled.pack.path, memory_budget=budget)
    records = recording.data.splitlines(keepends=True)[::EVERY]
    pairs = set()
    for first in range(0, len(records), size):
        result = pack.match_batch(b"".join(records[first : first + size]))
        assert result.rejected == ()
        at = ((first + result.record) * EVERY).tolist()
        pairs |= set(zip(at, result.rule.tolist(), strict=True))
    expected = {pair for pair in compiled.matches(recording) if pair[0] % EVERY == 0}
    assert pairs ^ expected == set()


@each_recording
def test_rules_for_something_else_are_not_tried(recording: Recording, sigmahq: SigmaHQ) -> None:
    """What an event says of itself leaves of all its matches those of rules that may be for it."""
    pack = sigmahq.pack("windows", "windows-audit").pack
    everything = pack.match_batch(recording.data)
    own = [pack.logsource_of(event) for event in recording.events]
    kept = [
        (record, rule)
        for record, rule in zip(everything.record.tolist(), everything.rule.tolist(), strict=True)
        if fits(pack.rules[rule].logsource, own[record])
    ]
    result = pack.match_batch(recording.data, logsource="auto")
    assert list(zip(result.record.tolist(), result.rule.tolist(), strict=True)) == kept
    if recording.name != "otrf-other":
        assert {pack.rules[rule].logsource.product for _, rule in kept} <= {"windows", None}


def fits(logsource: sigmac.LogSource, said: dict[str, str] | None) -> bool:
    have = ((said or {}).get(key) for key in ("product", "category", "service"))
    asked = (logsource.product, logsource.category, logsource.service)
    return all(not a or not h or a.lower() == h for a, h in zip(asked, have, strict=True))
