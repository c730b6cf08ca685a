"""From batches of records to matches and dead letters."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import structlog

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Tag
from sigmac.runtime.stream.counts import CorrelationCounts, added
from sigmac.runtime.stream.dead_letters import DeadLetter
from sigmac.runtime.stream.pack_slot import Forwards, PackSlot
from sigmac.runtime.stream.payload import Events, Form, read_events
from sigmac.runtime.stream.record import Batch, Origin
from sigmac.runtime.stream.sink import Message

log = structlog.get_logger("sigmac.stream.worker")

_AROUND = b" \t\r\xef\xbb\xbf"  # what may stand around an event on its line and is no part of it


@dataclass(frozen=True, slots=True)
class Stream:
    """How the records of one input are read and what evaluates them."""

    slot: PackSlot
    logsource: Tag = None
    payload: str = ""
    form: Form = "event"


@dataclass(slots=True)
class Evaluated:
    """What came of batches of records. `found` has the matches of each rule, by its index, for each name of a pack."""

    matches: list[Message] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    events: int = 0
    rejected: int = 0
    found: dict[str, Counter[int]] = field(default_factory=dict)
    hits: list[Message] = field(default_factory=list)
    correlations: CorrelationCounts = field(default_factory=dict)


def evaluate(
    batches: Sequence[Batch], streams: Sequence[Stream], made: Evaluated | None = None
) -> Evaluated:
    """Evaluate batches, each with what its input says; what comes of them is added to `made`."""
    made = Evaluated() if made is None else made
    for batch in batches:
        _evaluate(batch, streams[batch.stream], made)
    return made


def _evaluate(batch: Batch, stream: Stream, made: Evaluated) -> None:
    slot = stream.slot
    events = read_events(batch.values, stream.payload, stream.form)
    # A pack is tried on what this one was given by rules of all logsources.
    slot.remember(events.data, None if isinstance(stream.logsource, str) else stream.logsource)
    try:
        data = cast("bytes", events.data)  # a bytearray does here what bytes do
        result = slot.pack.match_lines(data, logsource=stream.logsource)
    except Exception:
        log.exception("a pack failed on a batch; its records are evaluated one by one")
        result = _one_by_one(batch, stream, events, made)
    if slot.correlating is not None or slot.suppressing is not None:
        _add_alerts(batch, slot, events, result, made)
    elif slot.forwarding is not None:
        _add_hits(batch, slot, slot.forwarding, events, result, made)
    else:
        _add_matches(batch, slot, events, result, made)
    _add_dead(batch, slot, events, result, made)
    events.done()
    made.events += result.records
    made.rejected += len(result.rejected) + len(events.malformed) + len(batch.long_lines)


def _one_by_one(batch: Batch, stream: Stream, events: Events, made: Evaluated) -> BatchResult:
    pairs: list[tuple[int, int]] = []
    rejected, records = [], 0
    for line, text in enumerate(events.lines):
        try:
            found = stream.slot.pack.match_batch(text, logsource=stream.logsource)
        except Exception as error:  # noqa: BLE001 - whatever a rule's code raises: the record is kept, the stream goes on
            record, index = events.place(line)
            value = (batch.values[record] if index is None else text) or b""
            origin = batch.origin(record)
            made.dead.append(_letter(stream.slot, "evaluation", repr(error), value, origin, index))
            continue
        pairs += [(line, rule) for rule in found.rule.tolist()]
        rejected += [type(each)(line, each.position, each.reason) for each in found.rejected]
        records += found.records
    both = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return BatchResult(both[:, 0].copy(), both[:, 1].copy(), tuple(rejected), records)


def _add_matches(
    batch: Batch, slot: PackSlot, events: Events, result: BatchResult, made: Evaluated
) -> None:
    rules = result.rule.tolist()
    if not rules:
        return
    last, origin = -1, Origin("", 0, 0)
    for line, rule in zip(result.record.tolist(), rules, strict=True):
        record, index = events.place(line)
        if record != last:
            last, origin = record, batch.origin(record)
        event = events.lines[line].strip(_AROUND)
        match = slot.writer.message(rule, origin, index, event)
        if slot.holding is not None:
            named = slot.pack.rules[rule]
            candidate = slot.holding.candidate(named, match, event, origin.timestamp)
            if candidate is not None:
                made.hits.append(candidate)
                continue
        made.matches.append(match)
    made.found.setdefault(slot.name, Counter()).update(rules)


def _add_alerts(
    batch: Batch, slot: PackSlot, events: Events, result: BatchResult, made: Evaluated
) -> None:
    """Matches but for those of rules that only count, and alerts, in the order of their records; some are held back."""
    found: list[tuple[int, int | Alert]] = [
        *zip(result.record.tolist(), result.rule.tolist(), strict=True)
    ]
    if slot.correlating is not None:
        found = [(line, rule) for line, rule in found if rule not in slot.pack.silent]
        found = [
            *heapq.merge(found, _alerts(batch, slot, events, result), key=lambda each: each[0])
        ]
    counted = made.found.setdefault(slot.name, Counter())
    for line, each in found:
        record, index = events.place(line)
        origin = batch.origin(record)
        event = events.lines[line].strip(_AROUND)
        alert = each if isinstance(each, Alert) else None
        rule = each.correlation if isinstance(each, Alert) else slot.pack.rules[each]
        held: int | None = 0
        if slot.suppressing is not None:
            held = slot.suppressing.take(rule, event, origin.timestamp, alert)
        if held is None:
            continue
        if isinstance(each, Alert):
            made.matches.append(slot.writer.alert(each, origin, event, held))
        else:
            made.matches.append(slot.writer.message(each, origin, index, event, held))
            counted[each] += 1


def _alerts(
    batch: Batch, slot: PackSlot, events: Events, result: BatchResult
) -> Iterator[tuple[int, Alert]]:
    """The alerts of correlations, each with the line of its event."""
    assert slot.correlating is not None
    for line, observation in slot.correlating.observe(events.lines, result):
        record, index = events.place(line)
        origin = batch.origin(record)
        if observation is not None:
            place = (origin.topic, origin.partition, origin.offset, index)
            observation = observation._replace(source=place)
        for alert in slot.correlating.take(observation):
            yield line, alert


def _heard(slot: PackSlot, result: BatchResult) -> BatchResult:
    """The matches of rules that are output."""
    silent = slot.pack.silent
    heard = np.array([rule not in silent for rule in result.rule.tolist()], dtype=bool)
    return BatchResult(result.record[heard], result.rule[heard], result.rejected, 0)


def _add_hits(
    batch: Batch,
    slot: PackSlot,
    forwarding: Forwards,
    events: Events,
    result: BatchResult,
    made: Evaluated,
) -> None:
    """Matches of rules that are no output but for correlations, and the hits of correlations."""
    _add_matches(batch, slot, events, _heard(slot, result), made)
    for line, observation in forwarding.observe(events.lines, result):
        record, index = events.place(line)
        origin = batch.origin(record)
        event = events.lines[line].strip(_AROUND)
        if observation is not None:
            place = (origin.topic, origin.partition, origin.offset, index)
            observation = observation._replace(source=place)
        messages, problem = forwarding.messages(observation, event, origin.partition)
        made.hits += messages
        if problem:
            made.dead.append(_letter(slot, "hit", problem, event, origin, index))
    made.correlations = added(made.correlations, forwarding.counted())


def _add_dead(
    batch: Batch, slot: PackSlot, events: Events, result: BatchResult, made: Evaluated
) -> None:
    for record, long in batch.long_lines.items():
        reason = (
            f"the line has {long.size:,} bytes, which is too long; "
            f"here are the first {len(long.start):,}, from byte {long.position} of the file"
        )
        origin = batch.origin(record)
        made.dead.append(_letter(slot, "too_long", reason, long.start, origin, None))
    for each in events.malformed:
        origin = batch.origin(each.record)
        made.dead.append(_letter(slot, "payload", each.reason, each.value, origin, each.index))
    if not result.rejected:
        return
    for refused in result.rejected:
        record, index = events.place(refused.record)
        value = batch.values[record] if index is None else events.lines[refused.record]
        origin = batch.origin(record)
        made.dead.append(_letter(slot, "rejected", refused.reason, value or b"", origin, index))


def _letter(
    slot: PackSlot, kind: str, reason: str, value: bytes, origin: Origin, index: int | None
) -> DeadLetter:
    return DeadLetter(
        value=value,
        origin=origin,
        index=index,
        kind=kind,
        reason=reason,
        pack=slot.pack.name,
        version=slot.pack.version,
        time=time.time(),
    )
