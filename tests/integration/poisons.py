"""Records that are made to do harm, by kind, and what has to become of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.integration.raw_messages import RawHeaders

# Sizes that the topics of the run are made for: what matches and dead letters may have.
MATCH_LIMIT, DEAD_LIMIT, EVENT_LIMIT = 1_000_000, 2_000_000, 4_000_000
_OVER_MATCHES, _OVER_DEAD = 1_200_000, 2_500_000

MATCH, NOTHING = "match", "nothing"
DEAD = "dead letter"  # as it is no event
UNDELIVERABLE = "undeliverable"


def noise(size: int) -> bytes:
    """Text that nobody can compress."""
    return os.urandom(size // 2).hex().encode()


@dataclass(frozen=True, slots=True)
class Poison:
    """One record and its fate. `without` names what its dead letter lacks, of `value`, `key` and `headers`."""

    value: bytes | None
    fate: str
    key: bytes | None = b""
    headers: RawHeaders = ()
    without: frozenset[str] = field(default_factory=frozenset)


def event(number: int, pad: bytes = b"") -> bytes:
    """An event that matches."""
    return b'{"n": %d, "Kind": "wanted", "pad": "%s"}' % (number, pad)


def _broken(value: bytes) -> Callable[[int], Poison]:
    return lambda number: Poison(value, DEAD, b"%d" % number)


def _empty(value: bytes | None) -> Callable[[int], Poison]:
    return lambda number: Poison(value, NOTHING, b"%d" % number)


def _with(*headers: tuple[bytes, bytes | None]) -> Callable[[int], Poison]:
    return lambda number: Poison(event(number), MATCH, b"%d" % number, headers)


_BAD_NAME = ((b"\xff\xfename", b"v"), (b"traceparent", b"00-a-b-01"))
POISONS: dict[str, Callable[[int], Poison]] = {
    # No events
    "JSON that is cut off": _broken(b'{"Kind": "wanted"'),
    "an array": _broken(b'[{"Kind": "wanted"}]'),
    "null": _broken(b"null"),
    "text": _broken(b"wanted"),
    "UTF-16": _broken('{"Kind": "wanted"}'.encode("utf-16")),
    "invalid UTF-8": _broken(b'{"Kind": "\xff\xfe"}'),
    "half of a surrogate pair": _broken(b'{"Kind": "\\ud800"}'),
    "a number out of range": _broken(b'{"Kind": 1e999}'),
    "NaN": _broken(b'{"Kind": NaN}'),
    "100,000 deep": _broken(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "NUL behind": _broken(b'{"Kind": "wanted"}\x00'),
    "two events in one": _broken(b'{"Kind": "wanted"}\n{"Kind": "wanted"}'),
    "a line break in a text": _broken(b'{"Kind": "wan\nted"}'),
    # Nothing at all
    "a tombstone": _empty(None),
    "no bytes": _empty(b""),
    "blanks": _empty(b" \r\n\t"),
    # Events as good as any
    "a byte order mark": lambda n: Poison(b"\xef\xbb\xbf" + event(n), MATCH, b"%d" % n),
    "line breaks between": lambda n: Poison(event(n).replace(b", ", b",\r\n"), MATCH, b"%d" % n),
    "headers whose names are no text": _with(*_BAD_NAME),
    "headers without a value": _with((b"h", None), (b"traceparent", None), (b"", b"")),
    "headers twice, binary": _with((b"h", b"\xff\x00"), (b"h", b"\x00")),
    "headers of sigmac": _with((b"sigmac-rule", b"x"), (b"sigmac-dlq-kind", b"payload")),
    "headers of 300 kB": _with(*[(b"h%d" % each, noise(3000)) for each in range(100)]),
    "a key of blanks and NUL": lambda n: Poison(event(n), MATCH, b"\x00 \xff"),
    "a key without bytes": lambda n: Poison(event(n), MATCH, b""),
    # Matches that their topic refuses
    "a match without a key": lambda n: Poison(event(n), UNDELIVERABLE, None),
    "a match that is too large": lambda n: Poison(
        event(n, noise(_OVER_MATCHES)), UNDELIVERABLE, b"%d" % n
    ),
    "a match with a key that is too large": lambda n: Poison(
        event(n), UNDELIVERABLE, noise(_OVER_MATCHES)
    ),
    # Dead letters that their topic refuses, and others that lack something
    "broken, and headers whose names are no text": lambda n: Poison(
        b"{", DEAD, b"%d" % n, _BAD_NAME, frozenset({"headers"})
    ),
    "broken, without a key": lambda n: Poison(b"{", DEAD, None),
    "broken, and too large": lambda n: Poison(
        b"{" + noise(_OVER_DEAD), DEAD, b"%d" % n, (), frozenset({"value"})
    ),
    "broken, with a key that is too large": lambda n: Poison(
        b"{", DEAD, noise(_OVER_DEAD), (), frozenset({"value", "key"})
    ),
    "broken, with headers that are too large": lambda n: Poison(
        b"{",
        DEAD,
        b"%d" % n,
        ((b"h", noise(_OVER_DEAD)),),
        frozenset({"value", "key", "headers"}),
    ),
}
