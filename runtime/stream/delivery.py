"""How a batch's matches and dead letters are delivered and its records are committed: the order of the steps.

At least once (`AtLeastOnce`):

    1. matches are written to every sink, dead letters to theirs, hits of correlations to the topic of the second stage
    2. all of it is flushed: the other ends have it
    3. what a sink gave up is dead-lettered, and flushed
    4. the records' positions are committed

A crash before 4 loses nothing: the records are not committed, so the next owner of the partition evaluates them again.
A crash between 1 and 4 may deliver messages twice; both carry the same match id. A crash after 4 changes nothing.

Exactly once is in `kafka/transactions.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.dead_letters import DeadLetter, bury, poorer
from sigmac.runtime.stream.match_message import candidate_of, is_candidate
from sigmac.runtime.stream.record import Source
from sigmac.runtime.stream.sink import Message, Sink, Undeliverable

_STEP = 0.25  # seconds between two looks at the rest of the world while a sink is slow
# What runs while a sink is slow: stay in the group, answer the supervisor; raises to give up.
Meanwhile = Callable[[], None]


class Outputs:
    """The sinks of a worker. Without `dead_letters` they are dropped, and counted as such."""

    def __init__(
        self,
        matches: dict[str, Sink],
        dead_letters: Sink | None,
        encode: Callable[[DeadLetter], Message],
        hits: Sink | None = None,
    ):
        self.matches = matches
        self.hits = hits
        self.dead_letters = dead_letters
        self._encode = encode
        self.delivered: dict[str, int] = dict.fromkeys(matches, 0)
        if dead_letters is not None:
            self.delivered["dead_letters"] = 0
        if hits is not None:
            self.delivered["hits"] = 0
        # Of the batch in work: the letters of what match sinks gave up, and how much each of them did.
        self._letters: dict[Message, DeadLetter] = {}
        self._buried: list[DeadLetter] = []
        self._given_up: Counter[str] = Counter()

    def write(
        self,
        matches: Sequence[Message],
        dead_letters: Sequence[DeadLetter],
        hits: Sequence[Message] = (),
    ) -> None:
        """Steps 1 of both orders."""
        self._buried.clear()
        self._given_up.clear()
        if matches:
            for sink in self.matches.values():
                sink.write(matches)
        if hits and self.hits is not None:
            self.hits.write(hits)
        if dead_letters and self.dead_letters is not None:
            self.dead_letters.write([self._encode(letter) for letter in dead_letters])

    def flush(self, meanwhile: Meanwhile) -> None:
        """Wait until every sink has delivered, and dead-letter what it gave up."""
        for sink in self._all():
            _flush(sink, meanwhile)
        self.bury_undeliverable()
        if self.dead_letters is not None:
            _flush(self.dead_letters, meanwhile)
            while refused := self.dead_letters.undeliverable():
                self.dead_letters.write([_poorer(each) for each in refused])
                _flush(self.dead_letters, meanwhile)

    def bury_undeliverable(self) -> None:
        """Write what match sinks gave up as dead letters."""
        for name, sink in (*self.matches.items(), ("hits", self.hits)):
            for each in sink.undeliverable() if sink is not None else ():
                # A transaction that is done again writes the same letter again.
                letter = self._letters.get(each.message)
                if letter is None:
                    message, kind = each.message, "hit" if name == "hits" else "undeliverable"
                    if is_candidate(message.headers):
                        message, kind = candidate_of(message).message, "undeliverable"
                    letter = self._letters[each.message] = bury(message, each.reason, kind)
                self._buried.append(letter)
                self._given_up[name] += 1
                if self.dead_letters is not None:
                    self.dead_letters.write([self._encode(letter)])

    def buried(self) -> list[DeadLetter]:
        """The dead letters of what match sinks gave up of the last batch."""
        found, self._buried = self._buried, []
        return found

    def _all(self) -> list[Sink]:
        """The sinks of matches and of hits."""
        return [*self.matches.values(), *([self.hits] if self.hits is not None else ())]

    def count(self, matches: int, dead_letters: int, hits: int = 0) -> None:
        """The batch is delivered: of its matches each sink has taken those that it did not give up."""
        if self.hits is not None:
            self.delivered["hits"] += hits - self._given_up["hits"]
        for name in self.matches:
            self.delivered[name] += matches - self._given_up[name]
        if self.dead_letters is not None:
            self.delivered["dead_letters"] += dead_letters + self._given_up.total()
        self._letters.clear()

    def close(self) -> None:
        for sink in (*self._all(), self.dead_letters):
            if sink is not None:
                sink.close()


def _poorer(refused: Undeliverable) -> Message:
    """A dead letter with less in it. Raises `StreamError` where nothing is left to leave out."""
    found = poorer(refused.message, needs_key=refused.needs_key)
    if found is None:
        raise StreamError(f"a dead letter cannot be delivered: {refused.reason}")
    return found


def _flush(sink: Sink, meanwhile: Meanwhile) -> None:
    while not sink.flush(_STEP):
        meanwhile()


class Delivery(Protocol):
    """One of the two orders of steps."""

    def deliver(
        self,
        matches: Sequence[Message],
        dead_letters: Sequence[DeadLetter],
        meanwhile: Meanwhile,
        hits: Sequence[Message] = (),
    ) -> None:
        """Deliver what came of all that was polled, and commit that.

        Raises `DeliveryFailed` where the batch has to be done again (the source is to be rewound), `StreamError` where
        trying again cannot help.
        """
        ...


class AtLeastOnce:
    """Flush, then commit."""

    def __init__(self, source: Source, outputs: Outputs):
        self._source = source
        self._outputs = outputs

    def deliver(
        self,
        matches: Sequence[Message],
        dead_letters: Sequence[DeadLetter],
        meanwhile: Meanwhile,
        hits: Sequence[Message] = (),
    ) -> None:
        if matches or dead_letters or hits:
            self._outputs.write(matches, dead_letters, hits)
            self._outputs.flush(meanwhile)
            self._outputs.count(len(matches), len(dead_letters), len(hits))
        self._source.commit()
