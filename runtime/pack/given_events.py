"""Events that a caller has one by one, as the lines that the engine reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sigmac.runtime.errors import EventError
from sigmac.runtime.match import BatchResult, Rejected
from sigmac.runtime.scalar.json_record import bytes_of, json_bytes, parse_record, plain_event


class GivenEvents:
    """`lines` has a line for each event; that of one which is none is blank, and `refused` says why."""

    def __init__(self, events: Iterable[Mapping[str, Any] | bytes]) -> None:
        if isinstance(events, (str, Mapping)) or not isinstance(events, Iterable):
            raise _wrong(events)
        lines: list[bytes] = []
        self.refused: list[Rejected] = []
        position = 0
        for number, event in enumerate(events):
            try:
                line = _line(event)
            except EventError as error:
                line = b""
                self.refused.append(Rejected(number, position, str(error)))
            lines.append(line)
            position += len(line) + 1
        self.lines = b"\n".join(lines)

    def with_refused(self, result: BatchResult) -> BatchResult:
        """What came of `lines`, with what is no event among what is rejected."""
        if not self.refused:
            return result
        rejected = sorted([*result.rejected, *self.refused], key=lambda each: each.record)
        return replace(result, rejected=tuple(rejected))


def _line(event: Mapping[str, Any] | bytes) -> bytes:
    if isinstance(event, (bytes, bytearray, memoryview)):
        text = bytes(event).strip()
        return text if b"\n" not in text else json_bytes(parse_record(text))
    if not isinstance(event, Mapping):
        raise _wrong(event)
    known = bytes_of(event) if event.__class__ is dict else None
    try:
        return json_bytes(plain_event(event)) if known is None else known
    except RecursionError:
        raise EventError("the event is nested too deep") from None


def _wrong(given: Any) -> TypeError:
    return TypeError(
        "match_batch takes bytes, one JSON object a line, or an iterable of mappings or bytes, not a"
        f" {type(given).__name__}; a data frame gives .to_json(orient='records', lines=True).encode()"
    )
