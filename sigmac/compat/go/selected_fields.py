"""What an event is to the Go engine, and the JSON object that a pack is asked about in its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sigmac.compat.go.white_space import with_collapsed

# As the shipped pipeline `go-keywords` has it
KEYWORDS = "keywords()"


class Event(Protocol):
    """Anything that can be asked for texts without a name, and for values by name."""

    def keywords(self) -> tuple[Sequence[str] | None, bool]:
        """The texts in which keywords are searched; False where the event has none such."""

    def select(self, key: str) -> tuple[Any, bool]:
        """The value of a field; False where the event does not have it."""


class MapEvent:
    """A JSON object as an event: it is evaluated as a whole, without asking for each field.

    `fields` is not copied and must stay as it is meanwhile; `texts` are those in which keywords are searched (None: it
    has none). Fields are looked up as everywhere in sigmac: the name as it is, else by its dots.
    """

    __slots__ = ("fields", "texts")

    def __init__(self, fields: Mapping[str, Any], texts: Sequence[str] | None = None):
        self.fields = fields
        self.texts = texts

    def keywords(self) -> tuple[Sequence[str] | None, bool]:
        return self.texts, self.texts is not None

    def select(self, key: str) -> tuple[Any, bool]:
        """The value of a field. Objects are walked by the dots of a name, arrays are not: a pack walks these too."""
        if key in self.fields:
            return self.fields[key], True
        value: Any = self.fields
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None, False
            value = value[part]
        return value, True

    def __repr__(self) -> str:
        return f"MapEvent({self.fields!r}, {self.texts!r})"


def fields_of(
    event: Event, asked: Iterable[str], *, keywords: bool, collapse: bool
) -> dict[str, Any]:
    """The JSON object to evaluate: of a `MapEvent` all of it, of any other what `select` gives of `asked`, each once.

    `keywords` says whether rules ask for keywords. A value that JSON does not know, such as a time or an address, is
    asked by its text.
    """
    if isinstance(event, MapEvent):
        made = dict(event.fields)
        made.pop(KEYWORDS, None)
    else:
        made = {}
        for name in asked:
            value, there = event.select(name)
            if there:
                made[name] = _plain(value)
    if keywords:
        texts, applies = event.keywords()
        if applies:
            made[KEYWORDS] = list(texts or ())
    return with_collapsed(made) if collapse else made


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, Mapping)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    return str(value)
