"""Results as JSON: one object a line, as on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from sigmac.results.result import key_of, rest_of_line
from sigmac.results.rule_of import RuleOf


class JsonLines:
    """One object a line. `event` says whether a result has its event."""

    needs_event = False

    def __init__(self, rule_of: RuleOf, *, event: bool):
        self._rule_of = rule_of
        self._event = event
        self._heads: dict[int, bytes] = {}

    def start(self) -> bytes:
        return b""

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        event = self._event
        parts = []
        for piece in pieces:
            parts.append(self._head(key_of(piece)))
            parts.append(rest_of_line(piece, event=event))
        return b"".join(parts)

    def end(self) -> Iterator[bytes]:
        yield b""

    def _head(self, key: int) -> bytes:
        known = self._heads.get(key)
        if known is None:
            rule = orjson.dumps(self._rule_of(key).on_the_wire())
            known = self._heads[key] = b'{"rule":' + rule + b',"source":'
        return known
