"""What a replay counts as sent has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from sigmac.runtime.service.replay import Returns, replay
from sigmac.runtime.stream.dead_letters import DeadLetter
from sigmac.runtime.stream.record import Origin
from sigmac.runtime.stream.sink import Message, Undeliverable
from tests.unit.runtime.stream.stand_ins import MemorySink


def letter(value: bytes) -> DeadLetter:
    return DeadLetter(value, Origin("events", 0, 1), None, "undeliverable", "r", "p", "1", 1.0)


class Letters:
    strange = 0

    def __init__(self, *letters: DeadLetter):
        self.letters = list(letters)
        self.sent: list[DeadLetter] = []

    def read(self) -> Iterator[list[DeadLetter]]:
        yield self.letters

    def done(self, sent: Sequence[DeadLetter]) -> None:
        self.sent += sent

    def close(self) -> None:
        pass


class ToMemory:
    """Returns whose sink refuses what has an x."""

    def __init__(self) -> None:
        self.sink = MemorySink([], "matches")
        self.sink.refuses = lambda message: b"x" in message.value

    def route(self, letter: DeadLetter) -> tuple[MemorySink, Message]:
        return self.sink, Message(letter.value)

    def flush(self) -> list[Undeliverable]:
        assert self.sink.flush(1)
        return self.sink.undeliverable()


@pytest.mark.parametrize("dry", [False, True])
def test_what_is_refused_again_is_not_sent(dry: bool) -> None:
    letters = Letters(letter(b"a"), letter(b"x"), letter(b"a"), letter(b"x"), letter(b"b"))
    returns = ToMemory()
    result = replay(letters, cast(Returns, returns), (), dry=dry)
    if dry:
        assert (result.sent, result.left) == ({"undeliverable": 5}, {})
        assert letters.sent == []
    else:
        assert (result.sent, result.left) == ({"undeliverable": 3}, {"too large": 2})
        assert [each.value for each in letters.sent] == [b"a", b"a", b"b"]
