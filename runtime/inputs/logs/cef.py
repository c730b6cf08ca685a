r"""CEF, ArcSight's Common Event Format: `CEF:0|Vendor|Product|Version|ID|Name|Severity|key=a value key=value`.

The header's fields are `DeviceVendor`, `DeviceProduct`, `DeviceVersion`, `DeviceEventClassID`, `Name` and `Severity`;
those of the extension keep their names, `cs1` and `cs1Label` too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import IO

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs.text_lines import (
    MOST_FIELDS,
    TOO_MANY,
    Parsed,
    most_are,
    read_lines,
)

_VERSION = re.compile(r"CEF: ?[01]\|")
_PART = re.compile(r"([^|\\]*+(?:\\.[^|\\]*+)*+)\|")
_KEY = re.compile(r"(?:^|(?<=\s))(\w[\w.\[\]-]*+)=", re.ASCII)
_ESCAPES = re.compile(r"\\([\\|=nr])")
_MEANT = {"n": "\n", "r": "\r"}
_HEADER = (
    "DeviceVendor",
    "DeviceProduct",
    "DeviceVersion",
    "DeviceEventClassID",
    "Name",
    "Severity",
)


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The events of a file of CEF lines."""
    return read_lines(stream, fields_of)


def recognises(start: bytes) -> bool:
    """Whether most of the first lines begin as CEF does."""
    return most_are(start, _VERSION.match)


def fields_of(line: str) -> Parsed:
    r"""The fields of a line, or why it has none.

    >>> fields_of(r"CEF:0|V|P|1|100|N|5|msg=a b\=c src=10.0.0.1")["msg"]
    'a b=c'
    """
    version = _VERSION.match(line)
    if not version:
        return "not CEF: it does not begin with `CEF:0|`"
    at = version.end()
    fields = {}
    for name in _HEADER:
        # The last part may end with the line where there is no extension
        part = _PART.match(line, at) or (name == _HEADER[-1] and _PART.match(line + "|", at))
        if not part:
            return "not CEF: its header has fewer than seven parts"
        fields[name] = _meant(part[1])
        at = part.end()
    extension = line[at:]
    keys = list(islice(_KEY.finditer(extension), MOST_FIELDS + 1))
    if len(keys) > MOST_FIELDS:
        return TOO_MANY
    ends = [*(key.start() for key in keys[1:]), len(extension)]
    for key, end in zip(keys, ends, strict=False):
        fields[key[1]] = _meant(extension[key.end() : end].strip())
    return fields


def _meant(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPES.sub(lambda match: _MEANT.get(match[1], match[1]), text)


FORMAT = Format("cef", "CEF (Common Event Format)", recognises, read)
