"""Profiles of events: recorded by `run`, read by `build`; answers never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmac.compiler.ir.expressions import Op, Predicate
from sigmac.compiler.optimizer.measured_profile import MeasuredProfile, load_profile
from sigmac.runtime.errors import InputError

DATA = {
    "records": 1000,
    "asked": ["A", "B", "C"],
    "fields": {
        "A": {"present": 800, "distinct": 5, "bytes": 8000, "true": {"equals": {"x": 400}}},
        "B": {"present": 900, "distinct": 800, "bytes": 900_000, "true": {"number": {"5": 9}}},
    },
}


@pytest.mark.parametrize(
    ("predicate", "rate"),
    [
        (Predicate("A", Op.EQUALS, "x"), 0.4),
        (Predicate("A", Op.EXISTS), 0.8),
        (Predicate("B", Op.NUMBER, 5), 0.009),
        (Predicate("A", Op.REGEX, "x"), None),
        (Predicate("Z", Op.EQUALS, "x"), None),
        (Predicate(None, Op.CONTAINS, "x"), None),
    ],
)
def test_rates_are_those_that_were_counted(predicate: Predicate, rate: float | None) -> None:
    assert MeasuredProfile(DATA).get(predicate) == rate


def test_what_was_never_true_is_rare_and_keeps_its_order() -> None:
    rates = [
        MeasuredProfile(DATA).get(Predicate("A", Op.CONTAINS, text)) for text in ("ab", "a" * 20)
    ]
    assert rates[0] is not None
    assert rates[1] is not None
    assert 0.001 > rates[0] > rates[1] > 0


def test_long_values_that_are_new_each_time_are_rare() -> None:
    assert MeasuredProfile(DATA).rare_fields() == ["B"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "records": 1, "asked": [], "fields": {"A": 1}}',
    ],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(InputError, match="profile"):
        load_profile(file)
