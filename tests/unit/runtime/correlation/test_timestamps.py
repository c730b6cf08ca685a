"""What is a timestamp, and which one an event has; what is hostile costs no more than its length."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from sigmac.compiler.meaning import timestamp_reference
from sigmac.runtime.correlation.timestamps import FIELDS, event_time, microseconds_of, shown

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOON = 1_693_915_200 * SECOND  # 2023-09-05T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-09-05T12:00:00Z", NOON),
        ("2023-09-05t12:00:00z", NOON),
        ("2023-09-05 12:00:00", NOON),
        ("2023-09-05 12:00", NOON),
        ("2023-09-05", NOON - DAY // 2),
        ("2023-09-05Z", NOON - DAY // 2),
        ("2023-09-05+02:00", NOON - DAY // 2 - 7200 * SECOND),
        ("2023-09-05 12:00:00.5", NOON + 500_000),
        ("2023-09-05 12:00:00,5", NOON + 500_000),
        ("2023-09-05 10:48:13.194", NOON - 4_307 * SECOND + 194_000),
        ("2023-09-05T12:00:00.1234567Z", NOON + 123_456),
        ("2023-09-05T12:00:00.9999999Z", NOON + 999_999),
        ("2023-09-05T14:00:00+02:00", NOON),
        ("2023-09-05T14:00:00 +0200", NOON),
        ("2023-09-05T14:00:00+02", NOON),
        ("2023-09-05T06:30:00-05:30", NOON),
        ("2024-02-29", 19_782 * DAY),
        ("0001-01-01", -719_162 * DAY),
        ("9999-12-31T23:59:59.999999", 2_932_897 * DAY - 1),
        ("0", 0),
        ("-1", -SECOND),
        ("+1", SECOND),
        ("1.5", 1_500_000),
        ("1693915200", NOON),
        ("1693915200000", NOON),
        ("1693915200000000", NOON),
        ("1693915200000000000", NOON),
        ("1693915200000000999", NOON),
        ("0000000000000000000000001693915200", NOON),
        ("0.0000019", 1),
        ("-0.0000001", -1),
        ("-0.0000000", 0),
        ("/Date(3)/", 3_000),
        ("/Date(-3)/", -3_000),
        ("/Date(1693915200000)/", NOON),
        ("/Date(1693915200000+0200)/", NOON),
    ],
)
def test_texts_that_are_timestamps(text: str, expected: int) -> None:
    assert microseconds_of(text) == timestamp_reference.microseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2023-9-5", "2023-09-05T", "2023-09-05T12"),
        *("2023-02-30", "2023-13-01", "2023-00-01", "0000-01-01", "10000-01-01", "2023-02-29"),
        *("2023-09-05T24:00:00", "2023-09-05T12:60:00", "2023-09-05T12:00:60"),
        *("2023-09-05T12:00:00.", "2023-09-05T12:00.5", "2023-09-05T12:00:00+24:00"),
        *("2023-09-05T12:00:00+02:60", "2023-09-05T12:00:00+2", "2023-09-05T12:00:00  Z"),
        *(
            " 2023-09-05",
            "2023-09-05 ",
            "2023-09-05\n",
            "2023-09-05T12:00:00ZZ",
            "2023-09-05  12:00",
        ),
        *(
            "2023-09-05T12:00:00 UTC",
            "٢023-09-05",
            "1693915200Z",
            "1e9",
            "0x10",
            "1_000",
            ".5",
            "5.",
        ),
        *(
            "1693915200 ",
            "inf",
            "nan",
            "--1",
            "٣",
            "/Date()/",
            "/Date(1.5)/",
            "/Date(1)",
            "Date(1)",
        ),
        *("/Date(1+2)/", "/Date(9999999999999999)/", "0001-01-01T00:00+01:00"),
        *("9999-12-31T23:59:59-01:00", "9999999999999999999999", "-62135596800.000001"),
    ],
)
def test_texts_that_are_none(text: str) -> None:
    assert microseconds_of(text) is timestamp_reference.microseconds(text) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (-1, -SECOND),
        (1_693_915_200, NOON),
        (1.5, 1_500_000),
        (1 / 128, 7_812),  # 7,812.5: half to even
        (3 / 128, 23_438),
        (-1 / 128, -7_812),
        (-0.0, 0),
        (1693915200.1234565, NOON + 123_456),  # the float64 is …1234564…
        (99_999_999_999, 99_999_999_999 * SECOND),
        (100_000_000_000, 100_000_000 * SECOND),
        (99_999_999_999_999, 99_999_999_999_999_000),
        (100_000_000_000_000, 100_000_000_000_000),
        (99_999_999_999_999_999, 99_999_999_999_999_999),
        (100_000_000_000_000_000, 100_000_000_000_000),
        (-100_000_000_000_000_001, -100_000_000_000_001),  # cut down
        (-62_135_596_800, -719_162 * DAY),
        (2**63, 9_223_372_036_854_775),
    ],
)
def test_numbers(value: Any, expected: int) -> None:
    assert microseconds_of(value) == timestamp_reference.microseconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [True, False, None, {}, [], float("nan"), float("inf"), 1e300, 10**400, -62_135_596_801],
    ids=lambda value: str(value)[:20],
)
def test_values_that_are_none(value: Any) -> None:
    assert microseconds_of(value) is timestamp_reference.microseconds(value) is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"time": 1}, SECOND),
        ({"time": 1, "@timestamp": 2}, 2 * SECOND),
        ({"time": 1, "@timestamp": "yesterday"}, SECOND),
        ({"time": 1, "@timestamp": None}, SECOND),
        ({"time": ["x", None, {}, 3, 4]}, 3 * SECOND),
        ({"time": [[], [[5]]]}, 5 * SECOND),
        ({"time": []}, None),
        ({"Time": 1}, None),
        ({}, None),
    ],
)
def test_the_first_timestamp_counts(event: dict[str, Any], expected: int | None) -> None:
    assert event_time(event) == expected


def test_fields_are_looked_up_as_those_of_rules() -> None:
    event = {"Event": {"System": [{"Time": "no"}, {"Time": "1970-01-02"}]}, "a.b": 1, "a": {"b": 2}}
    assert event_time(event, ["Event.System.Time"]) == DAY
    assert event_time(event, ["a.b"]) == SECOND
    assert event_time(event, []) is None


def test_the_reference_looks_at_the_same_fields() -> None:
    assert timestamp_reference.FIELDS == FIELDS


@pytest.mark.parametrize("time", [0, -1, 1_500_000, -719_162 * DAY, 2_932_897 * DAY - 1])
def test_times_are_shown_as_they_are_read(time: int) -> None:
    assert microseconds_of(shown(time)) == time
    assert len(shown(time)) == len("1970-01-01T00:00:00.000000Z")


LONG = 1_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9" * LONG, None),
        ("-" + "9" * LONG, None),
        ("0" * LONG + "1", SECOND),
        ("1." + "0" * LONG + "1", SECOND),
        ("-1." + "0" * LONG + "1", -SECOND - 1),
        ("-1." + "0" * LONG, -SECOND),
        ("1970-01-01T00:00:01." + "9" * LONG, SECOND + 999_999),
        ("1970-01-01T00:00:01." + "9" * LONG + "x", None),
        ("/Date(" + "9" * LONG + ")/", None),
        ("/Date(" + "0" * LONG, None),
        ("9" * LONG + "x", None),
        ("1." * LONG, None),
        (" " * LONG, None),
    ],
    ids=lambda value: str(value)[:8],
)
def test_long_texts_take_no_longer_than_it_takes_to_read_them(
    text: str, expected: int | None
) -> None:
    start = perf_counter()
    assert microseconds_of(text) == expected
    assert perf_counter() - start < 2  # what is quadratic takes minutes
