"""Dead letters: what could not be evaluated or delivered, with its bytes, its origin and the reason.

Two encodings: a message for a topic (the value is the original bytes, key and headers are kept, and `sigmac-dlq-*`
headers say the rest), and a line of JSON for a file. Both decode to the same dead letter.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from sigmac.runtime.errors import InputError
from sigmac.runtime.stream.match_message import without_event
from sigmac.runtime.stream.record import Headers, Origin
from sigmac.runtime.stream.sink import Message

# Why something became a dead letter
KINDS = {
    "rejected": "the event is no JSON object",
    "payload": "the record does not hold what the input's `payload` and `format` say",
    "evaluation": "a rule's code failed on the event",
    "too_long": "a line of a file or of standard input is longer than 16 MiB; its start is kept",
    "undeliverable": "a sink gave up a match; the value is the match",
    "hit": "a hit of a correlation cannot be told to the second stage; the value is the hit, or the event",
}
PREFIX = "sigmac-dlq-"
_MAX_REASON = 500  # characters; a reason may quote what an attacker wrote


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter.

    `value` are the original bytes (of the part, where `index` tells one of several in the record), `kind` one of
    `KINDS`, `pack` and `version` those that ran, `time` seconds since 1970.
    """

    value: bytes
    origin: Origin
    index: int | None
    kind: str
    reason: str
    pack: str
    version: str
    time: float


def as_message(letter: DeadLetter) -> Message:
    """For a topic."""
    origin = letter.origin
    told: dict[str, Any] = {
        "kind": letter.kind,
        "reason": letter.reason[:_MAX_REASON],
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "timestamp": origin.timestamp,
        "index": letter.index,
        "pack": letter.pack,
        "version": letter.version,
        "time": f"{letter.time:.3f}",
        "headers": "lost" if origin.headers_lost else None,
    }
    headers = tuple(
        (PREFIX + name, str(value).encode("utf-8", "replace"))
        for name, value in told.items()
        if value is not None
    )
    # A record that was replayed and died again has such headers already: the new ones count.
    kept = tuple(header for header in origin.headers if not header[0].startswith(PREFIX))
    return Message(letter.value, origin.key, (*kept, *headers), origin.partition)


def poorer(message: Message, *, needs_key: bool) -> Message | None:
    """What to write of a dead letter that its topic does not take; None where nothing is left to leave out.

    With a key where the topic `needs_key`, else without its value, at last without what is left of the record. Its
    headers say which record it is.
    """
    if needs_key:
        return _with_made_key(message, "none")
    if message.value:
        return replace(message, value=b"")
    ours = tuple(header for header in message.headers if header[0].startswith(PREFIX))
    if ours == message.headers and (message.key is None or _told(message, "key")):
        return None
    lost = ((PREFIX + "headers", b"lost"),) if ours != message.headers else ()
    kept = tuple(header for header in ours if header[0] != PREFIX + "headers")
    bare = replace(message, headers=(*kept, *(lost or ours[len(kept) :])))
    return _with_made_key(bare, "lost") if message.key is not None else bare


def _with_made_key(message: Message, why: str) -> Message:
    """With the record's place for a key."""
    told = [_told(message, name) for name in ("topic", "partition", "offset")]
    says = (PREFIX + "key", why.encode())
    kept = tuple(header for header in message.headers if header[0] != PREFIX + "key")
    return replace(message, key=b"/".join(told), headers=(*kept, says))


def _told(message: Message, name: str) -> bytes:
    return dict(message.headers).get(PREFIX + name) or b""


def from_message(
    value: bytes | None, key: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> DeadLetter:
    """What `as_message` gave. Raises `InputError` where it is no dead letter."""
    told = {
        name.removeprefix(PREFIX): (text or b"").decode("utf-8", "replace")
        for name, text in headers
        if name.startswith(PREFIX)
    }
    kept = tuple(header for header in headers if not header[0].startswith(PREFIX))
    try:
        origin = Origin(
            told["topic"],
            int(told["partition"]),
            int(told["offset"]),
            int(told["timestamp"]) if "timestamp" in told else None,
            None if "key" in told else key,
            kept,
            told.get("headers") == "lost",
        )
        return DeadLetter(
            value or b"",
            origin,
            int(told["index"]) if "index" in told else None,
            told["kind"],
            told["reason"],
            told["pack"],
            told["version"],
            float(told["time"]),
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"not a dead letter: {error}") from None


def as_line(letter: DeadLetter) -> Message:
    """For a file: one line of JSON, bytes in base64."""
    origin = letter.origin
    plain = {
        "kind": letter.kind,
        "reason": letter.reason[:_MAX_REASON],
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "index": letter.index,
        "timestamp": origin.timestamp,
        "pack": letter.pack,
        "version": letter.version,
        "time": round(letter.time, 3),
        "key": _encoded(origin.key),
        "headers": None
        if origin.headers_lost
        else [[name, _encoded(value)] for name, value in origin.headers],
        "value": _encoded(letter.value),
    }
    try:
        line = orjson.dumps(plain)
    except TypeError:
        # A lone surrogate in a reason or a name: orjson does not write it.
        safe = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in plain.items()
        }
        line = orjson.dumps(safe)
    return Message(line, None, (), origin.partition)


def from_line(line: bytes) -> DeadLetter:
    """What `as_line` gave. Raises `InputError` where it is no dead letter."""
    try:
        plain = orjson.loads(line)
        lost = plain["headers"] is None
        headers: Headers = tuple(
            (str(name), _decoded(value)) for name, value in plain["headers"] or ()
        )
        origin = Origin(
            str(plain["topic"]),
            int(plain["partition"]),
            int(plain["offset"]),
            plain["timestamp"],
            _decoded(plain["key"]),
            headers,
            lost,
        )
        return DeadLetter(
            _decoded(plain["value"]) or b"",
            origin,
            plain["index"],
            str(plain["kind"]),
            str(plain["reason"]),
            str(plain["pack"]),
            str(plain["version"]),
            float(plain["time"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InputError(f"not a dead letter: {error}") from None


def bury(message: Message, reason: str, kind: str = "undeliverable") -> DeadLetter:
    """The dead letter of a match, or a hit, that a sink gave up: its value is the match itself."""
    match = without_event(message.value)
    source = match["source"]
    origin = Origin(
        source["topic"], source["partition"], source["offset"], None, message.key, message.headers
    )
    return DeadLetter(
        value=message.value,
        origin=origin,
        index=source.get("index"),
        kind=kind,
        reason=reason,
        pack=match["pack"]["name"],
        version=match["pack"]["version"],
        time=time.time(),
    )


def _encoded(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _decoded(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value, validate=True)
