"""Placeholders of values (`%name%` under `expand`), and their replacement."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import re2

from sigmac.compiler.ir.values import (
    Alternatives,
    Part,
    Placeholder,
    Regex,
    Text,
    Value,
    Wildcard,
    join,
    parse_text,
)
from sigmac.compiler.syntax.modifiers.apply_modifiers import MAX_COST, cost
from sigmac.compiler.syntax.modifiers.encodings import finish
from sigmac.compiler.syntax.modifiers.modifiers import ModifierError
from sigmac.compiler.syntax.modifiers.regex_values import check_regex

MAX_EXPANSIONS = 10_000


def placeholders(value: Value) -> list[str]:
    """The names of the placeholders that still stand in a value."""
    if isinstance(value, (Text, Regex)):
        return [part.name for part in value.parts if isinstance(part, Placeholder)]
    if isinstance(value, Alternatives):
        return [name for each in value.values for name in placeholders(each)]
    return []


def replace_placeholders(
    value: Value, replacement: Callable[[str], list[str | Wildcard] | None]
) -> Value:
    """The value with each placeholder that `replacement` knows put in place.

    `replacement(name)` gives the alternatives, or None to leave the placeholder. A string is read as a Sigma string,
    in a regular expression it stands for itself. Several placeholders form the cross product. Raises `ModifierError`:
    `E_PLACEHOLDER` over 10,000 alternatives, `E_ENCODING` where one cannot be encoded.
    """
    if isinstance(value, Alternatives):
        return _alternatives(replace_placeholders(each, replacement) for each in value.values)
    if not isinstance(value, (Text, Regex)) or not placeholders(value):
        return value
    choices: list[list[tuple[Part, ...]]] = []
    total = 1
    for part in value.parts:
        known = replacement(part.name) if isinstance(part, Placeholder) else None
        if known is None:
            choices.append([(part,)])
        elif isinstance(value, Regex):
            choices.append([(".*" if isinstance(k, Wildcard) else re2.escape(k),) for k in known])
        else:
            choices.append([(k,) if isinstance(k, Wildcard) else parse_text(k) for k in known])
        total *= len(choices[-1])
        if total > MAX_EXPANSIONS:
            message = f"the placeholders make more than {MAX_EXPANSIONS} values"
            raise ModifierError("E_PLACEHOLDER", message)
    made: list[Value] = []
    spent = 0
    for choice in itertools.product(*choices):
        made.append(_with_parts(value, tuple(itertools.chain.from_iterable(choice))))
        spent += cost(made[-1])
        if spent > MAX_COST:
            message = (
                "the placeholders make regular expressions or encodings that are too large together"
            )
            raise ModifierError("E_PLACEHOLDER", message)
    return _alternatives(made)


def _alternatives(values: Iterable[Value]) -> Value:
    flat = (v for m in values for v in (m.values if isinstance(m, Alternatives) else (m,)))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else Alternatives(unique)


def _with_parts(value: Text | Regex, parts: tuple[Part, ...]) -> Value:
    if isinstance(value, Regex):
        regex = Regex(tuple(p for p in parts if not isinstance(p, Wildcard)), value.flags)
        return regex if placeholders(regex) else replace(regex, size=check_regex(regex.pattern))
    text = Text(join(parts), value.cased, value.pending)
    if text.pending and not placeholders(text):
        return finish(text.parts, text.pending, text.cased)
    return text
