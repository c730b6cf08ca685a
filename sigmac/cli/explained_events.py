"""The events that are explained: one, or those of a file, of standard input or of a text on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sigmac.cli.options import counted, say
from sigmac.runtime.errors import EventError, InputError

MAX_EVENT = 4 << 20  # bytes; the evaluator that explains is the slow one
MAX_REPORTED = 5  # records that are no events; all are counted
_BLANK = b" \t\r\xef\xbb\xbf"


@dataclass(slots=True)
class Records:
    """The events of a file or text by their positions; what is none is told, and counted in `rejected`."""

    given: str
    evtx: bool = False
    quiet: bool = False
    lines: int = 0
    rejected: int = 0

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Raises `InputError` where they cannot be read to the end."""
        from sigmac.compiler.meaning.explanation import bound_depth

        for name, first, data in _blocks(self.given):
            for position, line in enumerate(data.removesuffix(b"\n").split(b"\n"), first):
                self.lines = position + 1
                record = line.strip(_BLANK)
                if not record:
                    continue
                try:
                    event = _parse(record, self.evtx)
                    bound_depth(event)
                except EventError as error:
                    self.rejected += 1
                    if self.rejected <= MAX_REPORTED and not self.quiet:
                        say(f"sigmac: {name}:{position + 1}: {error}")
                else:
                    yield position, event
        if self.rejected > MAX_REPORTED and not self.quiet:
            say(f"sigmac: {counted(self.rejected, 'record')} in all are no events")

    def why_none(self, position: int) -> str:
        """Why there is no event at a position, once all are read."""
        name = "standard input" if self.given == "-" else _name(self.given)
        if position < self.lines:
            return f"{name}: line {position + 1}, which has the position {position}, is no event"
        return f"{name}: there is no position {position}; it has {counted(self.lines, 'line')}"


def read_event(given: str, evtx: bool, position: int | None) -> dict[str, Any]:
    """The one event that is given, or that at a position. Raises `EventError` or `InputError`."""
    if position is not None:
        records = Records(given, evtx, quiet=True)
        found = next((event for number, event in records if number == position), None)
        if found is None:
            raise InputError(records.why_none(position))
        return found
    name, data = _event_bytes(given)
    record = data.strip().removeprefix(b"\xef\xbb\xbf")
    if not record:
        raise EventError(f"{name}: there is no event")
    try:
        return _parse(record, evtx)
    except EventError as error:
        hint = "; choose one event: --position N is its line, from 0"
        advice = hint if _is_first_of_several(record) else ""
        raise EventError(f"{name}: {error}{advice}") from None


def are_several(given: str) -> bool:
    """Whether there is more than one event, as far as a look tells: standard input is not looked at, it may have.

    Raises `InputError` where it cannot be read.
    """
    if given == "-":
        return True
    beginning = next((data for _, _, data in _blocks(given)), b"")
    return _is_first_of_several(beginning.strip(_BLANK + b"\n"))


def _parse(record: bytes, evtx: bool) -> dict[str, Any]:
    from sigmac.runtime.inputs.evtx_json import flatten
    from sigmac.runtime.scalar.json_record import parse_record

    event = parse_record(record)
    return flatten(event) if evtx else event


def _is_text(given: str) -> bool:
    """Whether JSON is given, not the name of a file."""
    text = given.lstrip()
    return not text or text[0] == "{" or (text[0] == "[" and not os.path.exists(given))


def _name(given: str) -> str:
    return "EVENT" if _is_text(given) else given


def _blocks(given: str) -> Iterator[tuple[str, int, bytes]]:
    """Whole lines, with the name of what they are of and the number of the first one."""
    from sigmac.runtime.inputs.lines import STDIN, read_blocks

    if _is_text(given):
        yield "EVENT", 0, given.encode("utf-8", "surrogateescape")
        return
    name = "standard input" if given == STDIN else given
    for block in read_blocks(given):
        yield name, block.first, block.data


def _event_bytes(given: str) -> tuple[str, bytes]:
    blocks = []
    size = 0
    name = ""
    for name, _, data in _blocks(given):
        blocks.append(data)
        size += len(data)
        if size > MAX_EVENT and not _is_text(given):
            message = f"longer than {MAX_EVENT:,} bytes: give one event, not a file of many"
            raise InputError(f"{name}: {message}")
    return name or _name(given), b"".join(blocks)


def _is_first_of_several(data: bytes) -> bool:
    from sigmac.runtime.scalar.json_record import parse_record

    first, _, rest = data.partition(b"\n")
    try:
        parse_record(first)
    except EventError:
        return False
    return bool(rest)
