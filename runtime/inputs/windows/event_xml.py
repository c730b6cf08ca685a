"""Events of Windows as XML: exports of the Event Viewer (`<Events><Event>…`), and what `wevtutil qe` writes, one after
the other without a root.

A stream of any length takes the memory of one event. Document types and entities cannot be declared: the parser is
within an element of its own from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from sigmac.runtime.inputs.evtx_json import flatten
from sigmac.runtime.inputs.format import Event, Format, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.scalar.json_record import json_bytes

_AT_ONCE = 1 << 18  # bytes
_MAX_DEPTH = 64  # elements within each other; an event has five
_MAX_ELEMENTS = 1 << 16  # of an event
_ROOT = b"<events>"
_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]{0,200}\?>\s*+)?(?:<!--(?>.{0,4096}?-->)\s*+)*+"
    rb"(?:<Events(?:\s[^>]{0,1000})?>\s*+)?<Event(?:\s[^>]{0,1000})?>\s*+<System[\s>]",
    re.DOTALL,
)
_EVENT = re.compile(rb"<Event(?=[\s>])")
# What stands where one export begins behind another
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}\?>|\A\xef\xbb\xbf")
_LONGEST = 256  # bytes of such a beginning, or of the start of an event


def recognises(start: bytes) -> bool:
    """Whether a text that begins so is events of Windows as XML."""
    return _START.match(start) is not None


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The events as flat ones; positions count them from 0, those among them that cannot be read."""
    parsing, position, rest, ended, lost = _Parsing(), 0, b"", False, False
    while not ended:
        more = stream.read(_AT_ONCE)
        ended = not more
        text = _BEGINNING.sub(b"", rest + more)
        # A beginning that goes on in the next piece waits for it.
        at = -1 if ended else text.rfind(b"<", max(0, len(text) - _LONGEST))
        text, rest = (text[:at], text[at:]) if at >= 0 else (text, b"")
        while text:
            if lost:
                found = _EVENT.search(text)
                if found is None:
                    break
                text, lost = text[found.start() :], False
            reason, text = parsing.take(text)
            for record in parsing.done():
                yield _event(position, record)
                position += 1
            if reason is not None:
                yield Unreadable(position, reason)
                position += 1
                parsing, lost = _Parsing(), True
    if parsing.within:
        yield Unreadable(position, "the text ends within the event")


def _event(position: int, record: dict[str, Any]) -> Item:
    if not isinstance(record.get("System"), dict):
        return Unreadable(position, "the event has no System")
    try:
        return Event(position, json_bytes(flatten({"Event": record})))
    except ValueError:
        return Unreadable(position, "the event has no form that JSON has")


class _Refused(Exception):
    """Why an event is read no further, and the place in all that was given from which to go on."""

    def __init__(self, reason: str, place: int):
        super().__init__(reason)
        self.place = place


class _Element(NamedTuple):
    name: str
    attributes: dict[str, str]
    children: dict[str, Any]
    text: list[str]


class _Parsing:
    """Makes elements `Event` into records of the shape that evtx_dump has."""

    def __init__(self) -> None:
        self._done: list[dict[str, Any]] = []
        self._open: list[_Element] = []  # from the event inwards
        self._begun = self._elements = 0  # where the event begins, how many elements it has
        self._parser = expat.ParserCreate(
            "utf-8"
        )  # whatever encoding it declares: it has been decoded
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.Parse(_ROOT, False)
        self._fed = len(_ROOT)

    @property
    def within(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._open)

    def done(self) -> list[dict[str, Any]]:
        """The records that have ended, once."""
        done, self._done = self._done, []
        return done

    def take(self, text: bytes) -> tuple[str | None, bytes]:
        """Read on: why it cannot go on, and what stands behind that place."""
        begun = self._fed
        self._fed += len(text)
        try:
            self._parser.Parse(text, False)
        except expat.ExpatError as error:
            reason = f"not well-formed XML: {expat.ErrorString(error.code)}"
            place = self._parser.CurrentByteIndex + 1
        except _Refused as refused:
            reason, place = str(refused), refused.place
        else:
            # It keeps what it has of a tag or a comment until that ends.
            if self._fed - self._parser.CurrentByteIndex <= MAX_RECORD:
                return None, b""
            return f"a part of it is longer than {MAX_RECORD:,} bytes", b""
        return reason, text[max(0, place - begun) :]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open:
            if name != "Event":
                return  # the root, or what stands beside events
            self._begun, self._elements = self._parser.CurrentByteIndex, 0
        elif name == "Event" and not any(each.name == "UserData" for each in self._open):
            raise _Refused("the event has no end", self._parser.CurrentByteIndex)
        self._elements += 1
        self._check()
        named = {key: text for key, text in attributes.items() if not key.startswith("xmlns")}
        self._open.append(_Element(name.rpartition(":")[2], named, {}, []))

    def _text(self, text: str) -> None:
        if self._open:
            self._check()
            self._open[-1].text.append(text)

    def _check(self) -> None:
        here = self._parser.CurrentByteIndex
        if len(self._open) >= _MAX_DEPTH:
            raise _Refused(f"the event has more than {_MAX_DEPTH} elements within each other", here)
        if self._elements > _MAX_ELEMENTS:
            raise _Refused(f"the event has more than {_MAX_ELEMENTS:,} elements", here)
        if here - self._begun > MAX_RECORD:
            raise _Refused(f"the event is longer than {MAX_RECORD:,} bytes", here)

    def _end(self, _: str) -> None:
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            self._done.append(element.children)
            return
        parent = self._open[-1]
        value = _value(element, parent.name)
        if element.name in parent.children:
            held = parent.children[element.name]
            if isinstance(held, list):
                held.append(value)
            else:
                parent.children[element.name] = [held, value]
        else:
            parent.children[element.name] = value


def _value(element: _Element, parent: str) -> Any:
    text = "".join(element.text)
    if parent == "System":
        text = text.strip()  # what is laid out for people
    if element.children:
        return {"#attributes": element.attributes, **element.children}
    if element.attributes:
        return {"#attributes": element.attributes, **({"#text": text} if text else {})}
    return text or (None if parent == "System" else "")


FORMAT = Format(
    "windows-xml",
    "Windows events as XML (Event Viewer, wevtutil)",
    recognises,
    read,
    {"product": "windows"},
)
