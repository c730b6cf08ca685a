"""Text, numbers, fields, addresses and times of event values: tables, and the reference's word on everything."""

from __future__ import annotations

import doctest
import ipaddress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.meaning import reference
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar import scalars
from sigmac.runtime.scalar.scalars import (
    address_of,
    leaves,
    lookup,
    mapped_ipv4,
    number_of,
    part_of,
    text_of,
    time_of,
)

PARTS = ("minute", "hour", "day", "week", "month", "year")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.from_regex(r"\A[+-]?[0-9]{1,25}(\.[0-9]{1,5})?\Z")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "a.b", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.dictionaries(st.sampled_from(["a", "b", "a.b", "", "x.y.z", "x"]), VALUES, max_size=4)


def test_docstrings() -> None:
    assert doctest.testmod(scalars).failed == 0


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        ("Abc", "Abc", None),
        ("", "", None),
        (5, "5", 5),
        (5.0, "5", 5.0),
        (-0.0, "0", 0),
        (0.1, "0.1", 0.1),
        (1e16, "1e+16", 1e16),
        (2.0**53, "9007199254740992.0", 2.0**53),
        (2**64 - 1, "18446744073709551615", 2**64 - 1),
        (2**64, "1.8446744073709552e+19", 2.0**64),
        (-(2**63) - 1, "-9.223372036854776e+18", -(2.0**63)),
        (True, "true", None),
        (False, "false", None),
        (None, None, None),
        ({}, None, None),
        ("5", "5", 5),
        ("+5", "+5", 5),
        ("-0", "-0", 0),
        ("007", "007", 7),
        ("5.50", "5.50", 5.5),
        ("18446744073709551615", "18446744073709551615", 2**64 - 1),
        ("18446744073709551616", "18446744073709551616", 2.0**64),
        ("5.", "5.", None),
        (".5", ".5", None),
        ("1e3", "1e3", None),
        ("0x10", "0x10", None),
        (" 5", " 5", None),
        ("5\n", "5\n", None),
        ("1_000", "1_000", None),
        ("٣", "٣", None),
        ("nan", "nan", None),
        ("--5", "--5", None),
    ],
)
def test_text_and_number(value: Any, text: str | None, number: float | None) -> None:
    assert text_of(value) == text
    found = number_of(value)
    assert (found, type(found)) == (number, type(number)) or found == number == 0


def test_a_number_of_many_digits_takes_no_time() -> None:
    assert number_of("9" * 1_000_000) == float("inf")
    assert number_of("0" * 1_000_000 + "7") == 7


@given(SCALARS)
@example("0" * 30 + "1")
@example("-" + "0" * 30)
@example(2**64)
def test_text_and_number_are_those_of_the_reference(value: Any) -> None:
    assert text_of(value) == reference.text(value)
    found, expected = number_of(value), reference.number(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("event", "name", "values"),
    [
        ({"a": 1}, "a", [1]),
        ({"a": None}, "a", [None]),
        ({"a": []}, "a", []),
        ({"a": [[1, [2]], 3]}, "a", [1, 2, 3]),
        ({"a": 1}, "A", None),
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a.b": 2, "a": {"b": 1}}, "a.b", [2]),
        ({"a.b": None, "a": {"b": 1}}, "a.b", [None]),
        ({"a": {"b.c": 1}}, "a.b.c", None),
        ({"a": [{"b": 1}, {"c": 2}, {"b": [3, 4]}]}, "a.b", [1, 3, 4]),
        ({"a": [[{"b": 1}]]}, "a.b", [1]),
        ({"a": [{"c": 1}]}, "a.b", None),
        ({"a": {"b": []}}, "a.b", []),
        ({"a": "text"}, "a.b", None),
        ({"": {"": 1}}, ".", [1]),
        ({"": 1}, "", [1]),
    ],
)
def test_lookup(event: dict[str, Any], name: str, values: list[Any] | None) -> None:
    assert lookup(event, name) == values


