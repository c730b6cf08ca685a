"""The events that are explained: those of files, of standard input or of a text on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from sigmac.cli.options import counted, say
from sigmac.cli.progress import watched_events
from sigmac.runtime.errors import EventError, InputError

if TYPE_CHECKING:
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.reading.reading import Reading

MAX_EVENT = 4  # MiB; the evaluator that explains is the slow one
MAX_REPORTED = 5  # records that are no events; all are counted
STDIN = "-"
_BLANK = b" \t\r\xef\xbb\xbf"

Event = dict[str, Any]
Source = tuple[str, int]  # the name of the input, the position in it


@dataclass(slots=True)
class Records:
    """The events of some inputs by their places; what is none is told, and counted in `rejected`.

    `given` are names of files, `-`, or one text of JSON. What was looked at is not read again, as standard input is
    read once.
    """

    given: Sequence[str]
    reading: Reading
    quiet: bool = False
    lines: int = 0  # of the last input
    rejected: int = 0
    faults: list[str] = field(default_factory=list)  # the first of them, in words
    _begun: Iterator[tuple[Source, Event]] | None = None
    _waits: bool = False

    def __iter__(self) -> Iterator[tuple[Source, Event]]:
        """Raises `InputError` where one of them cannot be read to the end."""
        begun, self._begun = self._begun, None
        return begun or self._read()

    @property
    def names(self) -> str:
        """What the inputs are called, the first of many."""
        more = f" and {len(self.given) - 1:,} more" if len(self.given) > 1 else ""
        return _shown(self.given[0]) + more

    def first(self, count: int) -> list[Event]:
        """As many of the first events, which are not lost; what is no event among them is told where there is one.

        Raises as reading them does.
        """
        whole = iter(self)
        self._waits = True
        found = list(islice(whole, count))
        self._waits = False
        if found:
            self._tell(self.faults)
        self._begun = chain(found, whole)
        return [event for _, event in found]

    def at(self, position: int) -> Event:
        """The event at a position of the only input. Raises `InputError` where there is none."""
        for (_, number), event in self:
            if number == position:
                return event
        raise InputError(self.why_none(position))

    def why_none(self, position: int) -> str:
        """Why there is no event at a position, once all are read."""
        name = _shown(self.given[0])
        if position < self.lines:
            return f"{name}: line {position + 1}, which has the position {position}, is no event"
        return f"{name}: there is no position {position}; it has {counted(self.lines, 'line')}"

    def _read(self) -> Iterator[tuple[Source, Event]]:
        from sigmac.compiler.meaning.explanation import bound_depth
        from sigmac.runtime.scalar.json_record import parse_record

        for given in self.given:
            self.lines = 0
            for block in self._blocks(given):
                for position, reason in block.unreadable:
                    self._reject(given, position, reason)
                if not block.data:  # but what is unreadable
                    continue
                for line, text in enumerate(block.data.removesuffix(b"\n").split(b"\n")):
                    position = block.position(line)
                    self.lines = max(self.lines, position + 1)
                    record = text.strip(_BLANK)
                    if not record:
                        continue
                    try:
                        event = parse_record(record)
                        bound_depth(event)
                    except EventError as error:
                        self._reject(given, position, str(error))
                    else:
                        yield ("EVENT" if is_text(given) else given, position), event
        if self.rejected > MAX_REPORTED and not self.quiet:
            say(f"sigmac: {counted(self.rejected, 'record')} in all are no events")

    def _blocks(self, given: str) -> Iterator[Block]:
        if is_text(given):
            return iter([_block_of_text(given.encode("utf-8", "surrogateescape"))])
        return watched_events(given, self.reading, show=not self.quiet)

    def _reject(self, given: str, position: int, reason: str) -> None:
        self.rejected += 1
        if len(self.faults) < MAX_REPORTED:
            where = (
                _shown(given)
                if self.lines <= 1 and is_text(given)
                else f"{_shown(given)}:{position + 1}"
            )
            self.faults.append(f"{where}: {reason}")
            if not self._waits:
                self._tell(self.faults[-1:])

    def _tell(self, faults: Sequence[str]) -> None:
        if not self.quiet:
            for each in faults:
                say(f"sigmac: {each}")


def is_text(given: str) -> bool:
    """Whether JSON is given, not the name of a file."""
    text = given.lstrip()
    return not text or text[0] == "{" or (text[0] == "[" and not os.path.exists(given))


def _shown(given: str) -> str:
    if is_text(given):
        return "EVENT"
    return "standard input" if given == STDIN else given


def _block_of_text(data: bytes) -> Block:
    """The events of a text, one a line or one however it is laid out, out of what they are wrapped in."""
    import orjson

    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.inputs.wrappings import events_in
    from sigmac.runtime.scalar.json_record import json_bytes

    def unwrapped(text: bytes) -> list[bytes]:
        """Raises `ValueError` for what is no JSON."""
        found = orjson.loads(text)
        if not isinstance(found, dict):
            return [text]
        events = events_in(found)
        return [text] if events == [found] and b"\n" not in text else [*map(json_bytes, events)]

    made: list[bytes] = []
    positions: list[int] = []
    try:
        whole = [data] if unwrapped(data) else []
    except ValueError:
        whole = data.split(b"\n")
    for position, line in enumerate(whole):
        try:
            events = unwrapped(line)
        except ValueError:
            events = [line]
        made += events
        positions += [position] * len(events)
    return Block("EVENT", b"\n".join(made), 0, 0, positions=positions)
