"""Which matches two packs have on the same events, and which only one of them has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sigmac.compiler.changes.alert_changes import AlertChanges, AlertComparison
from sigmac.compiler.changes.documented import Key
from sigmac.compiler.changes.sides import Changed, OneSided, Sample, Side
from sigmac.runtime.inputs.lines import Block
from sigmac.runtime.match import Explanation
from sigmac.runtime.pack.pack import Tag
from sigmac.runtime.scalar.json_record import parse_record, records_in

_MOST_HELD = 6


@dataclass(slots=True)
class MatchChanges:
    """What came of some events; `rules` holds those with a difference only."""

    events: int = 0
    rejected: int = 0
    both: int = 0
    rules: dict[Key, Changed] = field(default_factory=dict)
    alerts: AlertChanges | None = None  # where a side has correlations


def compare(
    old: Side,
    new: Side,
    blocks: Iterable[Block],
    logsource: Mapping[str, str] | None = None,
    timestamp_fields: Sequence[str] = (),
) -> MatchChanges:
    """Evaluate blocks of events by both packs.

    Correlations look for the time of an event in `timestamp_fields`, in the usual ones if there are none. Without
    `logsource` events are what their format says, else what they say themselves. Raises as `blocks` do.
    """
    found = MatchChanges()
    numbers = {key: number for number, key in enumerate(dict.fromkeys((*old.keys, *new.keys)))}
    keys = [*numbers]
    maps = [np.array([numbers[key] for key in side.keys], dtype=np.int64) for side in (old, new)]
    alerts = (
        AlertComparison(old, new, timestamp_fields)
        if old.correlations or new.correlations
        else None
    )
    for block in blocks:
        tag: Tag = logsource if logsource is not None else block.logsource or "auto"
        results = [side.pack.match_batch(block.data, logsource=tag) for side in (old, new)]
        if alerts is not None:
            alerts.take(block, results)
        found.events += results[0].records
        found.rejected += len(results[0].rejected) + len(block.unreadable)
        # One number a match: the record, then the rule.
        was, now = (
            np.unique(result.record.astype(np.int64) * len(keys) + by[result.rule])
            for result, by in zip(results, maps, strict=True)
        )
        found.both += len(np.intersect1d(was, now, assume_unique=True))
        lost = np.setdiff1d(was, now, assume_unique=True)
        gained = np.setdiff1d(now, was, assume_unique=True)
        if len(lost) or len(gained):
            _note(found, block, old, new, keys, lost.tolist(), gained.tolist())
    found.alerts = alerts.compared() if alerts is not None else None
    return found


def _note(
    found: MatchChanges,
    block: Block,
    old: Side,
    new: Side,
    keys: Sequence[Key],
    lost: Sequence[int],
    gained: Sequence[int],
) -> None:
    records: dict[int, bytes] = {}

    def sample(record: int, key: Key) -> Sample:
        if not records:
            records.update((number, text) for number, _, text in records_in(block.data))
        event = parse_record(records[record])
        source = f"{block.name}:{block.position(record) + 1}"
        return Sample(source, event, _why(event, old, new, key))

    for name, pairs in (("lost", lost), ("gained", gained)):
        for pair in pairs:
            record, number = divmod(pair, len(keys))
            side: OneSided = getattr(found.rules.setdefault(keys[number], Changed()), name)
            side.count += 1
            if side.sample is None:
                side.sample = sample(record, keys[number])


def _why(event: dict[str, Any], old: Side, new: Side, key: Key) -> list[str]:
    """What of the rule is true now and was not, or the other way round; then what the event holds."""
    was, now = (_explained(event, side, key) for side in (old, new))
    if was is None or now is None:
        found = ["the rule is new" if was is None else "the rule is gone"]
    else:
        names = dict.fromkeys((*was.selections, *now.selections))
        found = [
            f"{name} {_truth(was.selections.get(name))}, and {_truth(now.selections.get(name), 'is')} now"
            for name in names
            if was.selections.get(name) != now.selections.get(name)
        ]
        found = found or ["what the condition asks has changed"]
    matching = now if now is not None and now.conditions else was
    held = [
        f"{question.field or 'keywords'} {question.test} {', '.join(map(str, question.held))}".rstrip()
        for question in (matching.questions if matching is not None else ())
        if question.answer
    ]
    return found + [*dict.fromkeys(held)][:_MOST_HELD]


def _explained(event: dict[str, Any], side: Side, key: Key) -> Explanation | None:
    place = side.place(key)
    return None if place is None else side.pack.explain(place, event)


def _truth(value: bool | None, verb: str = "was") -> str:
    if value is None:
        return f"{verb} not there"
    return f"{verb} {'true' if value else 'false'}"
