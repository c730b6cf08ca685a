"""A dead letter comes back from a topic and from a file as it went there."""

from __future__ import annotations

import pytest

from sigmac.runtime.stream.dead_letters import (
    DeadLetter,
    as_line,
    as_message,
    from_line,
    from_message,
)
from sigmac.runtime.stream.record import Origin

ORIGINS = [
    Origin("events", 3, 17),
    Origin("events", 0, 0, 1_700_000_000_000, b"", ()),
    Origin("events", 0, 0, -1, b"\xff\x00", (("h", None), ("h", b""), ("", b"\xff"))),
    Origin("events", 1, 2, 3, b"k", (), headers_lost=True),
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("index", [None, 4])
def test_it_comes_back_as_it_went(origin: Origin, index: int | None) -> None:
    letter = DeadLetter(b"\xff{", origin, index, "rejected", "because", "p", "1", 1.7e9)
    sent = as_message(letter)
    assert from_message(sent.value, sent.key, sent.headers) == letter
    assert from_line(as_line(letter).value) == letter


def test_what_a_record_says_of_dead_letters_does_not_count() -> None:
    spoofed = (("sigmac-dlq-kind", b"payload"), ("sigmac-dlq-headers", b"lost"), ("h", b"1"))
    letter = DeadLetter(b"{", Origin("t", 0, 1, None, None, spoofed), None, "rejected", *"rp1", 1.0)
    sent = as_message(letter)
    found = from_message(sent.value, sent.key, sent.headers)
    assert (found.kind, found.origin.headers_lost) == ("rejected", False)
    assert found.origin.headers == (("h", b"1"),)
