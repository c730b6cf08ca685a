"""The events of Sysmon for Linux, which it writes into syslog as `<Event>` elements of XML, as flat as Windows' are."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from sigmac.runtime.inputs.evtx_json import flatten

_MOST_DEPTH = 8  # Event, System and a value below each other are three


class _RefusedError(Exception):
    """The XML has what no event has."""


def fields_of(text: str) -> dict[str, Any] | None:
    """The fields of an event: None where the text is no well-formed one, or declares a document type or entities.

    >>> data = "<EventData><Data Name='Image'>/bin/sh</Data></EventData>"
    >>> fields_of(f"<Event><System><EventID>1</EventID></System>{data}</Event>")
    {'EventID': 1, 'Image': '/bin/sh'}
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, _RefusedError):
        return None
    system = reader.system
    number = system.get("EventID", {}).get("#text", "")
    if not system:
        return None
    if number.isascii() and number.isdigit() and len(number) < 10:
        system["EventID"]["#text"] = int(number)
    return flatten({"Event": {"System": system, "EventData": reader.data}})


def _refuse(*_: object) -> None:
    raise _RefusedError


class _Reader:
    """What the elements below `System` and `EventData` hold."""

    def __init__(self) -> None:
        self.system: dict[str, dict[str, Any]] = {}
        self.data: dict[str, str] = {}
        self._path: list[str] = []
        self._texts: list[str] = []
        self._attributes: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > _MOST_DEPTH or self._path[0] != "Event":
            raise _RefusedError
        self._texts = []
        self._attributes = attributes

    def text(self, text: str) -> None:
        self._texts.append(text)

    def end(self, name: str) -> None:
        text = "".join(self._texts).strip()
        match self._path:
            case ["Event", "System", _]:
                told: dict[str, Any] = {"#attributes": self._attributes} if self._attributes else {}
                self.system[name] = told | {"#text": text} if text else told
            case ["Event", "EventData", "Data"] if self._attributes.get("Name"):
                self.data[self._attributes["Name"]] = text
        self._path.pop()
        self._texts = []
