"""Results as JSON: one object a line, as on the wire, or all in one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from sigmac.results.carried import OF_EVENTS, OF_RULES
from sigmac.results.details import Details, event_of
from sigmac.results.result import key_of, rest_of_line, unpacked
from sigmac.runtime.printable import escaped_json


class JsonLines:
    """One object a line. `event` says whether a result has its event, `names` what else it is asked for."""

    def __init__(self, details: Details, names: Sequence[str] = (), *, event: bool = True):
        self._details = details
        self._event = event
        self._of_rules = [name for name in names if name in OF_RULES]
        self._of_events = [name for name in names if name in OF_EVENTS]
        self._heads: dict[int, bytes] = {}
        self.needs_event = event or bool(self._of_events)

    def start(self) -> bytes:
        return b""

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        return b"".join(self._lines(pieces))

    def end(self) -> Iterator[bytes]:
        return iter(())

    def on_a_terminal(self, text: bytes) -> bytes:
        return escaped_json(text)

    def _lines(self, pieces: Sequence[bytes]) -> Iterator[bytes]:
        event = self._event
        if self._of_events:
            yield from map(self._detailed, pieces)
            return
        for piece in pieces:
            yield self._head(key_of(piece)) + rest_of_line(piece, event=event)

    def _detailed(self, piece: bytes) -> bytes:
        result = unpacked(piece)
        said = self._details.of_event(result, event_of(result), self._of_events)
        parts = [self._head(result.key), result.source, b",", orjson.dumps(said)[1:-1], result.more]
        if self._event:
            parts += (b',"event":', result.event)
        return b"".join((*parts, b"}\n"))

    def _head(self, key: int) -> bytes:
        known = self._heads.get(key)
        if known is None:
            said = self._details.rule_of(key).on_the_wire()
            said |= self._details.of_rule(key, self._of_rules)
            known = self._heads[key] = b'{"rule":' + orjson.dumps(said) + b',"source":'
        return known


class JsonArray(JsonLines):
    """One array of such objects, each on a line of its own."""

    def __init__(self, details: Details, names: Sequence[str] = (), *, event: bool = True):
        super().__init__(details, names, event=event)
        self._begun = False

    def start(self) -> bytes:
        return b"["

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        lines = b",\n".join(line[:-1] for line in self._lines(pieces))
        if not lines:
            return b""
        before = b",\n" if self._begun else b"\n"
        self._begun = True
        return before + lines

    def end(self) -> Iterator[bytes]:
        yield b"\n]\n"
