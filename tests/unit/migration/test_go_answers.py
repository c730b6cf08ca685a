"""The model of the Go engine: with all its habits it answers as that does, without any as sigmac, one by one why."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from sigmac.compat.go import RuleHandle
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from sigmac.migration.causes import Cause
from sigmac.migration.go_answers import ALL, Asked, answers, asked_of, causes
from sigmac.migration.go_yaml import read_go_rule
from tests.unit.compat.go import both_engines

FOLDER = Path(both_engines.__file__).parent
ANSWERED = [
    case
    for file in ("differences.yml", "engine_tests.yml")
    for case in chain(*both_engines.read(FOLDER / file).values())
    if case.go in ("yes", "no", "either") and case.sigmac in ("yes", "no")
]
HEAD = "title: A Rule\nlogsource: {product: any}\ndetection: "


def asked(text: str) -> Asked:
    handle = RuleHandle("rule.yml", text.encode(), 0, no_collapse_ws=False)
    return asked_of(read_go_rule(handle.data, handle.path), handle.rule["detection"])


@pytest.mark.parametrize("case", ANSWERED, ids=str)
def test_the_model_answers_as_the_go_engine(case: both_engines.Asked) -> None:
    habits = ALL - {Cause.WHITE_SPACE} if case.raw else ALL
    found = answers(asked(case.file), json.loads(case.event), case.keywords, habits)
    assert found == {"yes": {True}, "no": {False}, "either": {True, False}}[case.go]


@pytest.mark.parametrize("case", ANSWERED, ids=str)
def test_without_habits_it_answers_as_the_reference(case: both_engines.Asked) -> None:
    event = json.loads(case.event)
    (rule, *_) = read_file(case.file.encode(), "rule.yml").rules
    assert answers(asked(case.file), event, None, frozenset()) == {
        bool(reference.matches(rule, event))
    }


@pytest.mark.parametrize("case", ANSWERED, ids=str)
def test_every_difference_has_a_cause(case: both_engines.Asked) -> None:
    event, collapse = json.loads(case.event), not case.raw
    (rule, *_) = read_file(case.file.encode(), "rule.yml").rules
    ours = bool(reference.matches(rule, event))
    for go in (True, False):
        if go is not ours and case.go in ("either", "yes" if go else "no"):
            assert causes(
                asked(case.file), event, case.keywords, go=go, ours=ours, collapse=collapse
            )


@pytest.mark.parametrize(
    ("detection", "event", "expected"),
    [
        ("{s: {A: cmd}, condition: s}", {"A": "CMD"}, {Cause.LETTER_CASE}),
        ("{s: {A: x}, condition: not s}", {}, {Cause.ABSENT}),
        ("{s: {A: 'c?d'}, condition: s}", {"A": "cmd"}, {Cause.QUESTION_MARK}),
        (r"{s: {A: 'c\?d'}, condition: s}", {"A": "c?d"}, {Cause.ESCAPES}),
        ("{s: {A|endswith: 'm*d'}, condition: s}", {"A": "cmd"}, {Cause.WILDCARDS}),
        ("{s: {A: /c.d/}, condition: s}", {"A": "a cmd"}, {Cause.SLASHES}),
        ("{s: {A: 5}, condition: s}", {"A": 5.5}, {Cause.NUMBERS}),
        ("{s: {A: a}, condition: s}", {"A": ["b", "a"]}, {Cause.ARRAYS}),
        ("{s: {A: 'a b'}, condition: s}", {"A": "a  b"}, {Cause.WHITE_SPACE}),
        ("{k: [word], condition: k}", {"A": "a word"}, {Cause.KEYWORDS}),
        ("{s: {A: a}, f: {B: b}, condition: s and not(f)}", {"A": "a", "B": "b"}, {Cause.LOST_NOT}),
        ("{s: {A: cmd}, f: {B: b}, condition: s and not f}", {"A": "CMD"}, {Cause.LETTER_CASE, Cause.ABSENT}),
        ("{s: {A: a, B: b}, condition: not s}", {"B": "c"}, {Cause.CHANCE}),
    ],
)  # fmt: skip
def test_causes(detection: str, event: dict[str, object], expected: set[Cause]) -> None:
    text = HEAD + detection + "\n"
    (rule,) = read_file(text.encode(), "rule.yml").rules
    ours = bool(reference.matches(rule, event))
    found = causes(asked(text), event, None, go=not ours, ours=ours, collapse=True)
    assert set(found) == expected


def test_what_the_model_does_not_say_has_no_cause() -> None:
    text = HEAD + "{s: {A: a}, condition: s}\n"
    assert causes(asked(text), {"A": "a"}, None, go=False, ours=True, collapse=True) == ()
