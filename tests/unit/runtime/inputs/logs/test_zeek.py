"""Zeek's logs of separated values."""

from __future__ import annotations

from typing import Any

import pytest

from sigmac.runtime.inputs.logs.zeek import FORMAT
from tests.unit.runtime.inputs.logs.reading import event_of, events_of, faults_of

HEADER = rb"""#separator \x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	http
#open	2026-11-28-10-00-00
"""


def log_of(kind: str, *values: str) -> bytes:
    header = HEADER.decode() + f"#fields\tuid\tx\n#types\tstring\t{kind}\n"
    return (header + "".join(f"C\t{value}\n" for value in values)).encode()


def test_a_log_with_its_types() -> None:
    log = HEADER + (
        b"#fields\tts\tid.orig_h\tid.resp_p\ttrans_depth\ttags\trejected\tduration\tuser\n"
        b"#types\ttime\taddr\tport\tcount\tset[enum]\tbool\tinterval\tstring\n"
        b"1588205199.824370\t10.0.0.1\t80\t1\tA,B\tT\t0.5\t-\n"
        b"#close\t2026-11-28-11-00-00\n"
    )
    assert event_of(FORMAT, log) == {
        "_path": "http",
        "ts": 1588205199.82437,
        "id.orig_h": "10.0.0.1",
        "id.resp_p": 80,
        "trans_depth": 1,
        "tags": ["A", "B"],
        "rejected": True,
        "duration": 0.5,
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("count", "18446744073709551615", 18446744073709551615),
        ("count", "18446744073709551616", "18446744073709551616"),
        ("count", "1_0", "1_0"),
        ("int", "-7", -7),
        ("double", "1e5", 1e5),
        ("double", "1e999", "1e999"),
        ("double", "nan", "nan"),
        ("bool", "F", False),
        ("bool", "yes", "yes"),
        ("string", "(empty)", ""),
        ("string", r"a\x09\xc3\xa4", "a\tä"),
        ("string", r"\x2d", "-"),
        ("string", r"a\xff", "a�"),
        ("vector[string]", "(empty)", []),
        ("vector[string]", r"a\x2cb,-,c", ["a,b", None, "c"]),
        ("vector[interval]", "1.5,2", [1.5, 2]),
    ],
)
def test_values_by_their_types(kind: str, text: str, value: Any) -> None:
    event = event_of(FORMAT, log_of(kind, text))
    assert event == {"_path": "http", "uid": "C", "x": value}
    assert type(event["x"]) is type(value)


def test_a_short_header_is_enough() -> None:
    assert event_of(FORMAT, b"#path\tdns\n#fields\ta\tb\n1\t-\n") == {"_path": "dns", "a": "1"}


def test_another_separator_and_a_second_header() -> None:
    log = b"#separator |\n#fields|a|b\n1|2\n" + log_of("count", "3")
    assert events_of(FORMAT, log) == [{"a": "1", "b": "2"}, {"_path": "http", "uid": "C", "x": 3}]


def test_lines_that_do_not_fit_the_header_are_told() -> None:
    log = (
        b"early\n#separator \\x09\n#fields\ta\tb\n1\t2\n1\n1\t2\t3\n#fields\t"
        + b"n" * 300
        + b"\n1\n"
    )
    assert faults_of(FORMAT, log) == {
        0: "no line `#fields` stands above it",
        4: "fewer values than the header names fields",
        5: "more values than the header names fields",
        7: "the header has more than 10,000 fields, or a name of more than 256 characters",
    }
