"""From the value of a record to events, one a line: what an input's `payload` and `format` say."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, get_args, overload

import orjson

from sigmac.runtime.errors import EventError, InputError
from sigmac.runtime.inputs.format import Unreadable
from sigmac.runtime.inputs.lines import Buffers
from sigmac.runtime.reading.known_formats import formats, recognised
from sigmac.runtime.scalar.json_record import parse_record
from sigmac.runtime.stream.record import Joinable, Joined

Form = Literal[
    "event",
    "array",
    "ndjson",
    "auto",
    "json",
    "windows-xml",
    "auditd",
    "cef",
    "leef",
    "access-log",
    "syslog",
]
# Of which an event can be read without what stands before it
_OF_LOGS = frozenset(get_args(Form)) - {"event", "array", "auto"}
_BOM = b"\xef\xbb\xbf"
_LINE_FEED = ord("\n")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A part of a record that holds no event.

    `record` is its index in the batch, `index` that of the part within the record (None: the record as a whole),
    `value` the part's bytes.
    """

    record: int
    index: int | None
    value: bytes
    reason: str


@dataclass(slots=True)
class Events:
    """The events of a batch: `lines`, and the same as NDJSON.

    Line i is of record `records[i]` and the part `indexes[i]` of it (None: the whole record); where `records` is None
    line i is record i.
    """

    lines: Sequence[bytes]
    records: list[int] | None = None
    indexes: list[int | None] | None = None
    malformed: list[Malformed] = field(default_factory=list)
    data: bytes | bytearray = b""
    buffers: Buffers | None = None

    def __post_init__(self) -> None:
        self.data = self.data or b"\n".join(self.lines)

    def done(self) -> None:
        """Nothing of the lines is asked any more: their buffer may be used again."""
        if self.buffers is not None:
            self.buffers.give_back(self.data)

    def place(self, line: int) -> tuple[int, int | None]:
        """The record of a line and the index within it."""
        if self.records is None or self.indexes is None:
            return line, None
        return self.records[line], self.indexes[line]


def read_events(values: Sequence[bytes | None], payload: str = "", form: Form = "event") -> Events:
    """The events that records hold.

    `payload` is the dotted path in an envelope of what holds them ("" is the whole value), `form` is `event`, `array`
    (a JSON array of events), `ndjson` (one event a line) or a format of logs, which with `auto` is told by the content
    of each record. A record without a value has no events.

    The bytes of an event stay as they are but for line breaks between its parts, which become blanks; an element of
    an array and an object in an envelope are written anew.
    """
    if not payload and form == "event":
        if isinstance(values, Joinable):
            if (joined := values.joined()) is not None:
                return Events(_Lines(joined), data=joined.data, buffers=joined.buffers)
        elif _one_line_each(values):
            return Events(values)
    return _Reader(payload, form).read(values)


class _Lines(Sequence[bytes]):
    """The lines of one buffer, each made when it is asked for."""

    def __init__(self, joined: Joined):
        self._joined = joined

    def __len__(self) -> int:
        return len(self._joined.ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        ends = self._joined.ends
        first = int(ends[index - 1]) if index else 0
        return bytes(memoryview(self._joined.data)[first : int(ends[index]) - 1])


def _one_line_each(values: Sequence[bytes | None]) -> TypeGuard[Sequence[bytes]]:
    """Whether a line break between any two makes them NDJSON: the common case."""
    # Value by value: to search all of them at once for what is not there takes longer than to evaluate them.
    return all(
        value is not None and _LINE_FEED not in value and not value.startswith(_BOM)
        for value in values
    )


class _Reader:
    def __init__(self, payload: str, form: Form):
        self.path = payload.split(".") if payload else []
        self.form = form
        self.lines: list[bytes] = []
        self.records: list[int] = []
        self.indexes: list[int | None] = []
        self.malformed: list[Malformed] = []

    def read(self, values: Sequence[bytes | None]) -> Events:
        for record, value in enumerate(values):
            if value is None or not value.strip():
                continue
            try:
                self._read(record, value)
            except EventError as error:
                self.malformed.append(Malformed(record, None, value, str(error)))
        return Events(self.lines, self.records, self.indexes, self.malformed)

    def _read(self, record: int, value: bytes) -> None:
        text = value.removeprefix(_BOM)
        if self.path:
            text = self._in_envelope(text)
        if self.form == "event":
            self._add(record, None, text)
        elif self.form == "ndjson":
            for index, line in enumerate(text.split(b"\n")):
                if line.strip():
                    self._add(record, index, line)
        elif self.form != "array":
            self._read_log(record, text)
        else:
            for index, element in enumerate(_array(text)):
                if isinstance(element, dict):
                    self._add(record, index, orjson.dumps(element))
                else:
                    what = orjson.dumps(element)
                    reason = "the element of the array is not a JSON object"
                    self.malformed.append(Malformed(record, index, what, reason))

    def _read_log(self, record: int, text: bytes) -> None:
        form = recognised(text) if self.form == "auto" else formats()[self.form]
        if self.form == "json" and (lines := formats()["ndjson"]).recognises(text):
            form = lines  # the shorter way to the same
        if form is None:
            raise EventError("no known format of logs")
        if form.name not in _OF_LOGS:
            raise EventError(f"of a record alone this cannot be read: {form.title}")
        try:
            items = [*form.read(io.BytesIO(text))]
        except InputError as error:
            raise EventError(f"{form.name}: {error}") from None
        for number, item in enumerate(items):
            index = number if len(items) > 1 else None
            if isinstance(item, Unreadable):
                reason = f"{form.name}: {item.reason}"
                self.malformed.append(Malformed(record, index, text, reason))
            else:
                self._add(record, index, item.data)

    def _add(self, record: int, index: int | None, text: bytes) -> None:
        if b"\n" in text:
            # Within a string a line break is an error, and must not become a blank unseen.
            parse_record(text)
            text = text.replace(b"\n", b" ")
        self.lines.append(text)
        self.records.append(record)
        self.indexes.append(index)

    def _in_envelope(self, text: bytes) -> bytes:
        found: Any = parse_record(text)
        for name in self.path:
            if not isinstance(found, dict) or name not in found:
                raise EventError(f"the envelope has no `{'.'.join(self.path)}`")
            found = found[name]
        return found.encode() if isinstance(found, str) else orjson.dumps(found)


def _array(text: bytes) -> list[Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(found, list):
        raise EventError("not a JSON array")
    return found
