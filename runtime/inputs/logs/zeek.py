r"""Zeek's logs as it writes them by default: lines of separated values below a header that names and types them.

    #separator \x09
    #path	dns
    #fields	ts	id.orig_h	query	answers
    #types	time	addr	string	vector[string]

Events are those that Zeek writes as JSON: numbers, truth values and arrays as their types say, unset fields left out;
and the log's name, which is the service of Zeek's rules, as `_path`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs.text_lines import (
    MOST_FIELDS,
    TOO_LONG,
    Parsed,
    first_lines,
    item_of,
    text_lines,
)

# Each event repeats the names: one as long as a line can be would make long events of the shortest lines
_LONGEST_NAME = 256
_NUMBERS = {
    "count": int,
    "int": int,
    "port": int,
    "double": float,
    "interval": float,
    "time": float,
}
_NUMBER = {
    int: re.compile(r"-?\d{1,20}", re.ASCII),
    float: re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?", re.ASCII),
}
_NO_HEADER = (
    f"the header has more than {MOST_FIELDS:,} fields, or a name of more than"
    f" {_LONGEST_NAME} characters"
)
_TRUTH = {"T": True, "F": False}
_CONTAINER = re.compile(r"(?:set|vector|table)\[(\w+)\]", re.ASCII)
_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class _Header:
    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str = ""
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    fault: str = "no line `#fields` stands above it"


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The events of a log, or of several on end; lines of headers are neither events nor unreadable."""
    header = _Header()
    for number, line in text_lines(stream):
        if line is None:
            yield item_of(number, TOO_LONG)
        elif line.startswith("#"):
            header = _with_line(header, line)
        else:
            yield item_of(number, _fields_of(line, header))


def recognises(start: bytes) -> bool:
    """Whether a file begins with Zeek's `#separator`, or with another line of its header and then `#fields`."""
    lines = first_lines(start)
    if not lines or not lines[0].startswith("#"):
        return False
    return lines[0].startswith("#separator ") or any(line.startswith("#fields\t") for line in lines)


def _with_line(header: _Header, line: str) -> _Header:
    """The header with one more line; those of no meaning here, such as `#close`, change nothing."""
    if line.startswith("#separator "):
        return _Header(separator=_meant(line.removeprefix("#separator ").strip()) or "\t")
    name, *values = line.split(header.separator, MOST_FIELDS + 1)
    if name == "#fields":
        is_hostile = len(values) > MOST_FIELDS or max(map(len, values), default=0) > _LONGEST_NAME
        return replace(
            header, names=tuple(values), types=(), fault=_NO_HEADER if is_hostile else ""
        )
    if name == "#types":
        return replace(header, types=tuple(values))
    value = values[0] if values else ""
    match name:
        case "#set_separator":
            return replace(header, set_separator=_meant(value) or ",")
        case "#empty_field":
            return replace(header, empty=value)
        case "#unset_field":
            return replace(header, unset=value)
        case "#path":
            return replace(header, path=value[:_LONGEST_NAME])
    return header


def _fields_of(line: str, header: _Header) -> Parsed:
    if header.fault:
        return header.fault
    values = line.split(header.separator, len(header.names))
    if len(values) != len(header.names):
        few = "fewer" if len(values) < len(header.names) else "more"
        return f"{few} values than the header names fields"
    fields: dict[str, Any] = {"_path": header.path} if header.path else {}
    types = header.types if len(header.types) == len(values) else ("string",) * len(values)
    for name, kind, value in zip(header.names, types, values, strict=True):
        if value != header.unset:
            fields[name] = _value(value, kind, header)
    return fields


def _value(text: str, kind: str, header: _Header) -> Any:
    """A value as its type says; one that is none of its type is the text that stands there."""
    if container := _CONTAINER.fullmatch(kind):
        if text == header.empty:
            return []
        return [
            None if element == header.unset else _scalar(element, container[1], header)
            for element in text.split(header.set_separator)
        ]
    return _scalar(text, kind, header)


def _scalar(text: str, kind: str, header: _Header) -> Any:
    if kind == "bool" and text in _TRUTH:
        return _TRUTH[text]
    if (number := _NUMBERS.get(kind)) and _NUMBER[number].fullmatch(text):
        value = number(text)
        if math.isfinite(value) and -(1 << 63) <= value < 1 << 64:
            return value
    return "" if text == header.empty else _meant(text)


def _meant(text: str) -> str:
    r"""A text without `\xhh`, as which separators and what is no ASCII are written."""
    if "\\x" not in text:
        return text
    data = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode())
    return data.decode(errors="replace")


FORMAT = Format("zeek", "Zeek's log of separated values", recognises, read, {"product": "zeek"})
