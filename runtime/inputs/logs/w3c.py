"""W3C's extended log format, as IIS, proxies and content networks write it: values below a line that names them.

    #Software: Microsoft Internet Information Services 10.0
    #Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent)
    2026-11-28 10:00:00 203.0.113.5 GET /a b=c 200 curl/8.0

Fields have the names of Sigma's taxonomy: those of headers, `cs(User-Agent)`, are `cs-user-agent`. Beside them stand
`timestamp`, of `date` and `time` (in UTC), and `cs-uri`, of stem and query. `-` is no value. IIS writes the blanks of a
user agent as `+`: they are blanks again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

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
_FIELDS = "#Fields:"
_IIS = re.compile(r"#Software: *Microsoft Internet Information Serv", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#(?:Software|Version|Date|Fields|Start-Date|Remark|Time Format): ?")
_OF_HEADER = re.compile(r"(cs|sc|rs|sr)\(([^()]+)\)")
_NO_HEADER = (
    f"`#Fields:` has more than {MOST_FIELDS:,} fields, or a name of more than"
    f" {_LONGEST_NAME} characters"
)
# What a server or a proxy of the web has and others that log so, such as firewalls, have not
_OF_THE_WEB = {"cs-method", "cs-uri", "cs-uri-stem", "cs-uri-query", "sc-status"}
_VALUE = re.compile(r'"((?:[^"]|"")*+)"(?= |$)|([^ ]++)')
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)


@dataclass(slots=True)
class _Header:
    """What the lines that begin with `#` have said so far."""

    names: tuple[str, ...] = ()
    is_iis: bool = False
    fault: str = "no line `#Fields:` stands above it"

    def take(self, line: str) -> None:
        if line.startswith("#Software:"):
            self.is_iis = bool(_IIS.match(line))
        elif line.startswith(_FIELDS):
            names = line.removeprefix(_FIELDS).split(None, MOST_FIELDS)
            is_hostile = len(names) > MOST_FIELDS or max(map(len, names), default=0) > _LONGEST_NAME
            self.names = () if is_hostile else tuple(map(_name, names))
            self.fault = _NO_HEADER if is_hostile else ""


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The events of a log, or of several on end; lines of headers are neither events nor unreadable."""
    header = _Header()
    for number, line in text_lines(stream):
        if line is None:
            yield item_of(number, TOO_LONG)
        elif line.startswith("#"):
            header.take(line)
        else:
            yield item_of(number, _fields_of(line, header))


def recognises(start: bytes) -> bool:
    """Whether a file begins with directives, and `#Fields:` names such as only the web's logs have."""
    lines = first_lines(start)
    if not lines or not _DIRECTIVE.match(lines[0]):
        return False
    header = _Header()
    for line in lines:
        if line.startswith("#"):
            header.take(line)
    return not _OF_THE_WEB.isdisjoint(header.names)


def is_iis(start: bytes) -> bool:
    """Whether a log of the web says in its first lines that IIS wrote it."""
    return recognises(start) and any(map(_IIS.match, first_lines(start)))


def _name(name: str) -> str:
    header = _OF_HEADER.fullmatch(name)
    return f"{header[1]}-{header[2].lower()}" if header else name


def _fields_of(line: str, header: _Header) -> Parsed:
    if header.fault:
        return header.fault
    values = _values(line, len(header.names))
    if len(values) != len(header.names):
        few = "fewer" if len(values) < len(header.names) else "more"
        return f"{few} values than `#Fields:` names"
    pairs = zip(header.names, values, strict=True)
    fields = {name: value for name, value in pairs if value != "-"}
    date, time = fields.get("date", ""), fields.get("time", "")
    if _DATE.fullmatch(date) and _TIME.fullmatch(time):
        fields.setdefault("timestamp", f"{date}T{time}Z")
    if "cs-uri-stem" in fields:
        query = fields.get("cs-uri-query")
        stem = fields["cs-uri-stem"]
        fields.setdefault("cs-uri", stem if query is None else f"{stem}?{query}")
    if header.is_iis and "cs-user-agent" in fields:
        fields["cs-user-agent"] = fields["cs-user-agent"].replace("+", " ")
    return fields


def _values(line: str, most: int) -> list[str]:
    """What stands between tabs, where there are any, else between blanks, where a quoted text is one value.

    Of more than `most` values it gives some more.
    """
    if "\t" in line:
        return line.split("\t", most)
    if '"' not in line:
        return line.split(None, most)
    return [
        match[2] if match[1] is None else match[1].replace('""', '"')
        for match in islice(_VALUE.finditer(line), most + 1)
    ]


FORMAT = Format(
    "w3c", "W3C extended log of a web server", recognises, read, {"category": "webserver"}
)
