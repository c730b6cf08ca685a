"""Verdicts in the forms that other programs read: JSON, JUnit's XML, GitHub's annotations, GitLab's code quality."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sigmac.compiler.cases.case import EventCase, FileCase
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.runtime.printable import escaped
from sigmac.verdicts.case_report import Report
from sigmac.verdicts.verdict import Verdict

_LENGTH = 2000  # characters of a message
_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}  # GitHub's
_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}  # GitLab's


def _json(report: Report) -> str:
    """One object; `docs/cases.md` describes it."""
    counts = {
        "cases": len(report.verdicts),
        "rules": report.rules,
        "passed": len(report.verdicts) - len(report.failed),
        "failed": len(report.failed),
        "errors": len(report.errors),
    }
    said = {
        "version": 1,
        "cases": [_plain(each) for each in report.verdicts],
        "diagnostics": [
            {"code": d.code, "severity": d.severity, "message": d.message, "hint": d.hint}
            | _place(d.place)
            for d in report.diagnostics
        ],
        "counts": counts,
        "seconds": round(report.seconds, 3),
    }
    return json.dumps(said, indent=2) + "\n"


def _plain(verdict: Verdict) -> dict[str, Any]:
    rule, case = verdict.rule, verdict.case
    kind = "required"
    if isinstance(case, (EventCase, FileCase)):
        matches = case.matches if isinstance(case, EventCase) else case.most != 0
        kind = "match" if matches else "no_match"
    elif case is not None:
        kind = "sequence"
    return {
        "rule": {"id": rule.id, "title": rule.title, **_place(rule.place)},
        "case": {"kind": kind, "why": verdict.why, **_place(verdict.place)},
        "passed": verdict.passed,
        "expected": verdict.expected,
        "got": verdict.got,
        "reasons": list(verdict.reasons),
    }


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line}


def _junit(report: Report) -> str:
    """The XML that Jenkins and GitLab read: a suite for each file of rules, errors among its cases."""
    root = Element("testsuites", name="sigmac test", time=f"{report.seconds:.3f}")
    suites: dict[str, list[Verdict | Diagnostic]] = defaultdict(list)
    for each in report.verdicts:
        suites[each.rule.place.file].append(each)
    for error in report.errors:
        suites[error.place.file].append(error)
    for file, held in suites.items():
        suite = SubElement(root, "testsuite", name=escaped(file))
        for case in held:
            _test_case(suite, case)
    for suite in (*root, root):
        counts = {
            "tests": "testcase",
            "failures": "testcase/failure",
            "errors": "testcase/error",
        }
        for name, path in counts.items():
            suite.set(name, str(len(suite.findall(f".//{path}" if suite is root else path))))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _test_case(suite: Element, case: Verdict | Diagnostic) -> None:
    place = case.place
    if isinstance(case, Diagnostic):
        name, of = f"{case.code} in line {place.line}", "errors"
    else:
        name, of = case.why, case.rule.title
    made = SubElement(
        suite,
        "testcase",
        name=escaped(name),
        classname=escaped(of),
        file=escaped(_path(place)),
        line=str(place.line),
    )
    if isinstance(case, Diagnostic):
        SubElement(made, "error", type=case.code, message=escaped(case.message)).text = escaped(
            case.hint
        )
    elif not case.passed:
        failure = SubElement(made, "failure", type="case", message=escaped(_short(case)))
        where = f"{place.file}:{place.line}"
        failure.text = "\n".join(map(escaped, (where, *case.reasons)))


def _short(verdict: Verdict) -> str:
    return f"expected {verdict.expected}, got {verdict.got}"


def _github(report: Report) -> str:
    """Commands that make annotations of a workflow run (https://docs.github.com/actions, "workflow commands")."""
    said = [
        _command(
            "error", each.place, each.rule.title, f"{escaped(each.why)}: {_with_reasons(each)}"
        )
        for each in report.failed
    ]
    said += [
        _command(_LEVELS[each.severity], each.place, each.code, _with_hint(each))
        for each in report.diagnostics
    ]
    return "".join(said)


def _command(level: str, place: Place, title: str, message: str) -> str:
    named = {"file": _path(place), "line": str(place.line or 1), "title": escaped(title)}
    properties = ",".join(
        f"{name}={_encoded(value).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in named.items()
    )
    return f"::{level} {properties}::{_encoded(message[:_LENGTH])}\n"


def _encoded(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _gitlab(report: Report) -> str:
    """A code quality report (https://docs.gitlab.com/ci/testing/code_quality)."""
    found = [
        _issue(each.place, "case", f"{each.rule.title}: {each.why}: {_with_reasons(each)}", "major")
        for each in report.failed
    ]
    found += [
        _issue(each.place, each.code, _with_hint(each), _SEVERITIES[each.severity])
        for each in report.diagnostics
    ]
    return json.dumps(found, indent=2) + "\n"


def _issue(place: Place, check: str, text: str, severity: str) -> dict[str, Any]:
    path = _path(place)
    fingerprint = hashlib.sha256(json.dumps([path, place.line, check, text]).encode()).hexdigest()
    return {
        "description": text[:_LENGTH],
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": place.line or 1}},
    }


def _with_reasons(verdict: Verdict) -> str:
    return "\n".join(map(escaped, (_short(verdict), *verdict.reasons)))


def _with_hint(diagnostic: Diagnostic) -> str:
    hint = f"\n{escaped(diagnostic.hint)}" if diagnostic.hint else ""
    return f"{escaped(diagnostic.message)}{hint}"


def _path(place: Place) -> str:
    """A file's name as code hosts have it: from the current folder, where it lies in it."""
    real, here = os.path.realpath(place.file), os.path.realpath(os.getcwd())
    inside = os.path.commonpath([real, here]) == here
    return os.path.relpath(real, here) if inside else place.file


FORMS: Mapping[str, Callable[[Report], str]] = {
    "json": _json,
    "junit": _junit,
    "github": _github,
    "gitlab": _gitlab,
}
