"""Every modifier by the table `modifiers.yml`: what it makes of values, what it refuses."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.values import (
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Placeholder,
    Regex,
    Text,
    TimePart,
    Value,
)
from sigmac.compiler.syntax.modifiers.apply_modifiers import apply
from sigmac.compiler.syntax.modifiers.modifiers import MODIFIERS, ModifierError, split
from sigmac.compiler.syntax.modifiers.placeholders import placeholders, replace_placeholders
from sigmac.compiler.syntax.rule import Item

CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("modifiers.yml").read_text("utf-8")
)
KEYS = {"item", "gives", "error", "warns", "flags", "hint", "says", "placeholders"}


def shown(value: Value) -> list[str]:
    """A value as `gives` has it."""
    match value:
        case Text():
            return [f"{'cased ' * value.cased}{value}"]
        case Number(number):
            return [f"number {number}"]
        case Boolean(truth):
            return [f"boolean {str(truth).lower()}"]
        case Null():
            return ["null"]
        case Regex(parts, flags):
            pattern = "".join(p if isinstance(p, str) else f"%{p.name}%" for p in parts)
            return [f"re {f'(?{flags})' if flags else ''}{pattern}"]
        case Network(cidr):
            return [f"net {cidr}"]
        case Compare(operator, number):
            return [f"{operator} {number}"]
        case TimePart(part, operator, number):
            return [f"{part} {operator} {number}"]
        case Exists(present):
            return [f"exists {str(present).lower()}"]
        case FieldRef(field, placement, cased):
            where = "" if placement == "equals" else f" {placement}"
            return [f"same {field}{where}{' cased' * cased}"]
        case Alternatives(values):
            return [text for each in values for text in shown(each)]
    raise AssertionError(value)


def case_id(case: dict[str, Any]) -> str:
    ((key, value),) = case["item"].items()
    return f"{key}={str(value)[:30]}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_case(case: dict[str, Any]) -> None:
    assert case.keys() <= KEYS
    ((key, value),) = case["item"].items()
    raw = value if isinstance(value, list) else [value]
    field, names = split(key)
    if "error" in case:
        with pytest.raises(ModifierError) as caught:
            apply(field, names, raw)
        assert caught.value.code == case["error"]
        assert case.get("hint", "") in caught.value.hint
        assert case.get("says", "") in caught.value.message
        return
    applied = apply(field, names, raw)
    item = Item(field, names, applied.values, applied.all, applied.negated, Place())
    assert [text for each in item.tests for text in shown(each)] == case["gives"]
    assert {"all": applied.all, "neq": applied.negated} == {
        flag: flag in case.get("flags", ()) for flag in ("all", "neq")
    }
    assert sorted({code for code, _, _ in applied.warnings}) == case.get("warns", [])
    if "placeholders" in case:
        assert [n for each in applied.values for n in placeholders(each)] == case["placeholders"]


def test_every_modifier_has_a_case_that_takes_it_and_one_that_refuses_it() -> None:
    taken, refused = set(), set()
    for case in CASES:
        _, names = split(next(iter(case["item"])))
        (refused if "error" in case else taken).update(names)
    assert set(MODIFIERS) <= taken
    long_forms = {"ignorecase", "m", "multiline", "s", "dotall"}
    assert set(MODIFIERS) - refused - long_forms <= {
        *("utf16le", "utf16be", "lt", "lte", "day", "week", "month", "year"),
    }


def test_an_error_names_the_value_at_fault() -> None:
    with pytest.raises(ModifierError) as caught:
        apply("f", ("contains",), ["a", "b", 3])
    assert caught.value.index == 2


@given(st.text("abé日-", min_size=1, max_size=12), st.binary(max_size=4), st.binary(max_size=4))
def test_base64offset_finds_the_text_wherever_it_stands(
    text: str, before: bytes, after: bytes
) -> None:
    applied = apply("f", ("base64offset", "contains"), [text])
    encoded = base64.b64encode(before + text.encode() + after).decode()
    (value,) = applied.values
    alternatives = value.values if isinstance(value, Alternatives) else (value,)
    inner = [str(each)[1:-1] for each in alternatives]
    assert any(each in encoded for each in inner)


# Placeholders


def expanded(key: str, value: str, **known: list[str]) -> list[str]:
    field, names = split(key)
    (made,) = apply(field, names, [value]).values
    return shown(replace_placeholders(made, known.get))


@pytest.mark.parametrize(
    ("key", "value", "gives"),
    [
        ("f|expand", "%a%", ["1*", "%b%"]),  # wildcards work, inserted text is not scanned again
        ("f|expand", "%a%-%b%", ["1*-x", "1*-\\\\", "%b%-x", "%b%-\\\\"]),
        ("f|contains|expand", "%b%", ["*x*", "*\\\\*"]),
        ("f|expand|base64", "%b%", ["eA==", "XA=="]),
        ("f|re|expand", "^%a%$", [r"re ^1\*$", r"re ^\%b\%$"]),
        ("f|expand", "%unknown%", ["%unknown%"]),
    ],
)
def test_placeholders_are_replaced_by_each_of_their_values(
    key: str, value: str, gives: list[str]
) -> None:
    assert expanded(key, value, a=["1*", "%b%"], b=["x", "\\"]) == gives


def test_too_many_combinations_of_placeholders_are_refused() -> None:
    with pytest.raises(ModifierError) as caught:
        expanded("f|expand", "%a%" * 10, a=[str(i) for i in range(10)])
    assert caught.value.code == "E_PLACEHOLDER"


def test_a_placeholder_with_a_wildcard_cannot_be_encoded() -> None:
    with pytest.raises(ModifierError) as caught:
        expanded("f|expand|base64", "%a%", a=["*"])
    assert caught.value.code == "E_ENCODING"


def test_an_encoding_waits_for_its_placeholders() -> None:
    (value,) = apply("f", ("expand", "base64"), ["a%p%"]).values
    assert isinstance(value, Text)
    assert value.parts == ("a", Placeholder("p"))
    assert value.pending == ("expand", "base64")
