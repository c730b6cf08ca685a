"""What an independent route says of recorded events: pySigma, its SQLite backend and its Windows pipelines.

`../shared/corpus/README.md` describes the files. The oracle has no answer to some rules; where our pipelines make no
more of such a rule than its detection, the oracle's answer to the detection alone stands in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sigmac.compiler.syntax.rule import Rule
from tests.conformance.corpora import (
    EVTX_ATTACK,
    OTRF_WINDOWS,
    REGRESSION,
    Event,
    Recording,
    SigmaHQ,
    load_json,
)

RECORDINGS = (REGRESSION, EVTX_ATTACK, OTRF_WINDOWS)
# Our pipelines → the oracle's answers that together say the same.
QUESTIONS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (): ("detection-only",),
    ("windows",): ("windows",),
    ("windows", "windows-audit"): ("windows", "windows-audit"),
}
_REFUSALS = {
    "detection-only": "matches.detection-only",
    "windows": "matches",
    "windows-audit": "matches.audit",
}

Answers = dict[str, frozenset[int]]  # rule id → lines from 1


@dataclass(frozen=True)
class Oracle:
    """The oracle's answers to one question about one recording.

    `refused` has the rules that it could not convert, by id or file, with its reason; `unmapped` the ids of those
    that its pipelines leave out, to which `answers` are those to their detection alone.
    """

    answers: Answers
    refused: Mapping[str, str]
    unmapped: frozenset[str]


@dataclass(frozen=True)
class Difference:
    """An event about which the pack and the oracle disagree; `ours` is what the pack says.

    `rule` is as its author wrote it, `variants` are what our pipelines made of it.
    """

    line: int
    event: Event
    source: str
    rule: Rule
    variants: tuple[Rule, ...]
    oracle: Oracle
    ours: bool

    def __str__(self) -> str:
        who = "the pack alone" if self.ours else "the oracle alone"
        return f"line {self.line} is matched by {who}: {self.source} {self.rule.meta.title}"


@dataclass(frozen=True)
class Comparison:
    """How a pack and the oracle answer one question about one recording, in matches."""

    recording: str
    pipelines: tuple[str, ...]
    both: int
    differences: list[Difference] = field(default_factory=list)


def load_oracle(recording: Recording, names: Sequence[str]) -> Oracle:
    """The oracle's files for a recording; a line matches where it does in one of them."""
    said: dict[str, set[int]] = defaultdict(set)
    for name in names:
        for rule, lines in load_json(f"{recording.oracle}.{name}.json").items():
            said[rule].update(lines)
    refusals = [load_json("oracle-unsupported.json")[_REFUSALS[name]] for name in names]
    unmapped = frozenset.intersection(*(frozenset(each["not_applicable"]) for each in refusals))
    detections = load_json(f"{recording.oracle}.detection-only.json")
    said.update({rule: set(detections.get(rule, ())) for rule in unmapped})
    answers = {rule: frozenset(lines) for rule, lines in said.items()}
    return Oracle(answers, refusals[0]["unsupported"], unmapped)


def compare(sigmahq: SigmaHQ, pipelines: tuple[str, ...], recording: Recording) -> Comparison:
    """The pack with these pipelines against the oracle."""
    compiled = sigmahq.pack(*pipelines)
    oracle = load_oracle(recording, QUESTIONS[pipelines])
    standing = {}  # id → where the rule stands; of several documents with one id, the first
    for source in reversed(compiled.sources):
        standing[sigmahq.rules[source].label] = source
    ours: dict[tuple[int, str], str] = {}
    for record, rule in sorted(compiled.matches(recording)):
        source = compiled.sources[rule]
        ours.setdefault((record + 1, sigmahq.rules[source].label), source)
    theirs = {
        (line, rule): standing[rule] for rule in oracle.answers for line in oracle.answers[rule]
    }
    differing = {pair: (ours | theirs)[pair] for pair in ours.keys() ^ theirs.keys()}
    variants = sigmahq.variants(*pipelines) if differing else {}
    differences = [
        Difference(
            line,
            recording.events[line - 1],
            source,
            sigmahq.rules[source],
            variants[source],
            oracle,
            (line, label) in ours,
        )
        for (line, label), source in sorted(differing.items())
    ]
    both = len(ours.keys() & theirs.keys())
    return Comparison(recording.name, pipelines, both, differences)


def comparisons(sigmahq: SigmaHQ) -> Iterator[Comparison]:
    """Every question about every recording."""
    for pipelines in QUESTIONS:
        for recording in RECORDINGS:
            yield compare(sigmahq, pipelines, recording)
