"""What an event holds, in words."""

from __future__ import annotations

from typing import Any

from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.explanation import Found, kind
from sigmac.runtime.printable import shortened

MAX_SHOWN = 160  # characters of a value
MAX_VALUES = 5  # of a field, where an event holds several


def scalar_words(value: Any) -> str:
    """One value of an event, text in quotation marks, made safe to be shown."""
    return text_words(kind(value), reference.text(value) or "")


def text_words(name: str, text: str) -> str:
    """A value by the name of its JSON type and its text."""
    if name == "object":
        return "an object"
    if name == "null":
        return name
    return shortened(text, MAX_SHOWN, '"' if name == "string" else "")


def hint_words(nearest: str | None) -> str:
    """What stands behind `absent`: which field of nearly that name the event has."""
    return "" if nearest is None else f"; did you mean {shortened(nearest, MAX_SHOWN)}?"


def found_words(found: Found) -> str:
    """What an event holds in a field."""
    if not found.present:
        return "absent"
    if not found.values:
        return "an empty list"
    shown = ", ".join(map(scalar_words, found.values[:MAX_VALUES]))
    more = len(found.values) - MAX_VALUES
    return f"{shown}, and {more:,} more" if more > 0 else shown
