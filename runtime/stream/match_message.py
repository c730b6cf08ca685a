"""A match as it goes out: the line of JSON, its key and headers, and an id that stays when it is made again."""

from __future__ import annotations

import contextlib
import hashlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.suppression import Alike
from sigmac.runtime.errors import InputError
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.stream.record import Headers, Origin
from sigmac.runtime.stream.sink import Message

TRACE_HEADERS = ("traceparent", "tracestate")
_EVENT = b',"event":'
_LONG = 400  # bytes of a key of which a digest is taken
_ALIKE, _KEY = "sigmac-alike", "sigmac-key"  # headers of a candidate


def match_id(origin: Origin, index: int | None, rule: str) -> str:
    """An id of 32 hexadecimal digits for the match of a rule with one event of one record.

    It depends on where the record lies (topic, partition, offset, timestamp), on the event's index in it and on the
    rule, not on the pack's version: what is evaluated twice after a crash gets the same id, and a reader can drop it.
    """
    place = [origin.topic, origin.partition, origin.offset, origin.timestamp, index, rule]
    return hashlib.blake2b(orjson.dumps(place), digest_size=16).hexdigest()


def without_event(line: bytes) -> dict[str, Any]:
    """What a match says but for its event, which may be nested so deep that no parser takes the whole line."""
    match: dict[str, Any]
    end = -1
    for _ in range(2):  # the first may be a field of an alert's group
        # In a text its quotation marks would be escaped.
        if (end := line.find(_EVENT, end + 1)) < 0:
            break
        with contextlib.suppress(ValueError):
            match = orjson.loads(line[:end] + b"}")
            return match
    match = orjson.loads(line)
    return match


def _held(number: int) -> bytes:
    return b',"suppressed":%d' % number if number else b""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A match that the second stage holds back or lets out: `slot` is the pack's name in the configuration.

    It is smaller as it goes out than it came.
    `place` is where its value says how many were held back before it.
    """

    message: Message
    slot: str
    time: int
    span: int
    place: int

    def out(self, held: int) -> Message:
        """The message of one that goes out."""
        value, place = self.message.value, self.place
        return replace(self.message, value=b"".join([value[:place], _held(held), value[place:]]))


def as_candidate(slot: str, message: Message, alike: Alike, event: bytes | None) -> Message:
    """A match on its way to the second stage, with its `event` where it has one: the same but for its key and headers.

    The key is what it is compared by, so that all that are alike are of one partition.
    """
    place = len(message.value) - 1 - (0 if event is None else len(_EVENT) + len(event))
    told = orjson.dumps([slot, alike.time, alike.span, place])
    own = () if message.key is None else ((_KEY, message.key),)
    key = orjson.dumps([slot, alike.key])
    if len(key) > _LONG:
        key = orjson.dumps(hashlib.blake2b(key, digest_size=32).hexdigest())
    return replace(message, key=key, headers=(*message.headers, (_ALIKE, told), *own))


def is_candidate(headers: Headers) -> bool:
    return any(name == _ALIKE for name, _ in headers)


def candidate_of(message: Message) -> Candidate:
    """What `as_candidate` made. Raises `InputError` where it is none."""
    told = dict(message.headers)
    headers = tuple(each for each in message.headers if each[0] not in (_ALIKE, _KEY))
    try:
        slot, *numbers = orjson.loads(told[_ALIKE] or b"")
        time, span, place = map(operator.index, numbers)
        tail = message.value[place:]
        if type(slot) is not str or place <= 0 or not (tail == b"}" or tail.startswith(_EVENT)):
            raise ValueError("it does not say where its event is")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"not a match: {error}") from None
    # One without a key of its own keeps this one: those that are alike stay in order, and a compacted topic takes it.
    match = replace(message, key=told.get(_KEY, message.key), headers=headers)
    return Candidate(match, slot, time, span, place)


def place_of(source: Sequence[Any]) -> dict[str, Any]:
    """Where an event lies, as matches say it."""
    topic, partition, offset, index = source
    place = {"topic": topic, "partition": partition, "offset": offset}
    return place if index is None else {**place, "index": index}


class MatchWriter:
    """Writes the matches of one pack."""

    def __init__(self, pack: Pack, *, event: bool):
        self.pack = pack
        self.event = event
        described = {"name": pack.name, "version": pack.version}
        self._pack = b',"pack":' + orjson.dumps(described)
        self._version = f"{pack.name}@{pack.version}".encode()
        self._rules: dict[int, tuple[str, bytes, tuple[tuple[str, bytes], ...]]] = {}

    def message(
        self, rule: int, origin: Origin, index: int | None, event: bytes, held: int = 0
    ) -> Message:
        """The message of a match: `rule` is an index of `pack.rules`, `event` the event's bytes on one line.

        So many like it were held back before.
        """
        known = self._rules.get(rule)
        if known is None:
            known = self._rules[rule] = self._described(rule)
        name, head, headers = known
        identity = match_id(origin, index, name)
        source: dict[str, object] = {
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
        }
        if index is not None:
            source["index"] = index
        parts = [b'{"id":"', identity.encode(), head, orjson.dumps(source), self._pack, _held(held)]
        if self.event:
            parts += (_EVENT, event)
        traces = tuple(header for header in origin.headers if header[0] in TRACE_HEADERS)
        return Message(
            b"".join([*parts, b"}"]),
            origin.key,
            (*headers, ("sigmac-match-id", identity.encode()), *traces),
            origin.partition,
        )

    def alert(self, alert: Alert, origin: Origin, event: bytes, held: int = 0) -> Message:
        """The message of an alert: `origin` is that of the event at which it became true."""
        described = {"name": self.pack.name, "version": self.pack.version}
        raw = event if self.event else None
        return alert_message(alert, described, origin.partition, raw, held)

    def _described(self, index: int) -> tuple[str, bytes, tuple[tuple[str, bytes], ...]]:
        rule = self.pack.rules[index]
        name = rule.id or self.pack.manifest["rules"][index]
        head = b'","rule":' + orjson.dumps(rule.on_the_wire()) + b',"source":'
        headers = (
            ("sigmac-rule", name.encode()),
            ("sigmac-level", (rule.level or "").encode()),
            ("sigmac-pack", self._version),
        )
        return name, head, headers


def alert_message(
    alert: Alert, pack: Mapping[str, str], partition: int, event: bytes | None, held: int = 0
) -> Message:
    """The message of an alert of a pack, with its event where there is one.

    Its key is the correlation with the group, so that a topic has the alerts of a group in their order.
    """
    plain = alert.plain()
    plain["source"] = place_of(alert.source)
    plain["correlation"]["events"] = [place_of(each) for each in alert.events]
    name = alert.correlation.id or alert.correlation.title
    identity = alert.id
    parts = [
        b'{"id":"',
        identity.encode(),
        b'",',
        orjson.dumps(plain)[1:-1],
        b',"pack":',
        orjson.dumps(pack),
        _held(held),
    ]
    if event is not None:
        parts += (_EVENT, event)
    headers = (
        ("sigmac-rule", name.encode()),
        ("sigmac-level", (alert.correlation.level or "").encode()),
        ("sigmac-pack", f"{pack['name']}@{pack['version']}".encode()),
        ("sigmac-match-id", identity.encode()),
    )
    key = orjson.dumps([name, alert.group])
    return Message(b"".join([*parts, b"}"]), key, headers, partition)
