"""What changed in a document, in words: which selection, field, value; which key of its metadata."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sigmac.compiler.changes.documented import Documented, Written

_MOST = 6  # values that a sentence names
_LENGTH = 80  # characters of a value
_LONG = frozenset({"description", "license", "author"})  # texts that are not shown
_PLACES = frozenset({"source", "renamed"})  # where a document stands is no change of it

Asked = tuple[str, tuple[str, ...]]  # a field, with the modifiers of its item


def words(old: Documented, new: Documented) -> list[str]:
    """Sentences about what an author changed, of metadata, then of what is detected.

    >>> one = {"s": {"all_of": [{"field": "Image", "modifiers": ["endswith"], "values": ["a.exe", "b.exe"]}]}}
    >>> two = {"s": {"all_of": [{"field": "Image", "modifiers": ["endswith"], "values": ["a.exe", "c.exe"]}]}}
    >>> was = Documented("rule", {"title": "T", "level": "low"}, "", Written(one, ("s",)))
    >>> now = Documented("rule", {"title": "T", "level": "high"}, "", Written(two, ("not s",)))
    >>> print(*words(was, now), sep="\\n")
    level: low → high
    s: Image|endswith has `c.exe` more, `b.exe` no more
    condition: `s` → `not s`
    """
    found = [*_of_metadata(old.metadata, new.metadata)]
    if old.written is not None and new.written is not None:
        found += _of_detections(old.written, new.written)
    return found


def _of_metadata(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        was, now = _plain(old.get(key)), _plain(new.get(key))
        if was == now or key in _PLACES:
            continue
        if key in _LONG:
            yield f"{key}: changed"
        elif isinstance(was or now, list) and isinstance(now or was, list):
            yield f"{key}: {_more_and_less(Counter(map(_text, was or [])), Counter(map(_text, now or [])))}"
        else:
            yield f"{key}: {_text(was)} → {_text(now)}"


def _plain(value: Any) -> Any:
    """As JSON has it: what a pack says as a tuple is a list."""
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, (list, tuple)) else value


def _of_detections(old: Written, new: Written) -> Iterator[str]:
    for name in dict.fromkeys((*old.detections, *new.detections)):
        was, now = old.detections.get(name), new.detections.get(name)
        if was is None or now is None:
            what, detection = ("gone", was) if now is None else ("new", now)
            yield f"{name}: is {what} ({'; '.join(_asked(detection))})"
        elif was != now:
            yield from (f"{name}: {each}" for each in _of_detection(was, now))
    if old.conditions != new.conditions:
        yield f"condition: {_conditions(old)} → {_conditions(new)}"


def _of_detection(old: Any, new: Any) -> Iterator[str]:
    was, now = _by_item(old), _by_item(new)
    for asked in dict.fromkeys((*was, *now)):
        label = _label(asked)
        if asked not in now:
            yield f"{label} is no more asked for ({_listed(was[asked])})"
        elif asked not in was:
            yield f"{label} is asked for ({_listed(now[asked])})"
        elif was[asked] != now[asked]:
            yield f"{label} {_more_and_less(was[asked], now[asked])}"
    if was == now:
        yield "the same items are joined in another way"


def _by_item(detection: Any) -> dict[Asked, Counter[str]]:
    """The values that stand below a detection, by what is asked of them."""
    found: dict[Asked, Counter[str]] = {}
    waiting = [detection]
    while waiting:
        each = waiting.pop(0)
        if "values" in each:
            asked = (each["field"] or "", tuple(each["modifiers"]))
            found.setdefault(asked, Counter()).update(
                f"`{_text(value)}`" for value in each["values"]
            )
        else:
            waiting[:0] = each.get("all_of") or each.get("any_of") or []
    return found


def _asked(detection: Any) -> list[str]:
    return [f"{_label(asked)} {_listed(values)}" for asked, values in _by_item(detection).items()]


def _label(asked: Asked) -> str:
    field, modifiers = asked
    return "|".join((field or "keywords", *modifiers))


def _more_and_less(old: Counter[str], new: Counter[str]) -> str:
    more, less = new - old, old - new
    parts = [f"{_listed(more)} more"] if more else []
    parts += [f"{_listed(less)} no more"] if less else []
    return "has " + ", ".join(parts) if parts else "has them in another order"


def _listed(values: Counter[str]) -> str:
    named = [*values.elements()]
    rest = f" and {len(named) - _MOST:,} others" if len(named) > _MOST else ""
    return ", ".join(named[:_MOST]) + rest


def _conditions(written: Written) -> str:
    return " or ".join(f"`{_text(each)}`" for each in written.conditions)


def _text(value: Any) -> str:
    text = (
        "none"
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, default=str)
    )
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def code_change(old: str, new: str) -> Sequence[str]:
    """What changed in generated code, as the lines of a unified diff without its head."""
    import difflib

    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return [*lines][2:]
