"""The values of a detection item as its modifiers make them.

`apply` turns the raw YAML scalars of an item (`field|modifier|…: values`) into values: flags are taken off, the
remaining chain is applied left to right to each value.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.ir.values import (
    DASH,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Part,
    Placeholder,
    Regex,
    Text,
    TimePart,
    Value,
    join,
    parse_text,
)
from sigmac.compiler.syntax.modifiers.encodings import finish
from sigmac.compiler.syntax.modifiers.modifiers import (
    BASE64,
    COMPARE,
    MODIFIERS,
    RANGES,
    TIME,
    UTF16,
    ModifierError,
    check_names,
    check_order,
)
from sigmac.compiler.syntax.modifiers.regex_values import regex

MAX_COST = 2_000_000  # of a rule's values, see `cost`


@dataclass(frozen=True, slots=True)
class Applied:
    """An item after its modifiers; `warnings` are code, text and the index of the value (None: the item).

    `cost` is that of its values, as the function says.
    """

    values: tuple[Value, ...]
    all: bool
    negated: bool
    warnings: tuple[tuple[str, str, int | None], ...]
    cost: int


def cost(value: Value) -> int:
    """What a value takes to compile beyond the length of its text: large patterns, many alternatives."""
    if isinstance(value, Regex):
        return 4 * value.size  # an instruction takes RE2 half a microsecond
    if isinstance(value, Alternatives):
        return sum(
            cost(each) + (10 + len(str(each)) if isinstance(each, Text) else 0)
            for each in value.values
        )
    return 0


def apply(
    field: str | None, names: tuple[str, ...], raw: list[Any], budget: int = MAX_COST
) -> Applied:
    """Apply modifiers to the raw YAML scalars of one item, whose values may cost `budget` together.

    Raises `ModifierError` with the code that `docs/semantics.md` names.
    """
    check_names(names)
    flags = {name for name in names if MODIFIERS[name].kind == "flag"}
    chain = tuple(name for name in names if MODIFIERS[name].kind != "flag")
    check_order(names, chain, flags, field)
    if not raw:
        raise ModifierError(
            "E_EMPTY", "the list of values is empty", "give a value, or remove the item"
        )
    warnings: list[tuple[str, str, int | None]] = []
    if "all" in flags and len(raw) == 1:
        warnings.append(("W_ALL_SINGLE", "`all` has no effect on a single value", None))
    values: list[Value] = []
    faults: list[ModifierError] = []
    spent = 0
    for index, value in enumerate(raw):
        try:
            made = _value(field, chain, "cased" in flags, value, len(raw), warnings, index)
            spent += cost(made)
            if spent > budget:
                _refuse_cost(made)
            values.append(made)
        except ModifierError as error:
            error.index = index
            faults.append(error)
            if spent > budget:
                break
    if faults:
        faults[0].others = tuple(faults[1:])
        raise faults[0]
    return Applied(tuple(values), "all" in flags, "neq" in flags, tuple(warnings), spent)


def _refuse_cost(value: Value) -> None:
    if isinstance(value, Regex):
        message = "the regular expressions of this rule are too large together"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeat less, or split the rule")
    message = "the encodings of this rule's values make too many alternatives"
    raise ModifierError("E_ENCODING", message, "split the rule")


def _value(
    field: str | None,
    chain: tuple[str, ...],
    cased: bool,
    value: Any,
    count: int,
    warnings: list[tuple[str, str, int | None]],
    index: int,
) -> Value:
    kind = chain[0] if chain else ""
    if isinstance(value, float) and not math.isfinite(value):
        raise ModifierError("E_VALUE_TYPE", "NaN and infinity are no values of JSON")
    if not isinstance(value, (str, int, float, bool, type(None))):
        what = "a map" if isinstance(value, dict) else f"a {type(value).__name__}"
        hint = _instead(field, value)
        raise ModifierError("E_VALUE_TYPE", f"{what} cannot be a value here", hint)
    if kind == "re":
        return regex(chain, value, warnings, index)
    if kind == "cidr":
        return _network(value)
    if kind == "exists":
        if not isinstance(value, bool) or count != 1:
            raise ModifierError(
                "E_VALUE_TYPE", "`exists` takes exactly one of true and false", "no quotes"
            )
        return Exists(value)
    if kind == "fieldref":
        return _fieldref(chain, cased, value)
    if kind in COMPARE:
        return Compare(kind, _number(kind, value))
    if kind in TIME:
        number = _number(kind, value)
        low, high = RANGES[kind]
        if not low <= number <= high:
            warnings.append(("W_RANGE", f"`{kind}` lies between {low} and {high}", index))
        return TimePart(kind, chain[1] if len(chain) > 1 else "eq", number)
    return _text(field, chain, cased, value, count, warnings, index)


def _instead(field: str | None, value: Any) -> str:
    """What to write for something that is no value."""
    if isinstance(value, dict):
        key = next((key for key in value if isinstance(key, str)), "name")
        outer = re.sub(r"\[\w+\]\Z", "", field or "field")
        return f"a field inside another has both names with a dot: `{outer[:60]}.{key[:60]}`"
    if isinstance(value, list):
        return "write its values into the outer list"
    return "put it in quotes"


def _text(
    field: str | None,
    chain: tuple[str, ...],
    cased: bool,
    value: Any,
    count: int,
    warnings: list[tuple[str, str, int | None]],
    index: int,
) -> Value:
    if not isinstance(value, str):
        if chain or cased:
            name = chain[0] if chain else "cased"
            raise ModifierError(
                "E_VALUE_TYPE", f"`{name}` takes strings", "put the value in quotes"
            )
        if isinstance(value, bool):
            return Boolean(value)
        if value is None:
            if field is None:
                raise ModifierError("E_EMPTY", "a keyword cannot be null")
            if count > 1:
                message = "null in a list of values: the specification forbids it, it is ORed"
                warnings.append(("W_NULL_IN_LIST", message, index))
            return Null()
        return Number(value)
    if field is None and value == "":
        raise ModifierError("E_EMPTY", "a keyword cannot be empty")
    parts = parse_text(value, expand="expand" in chain)
    if "windash" in chain:
        marked = join(_mark_dashes(parts))
        if marked == parts:
            message = "`windash` finds no dash to vary in this value"
            if other := re.search("[\u2010-\u2015\u2212](?=\\w)", value):
                message = f"`windash` varies - and / of a rule, not U+{ord(other[0]):04X}: write -"
            warnings.append(("W_WINDASH_NO_SITE", message, index))
        parts = marked
    if "base64offset" in chain and "contains" not in chain and field is not None:
        message = "`base64offset` without `contains` asks for the whole value"
        warnings.append(("W_OFFSET_NO_CONTAINS", message, index))
    encodes = any(name in BASE64 or name in UTF16 for name in chain)
    if encodes and any(isinstance(part, Placeholder) for part in parts):
        return Text(parts, cased, pending=chain)
    return finish(parts, chain, cased)


def _mark_dashes(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, str):
            yield part
            continue
        end = 0
        for site in re.finditer(r"\B[-/]\b", part):
            yield part[end : site.start()]
            yield DASH
            end = site.end()
        yield part[end:]


# Numbers of JSON and of YAML 1.2 that YAML 1.1 reads as texts
_NUMBER = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?")


def plain_number(text: str) -> str:
    """A number that was written as a text, as YAML 1.1 reads it as a number; `""` where it is none.

    >>> plain_number("1e3"), plain_number("2.5E-7"), plain_number("0o17"), plain_number("ten")
    ('1000', '2.5e-07', '15', '')
    """
    if re.fullmatch(r"0o[0-7]{1,20}", text):
        return str(int(text[2:], 8))
    if len(text) > 60 or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return ""
    number = float(text)
    if number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    mantissa, e, exponent = repr(number).partition("e")
    return mantissa + ("" if "." in mantissa or not e else ".0") + e + exponent


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        plain = plain_number(value) if isinstance(value, str) else ""
        hint = f"write `{plain}`, without quotes" if plain else f"as `{name}: 10`"
        raise ModifierError("E_VALUE_TYPE", f"`{name}` takes a number", hint)
    return value


def _network(value: Any) -> Network:
    if not isinstance(value, str):
        raise ModifierError("E_CIDR", "`cidr` takes a string such as 10.0.0.0/8")
    if not re.fullmatch(r"[0-9a-fA-F:.]+(/\d{1,3})?", value):
        raise ModifierError(
            "E_CIDR", f"`{value[:60]}` is no network", "write it as 10.0.0.0/8 or fe80::/10"
        )
    try:
        return Network(str(ipaddress.ip_network(value)))
    except ValueError as error:
        hint = ""
        if "host bits" in str(error):
            hint = f"write {ipaddress.ip_network(value, strict=False)}"
        raise ModifierError("E_CIDR", f"`{value[:60]}` is no network", hint) from None


def _fieldref(chain: tuple[str, ...], cased: bool, value: Any) -> FieldRef:
    if not isinstance(value, str) or not value:
        raise ModifierError("E_VALUE_TYPE", "`fieldref` takes the name of a field")
    name = Text(parse_text(value)).literal
    if name is None:
        raise ModifierError(
            "E_VALUE_TYPE", "the name of a field has no wildcards", r"write \* for a star"
        )
    return FieldRef(name, chain[1] if len(chain) > 1 else "equals", cased)
