r"""LEEF, QRadar's Log Event Extended Format: `LEEF:2.0|Vendor|Product|Version|EventID|^|key=value^key=value`.

Attributes are separated by tabs, in version 2.0 by the character that stands before them, itself or as hexadecimal
(`x5E`). The header's fields are `DeviceVendor`, `DeviceProduct`, `DeviceVersion`, as in CEF, and `EventID`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs.text_lines import (
    MOST_FIELDS,
    TOO_MANY,
    Parsed,
    most_are,
    read_lines,
)

_VERSION = re.compile(r"LEEF: ?([12])(?:\.0)?\|")
_DELIMITER = re.compile(r"(?:0?x([0-9A-Fa-f]{1,4})|([^|]?))\|")
_HEADER = ("DeviceVendor", "DeviceProduct", "DeviceVersion", "EventID")
# How rsyslog writes a tab by default
_ESCAPED_TAB = "#011"


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The events of a file of LEEF lines."""
    return read_lines(stream, fields_of)


def recognises(start: bytes) -> bool:
    """Whether most of the first lines begin as LEEF does."""
    return most_are(start, _VERSION.match)


def fields_of(line: str) -> Parsed:
    """The fields of a line, or why it has none.

    >>> fields_of("LEEF:2.0|V|P|1|7|^|src=10.0.0.1^usrName=a b")["usrName"]
    'a b'
    """
    version = _VERSION.match(line)
    if not version:
        return "not LEEF: it does not begin with `LEEF:1.0|` or `LEEF:2.0|`"
    *header, attributes = line[version.end() :].split("|", len(_HEADER))
    if len(header) < len(_HEADER):
        return "not LEEF: its header has fewer than five parts"
    fields = dict(zip(_HEADER, header, strict=True))
    delimiter = "\t"
    if version[1] == "2" and (told := _DELIMITER.match(attributes)):
        attributes = attributes[told.end() :]
        delimiter = chr(int(told[1], 16)) if told[1] else told[2] or "\t"
    if delimiter == "\t" and "\t" not in attributes:
        delimiter = _ESCAPED_TAB
    pairs = attributes.split(delimiter, MOST_FIELDS)
    if len(pairs) > MOST_FIELDS:
        return TOO_MANY
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if equals and (name := name.strip()):
            fields[name] = value.strip()
    return fields


FORMAT = Format("leef", "LEEF (Log Event Extended Format)", recognises, read)
