"""The forms for other programs are what these read, whatever rules and events say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sigmac.compiler.cases.case import EventCase, SequenceCase
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.verdicts.case_report import Report, render_text
from sigmac.verdicts.machine_forms import FORMS
from sigmac.verdicts.verdict import JudgedRule, Verdict

HOSTILE = "a\n::error::b%0A,:\x1b[31m\x00\ufffe]]>&<\"'\u202e"
RULE = JudgedRule(0, "some-id", HOSTILE, Place("rules/a.yml", 3, 1))
CASE = EventCase(HOSTILE, Place("rules/events/a.yml", 5, 3), {}, matches=False)
SEQUENCE = SequenceCase("two", Place("rules/events/a.yml", 9, 3), (), ())
REPORT = Report(
    [
        Verdict(RULE, CASE, False, "no match", "a match", [HOSTILE, "more"]),
        Verdict(RULE, SEQUENCE, True, "no alert", "no alert"),
        Verdict(RULE, None, False, "a case", "none"),
    ],
    [
        Diagnostic("E_CASE", HOSTILE, Place("rules/a.yml", 7, 1), "mend it"),
        Diagnostic("W_CASE_NONE", "there is no case", Place("rules/b.yml")),
    ],
    1.5,
)


def test_json_has_all() -> None:
    said: dict[str, Any] = json.loads(FORMS["json"](REPORT))
    assert said["counts"] == {"cases": 3, "rules": 1, "passed": 1, "failed": 2, "errors": 1}
    first, second, third = said["cases"]
    assert first == {
        "rule": {"id": "some-id", "title": HOSTILE, "file": "rules/a.yml", "line": 3},
        "case": {"kind": "no_match", "why": HOSTILE, "file": "rules/events/a.yml", "line": 5},
        "passed": False,
        "expected": "no match",
        "got": "a match",
        "reasons": [HOSTILE, "more"],
    }
    assert (second["case"]["kind"], second["passed"]) == ("sequence", True)
    assert (third["case"]["kind"], third["case"]["line"]) == ("required", 3)
    assert [each["code"] for each in said["diagnostics"]] == ["E_CASE", "W_CASE_NONE"]


def test_junit_is_xml_with_a_failure_for_each() -> None:
    root = ElementTree.fromstring(FORMS["junit"](REPORT))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == (
        *("testsuites", "4"),
        *("2", "1"),
    )
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "1")
    failed = suite.find("testcase/failure")
    assert failed is not None
    assert failed.get("message") == "expected no match, got a match"
    assert failed.text is not None
    assert failed.text.splitlines()[0] == "rules/events/a.yml:5"
    case = suite.find("testcase")
    assert case is not None
    assert (case.get("file"), case.get("line")) == ("rules/events/a.yml", "5")


def test_github_gets_a_command_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = FORMS["github"](REPORT).splitlines()
    assert [line.partition(",title")[0] for line in lines] == [
        "::error file=rules/events/a.yml,line=5",
        "::error file=rules/a.yml,line=3",
        "::error file=rules/a.yml,line=7",
        "::warning file=rules/b.yml,line=1",
    ]
    for line in lines:
        _, properties, message = line.split("::", 2)
        assert len(properties.split(",")) == 3
        assert "\x1b" not in message


def test_gitlab_gets_issues_that_are_told_apart() -> None:
    issues = json.loads(FORMS["gitlab"](REPORT))
    assert len({each["fingerprint"] for each in issues}) == 4
    assert [(each["check_name"], each["severity"]) for each in issues] == [
        ("case", "major"),
        ("case", "major"),
        ("E_CASE", "major"),
        ("W_CASE_NONE", "minor"),
    ]
    assert issues[0]["location"] == {"path": "rules/events/a.yml", "lines": {"begin": 5}}
    again = json.loads(FORMS["gitlab"](REPORT))
    assert [each["fingerprint"] for each in again] == [each["fingerprint"] for each in issues]


def test_a_path_below_the_current_folder_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place(str(tmp_path / "rules" / "a.yml"), 2)
    report = Report([], [Diagnostic("E_CASE", "x", place)], 0)
    assert FORMS["github"](report).startswith("::error file=rules/a.yml,line=2,")


def test_text_is_safe_on_a_terminal() -> None:
    text = render_text(REPORT, color=False)
    assert "\x1b" not in text
    assert "\u202e" not in text