@given(EVENTS, st.sampled_from(["a", "b", "a.b", "a.b.c", ".", "", "x.y.z", "a.", "..", "a.a.a"]))
def test_fields_and_leaves_are_those_of_the_reference(event: dict[str, Any], name: str) -> None:
    present, values = reference.lookup(event, name)
    found = lookup(event, name)
    assert repr(found) == repr(values if present else None)
    assert sorted(map(repr, leaves(event))) == sorted(map(repr, reference.leaves(event)))


def test_nesting_as_deep_as_json_can_be_is_no_recursion() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert lookup({"a": deep}, "a") == [1]
    assert list(leaves({"a": {"b": deep}})) == [1]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("FE80::1%eth0", "fe80::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("010.1.2.3", None),
        ("10.1.2", None),
        ("10.1.2.3 ", None),
        ("10.1.2.3:80", None),
        ("[::1]", None),
        ("::1/128", None),
        ("10.1.2.3%eth0", None),
        ("", None),
        ("1", None),
        ("167772161", None),
        ("x" * 1000, None),
    ],
)
def test_addresses(text: str, address: str | None) -> None:
    parsed = None if address is None else ipaddress.ip_address(address)
    assert address_of(text) == (None if parsed is None else (parsed.version, int(parsed)))


def test_mapped_addresses() -> None:
    assert mapped_ipv4(int(ipaddress.ip_address("::ffff:10.0.0.1"))) == 10 << 24 | 1
    assert mapped_ipv4(int(ipaddress.ip_address("::10.0.0.1"))) is None


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("2024-02-29", (0, 0, 29, 9, 2, 2024)),
        ("2024-12-30T23:59:58.123456789+09:00", (59, 23, 30, 1, 12, 2024)),
        ("2024-01-02 03:04", (4, 3, 2, 1, 1, 2024)),
        ("2024-01-02 03:04:05,5Z", (4, 3, 2, 1, 1, 2024)),
        ("2024-01-02T03:04:05-0530", (4, 3, 2, 1, 1, 2024)),
        (0, (0, 0, 1, 1, 1, 1970)),
        (-1, (59, 23, 31, 1, 12, 1969)),
        (1704164645, (4, 3, 2, 1, 1, 2024)),
        (1704164645000, (4, 3, 2, 1, 1, 2024)),
        (1704164645000000, (4, 3, 2, 1, 1, 2024)),
        (1704164645000000000, (4, 3, 2, 1, 1, 2024)),
        (1704164645.9, (4, 3, 2, 1, 1, 2024)),
        ("1704164645", None),
        ("2023-02-29", None),
        ("2024-01-02T24:00", None),
        ("2024-01-02T03:04+24:00", None),
        ("2024-01-02T3:04", None),
        ("2024-01-02Z03", None),
        ("02.01.2024", None),
        ("", None),
        (True, None),
        (None, None),
        ({}, None),
        (1e300, None),
    ],
)
def test_times(value: Any, parts: tuple[int, ...] | None) -> None:
    when = time_of(value)
    assert (None if when is None else tuple(part_of(when, part) for part in PARTS)) == parts


@given(
    SCALARS
    | st.datetimes().map(str)
    | st.integers(-(10**19), 10**19)
    | st.from_regex(
        r"\A20[0-3][0-9]-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9](Z|[+-][0-9]{2}:?[0-9]{2})?\Z"
    )
)
def test_times_are_those_of_the_reference(value: Any) -> None:
    when = time_of(value)
    for part in PARTS:
        found = None if when is None else part_of(when, part)
        assert found == reference.time_part(
            reference.float_if_huge(value)
            if isinstance(value, int) and not isinstance(value, bool)
            else value,
            part,
        )


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 10**400, b"x", object(), (1,)])
def test_what_json_cannot_hold_is_an_event_error(value: Any) -> None:
    for question in (text_of, number_of, time_of):
        with pytest.raises(EventError):
            question(value)
