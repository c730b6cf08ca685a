"""Diagnostics as people and tools get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.checks.report import (
    LINE_CELLS,
    escaped,
    excerpt,
    render_json,
    render_list,
    render_sarif,
    render_text,
)
from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Diagnostics, Place
from sigmac.compiler.syntax.documents import read_file

RULE = rb"""title: Whoami
logsource:
    category: process_creation
detection:
    selection:
        Image|endwith: '\whoami.exe'
    condition: selection
---
title: Second
level: severe
logsource:
    category: process_creation
detection:
    keywords:
        - a
        - 'caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac': 1
    condition: keywords
"""


def found_in(data: bytes, file: str = "rules/a.yml") -> list[Diagnostic]:
    return read_file(data, file).diagnostics.found


def text_of(data: bytes, file: str = "rules/a.yml", *, color: bool = False) -> str:
    return render_text(found_in(data, file), lambda _: data, color=color)


def one(line: str, place: Place, message: str = "m", hint: str = "") -> str:
    """The report of one diagnostic about a file of one line."""
    diagnostic = Diagnostic("W_META", message, place, hint)
    return render_text([diagnostic], lambda _: line.encode(), color=False)


# Text


def test_each_diagnostic_has_its_line_its_carets_and_its_hint() -> None:
    assert text_of(RULE) == (
        r"""rules/a.yml:6:9: error: there is no modifier `endwith` [E_MODIFIER]
    6 |         Image|endwith: '\whoami.exe'
      |         ^^^^^^^^^^^^^
      = hint: did you mean `endswith`?

rules/a.yml:10:8: warning: `severe` is no level [W_META]
   10 | level: severe
      |        ^^^^^^
      = hint: one of informational, low, medium, high, critical

1 error, 1 warning in 1 file
"""
    )


def test_nothing_found_is_said() -> None:
    assert render_text([], lambda _: None, color=False) == "no problems found\n"


def test_the_last_line_counts() -> None:
    found = Diagnostics()
    for number in range(3):
        found.report("E_YAML", str(number), Place("a.yml", number))
    found.report("W_META", "m", Place("b.yml", 1))
    found.report("N_EXISTS", "n", Place("c.yml", 1))
    found.report("N_EXISTS", "n", Place("c.yml", 1))
    text = render_text(found, lambda _: None, color=False)
    assert text.splitlines()[-1] == "3 errors, 1 warning, 1 note in 3 files"


def test_diagnostics_are_sorted_by_file_and_place_the_worst_first() -> None:
    places = [
        Place("b.yml", 1, 1),
        Place("a.yml", 10, 1),
        Place("a.yml", 9, 5),
        Place("a.yml", 9, 1),
    ]
    found = [Diagnostic("W_META", "m", place) for place in places]
    found.append(Diagnostic("E_YAML", "e", Place("a.yml", 10, 1)))
    lines = [
        line.split(" ")[:2] for line in render_text(found, lambda _: None, color=False).splitlines()
    ]
    assert [line for line in lines if len(line) > 1][:-1] == [
        ["a.yml:9:1:", "warning:"],
        ["a.yml:9:5:", "warning:"],
        ["a.yml:10:1:", "error:"],
        ["a.yml:10:1:", "warning:"],
        ["b.yml:1:1:", "warning:"],
    ]


def test_without_colour_there_is_no_escape_sequence_and_with_it_the_text_is_the_same() -> None:
    plain, colored = text_of(RULE), text_of(RULE, color=True)
    assert "\x1b" not in plain
    for style in ("\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        colored = colored.replace(style, "")
    assert colored == plain


def test_a_place_without_line_or_column_is_no_problem() -> None:
    assert one("title: x", Place("a.yml")) == "a.yml: warning: m [W_META]\n\n1 warning in 1 file\n"
    assert "    1 | title: x\n\n" in one("title: x", Place("a.yml", 1))
    assert "^" not in one("title: x", Place("a.yml", 1))
    assert " | " not in one("title: x", Place("a.yml", 7, 1))


def test_carets_stand_below_what_is_meant_whatever_its_width() -> None:
    assert excerpt("a: '日本', b", 10, 1) == ("a: '日本', b", " " * 11 + "^")
    assert excerpt("a: e\u0301x", 6, 1) == ("a: e\u0301x", " " * 4 + "^")
    assert excerpt("a:\tb", 4, 1) == ("a:  b", " " * 4 + "^")
    assert excerpt("a: b", 5, 1) == ("a: b", " " * 4 + "^")
    assert excerpt("a: b", 4, 100) == ("a: b", " " * 3 + "^")


def test_a_long_line_is_cut_on_both_sides() -> None:
    line = "a" * 500 + "HERE" + "b" * 500
    shown, carets = excerpt(line, 501, 4)
    assert shown.startswith("…a")
    assert shown.endswith("b…")
    assert len(shown) <= LINE_CELLS + 2
    assert shown[carets.index("^") :][: carets.count("^")] == "HERE"


def test_a_line_that_fits_is_not_cut() -> None:
    line = "x" * LINE_CELLS
    assert excerpt(line, LINE_CELLS, 1) == (line, " " * (LINE_CELLS - 1) + "^")


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egpj.exe\u2066\u200b\x9b31m\r\x08\x00\ufeff\u061c\ud800"


def test_a_hostile_rule_cannot_fool_a_terminal() -> None:
    text = one(f"title: {HOSTILE[:-1]}", Place(f"{HOSTILE[:-1]}.yml", 1, 8, 5), HOSTILE, HOSTILE)
    for char in set(HOSTILE) - set("[2J]0;ownedgpj.exe31m"):
        assert char not in text
    assert (
        r"\x1b[2J\x1b]0;owned\x07\u202egpj.exe\u2066\u200b\x9b31m\r\x08\x00\ufeff\u061c\ud800"
        in text
    )
    assert escaped(HOSTILE).isascii()


@given(st.text(max_size=300), st.integers(0, 320), st.integers(0, 320))
def test_any_line_is_shown_in_one_printable_line(line: str, column: int, width: int) -> None:
    shown, carets = excerpt(line, column, width)
    assert shown.isprintable()
    assert set(carets) <= {" ", "^"}
    assert ("^" in carets) is bool(column)


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=400),
    st.data(),
)
def test_the_carets_mark_the_very_characters(line: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    width = data.draw(st.integers(1, len(line) - start))
    shown, carets = excerpt(line, start + 1, width)
    marked = shown[carets.index("^") : len(carets)]
    assert line[start : start + width].startswith(marked)
    assert len(marked) >= min(width, LINE_CELLS // 3)


def test_lines_are_counted_as_yaml_counts_them() -> None:
    data = "title: A\u2028level: b\x85status: c\r\nlogsource: {product: x}\rdetection: 1\n".encode()
    text = text_of(data)
    assert "a.yml:2:8: warning: `b` is no level" in text
    assert "    2 | level: b\n" in text
    assert "    3 | status: c\n" in text
    assert "    5 | detection: 1\n" in text


def test_a_file_that_is_not_text_is_shown_without_harm() -> None:
    text = text_of(b"title: \xff\xfe\x00\n")
    assert "a.yml:1:8: error: the file is not UTF-8 text [E_YAML]" in text
    assert "\x00" not in text


# JSON


def test_json_has_what_is_documented() -> None:
    report = json.loads(render_json(found_in(RULE), lambda _: RULE))
    assert report["version"] == 1
    assert report["counts"] == {"errors": 1, "warnings": 1, "notes": 0, "files": 1}
    assert report["diagnostics"][0] == {
        "code": "E_MODIFIER",
        "severity": "error",
        "message": "there is no modifier `endwith`",
        "file": "rules/a.yml",
        "line": 6,
        "column": 9,
        "width": 13,
        "document": 0,
        "hint": "did you mean `endswith`?",
        "pointer": "/detection/selection/Image|endwith",
    }


def test_json_is_ascii_and_needs_no_source() -> None:
    place = Place(HOSTILE, 1, 1)
    text = render_json([Diagnostic("W_META", HOSTILE, place)], lambda _: None)
    assert text.isascii()
    assert json.loads(text)["diagnostics"][0]["message"] == HOSTILE


@pytest.mark.parametrize(
    ("line", "column", "width", "pointer"),
    [
        (1, 1, 1, ""),
        (1, 1, 5, "/title"),
        (1, 8, 6, "/title"),
        (5, 5, 9, "/detection/selection"),
        (6, 24, 15, "/detection/selection/Image|endwith"),
        (6, 30, 1, "/detection/selection/Image|endwith"),
        (7, 18, 3, "/detection/condition"),
        (4, 30, 1, ""),
    ],
)
def test_a_pointer_names_the_node_at_the_place(
    line: int, column: int, width: int, pointer: str
) -> None:
    found = [Diagnostic("W_META", "m", Place("a.yml", line, column, width))]
    (made,) = json.loads(render_json(found, lambda _: RULE))["diagnostics"]
    assert made["pointer"] == pointer


def test_a_pointer_is_escaped_and_counts_lists() -> None:
    data = b"a/b:\n  - x\n  - c~d: 1\n"
    found = [Diagnostic("W_META", "m", Place("a.yml", 3, 10, 1))]
    (made,) = json.loads(render_json(found, lambda _: data))["diagnostics"]
    assert made["pointer"] == "/a~1b/1/c~0d"


# SARIF


def sarif(found: list[Diagnostic], data: bytes = RULE) -> dict[str, Any]:
    text = render_sarif(found, lambda _: data)
    assert text.isascii()
    log: dict[str, Any] = json.loads(text)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_sarif_describes_every_check() -> None:
    driver = sarif([])["tool"]["driver"]
    assert driver["name"] == "sigmac"
    assert [rule["id"] for rule in driver["rules"]] == list(catalogue())
    for rule in driver["rules"]:
        assert rule["help"]["text"]
        assert "```yaml" in rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_sarif_results_have_rule_level_and_region() -> None:
    run = sarif(found_in(RULE))
    result = run["results"][0]
    rules = run["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "E_MODIFIER"
    assert result["level"] == "error"
    assert "did you mean" in result["message"]["text"]
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "rules/a.yml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 6, "startColumn": 9, "endColumn": 22},
            },
            "logicalLocations": [{"fullyQualifiedName": "/detection/selection/Image|endwith"}],
        }
    ]
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_leaves_out_what_is_unknown() -> None:
    results = sarif(
        [Diagnostic("E_YAML", "m", Place("a.yml")), Diagnostic("W_META", "m", Place("a.yml", 3))]
    )
    regions = [r["locations"][0]["physicalLocation"].get("region") for r in results["results"]]
    assert regions == [None, {"startLine": 3}]


def test_sarif_uris_are_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a b/ü#?.yml", "./c:d.yml", str(tmp_path / "e.yml"), "/elsewhere/f.yml", "x\udcff.yml"]
    found = [Diagnostic("W_META", "m", Place(name, 1)) for name in names]
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in sarif(found)["results"]
    }
    assert uris == {
        "a%20b/%C3%BC%23%3F.yml",
        "c%3Ad.yml",
        "e.yml",
        "file:///elsewhere/f.yml",
        "x%FF.yml",
    }


# The list of all codes


def test_the_list_names_every_code_with_its_examples() -> None:
    text = render_list(as_json=False)
    listed = json.loads(render_list(as_json=True))
    assert [each["code"] for each in listed] == list(catalogue())
    for check in catalogue().values():
        assert f"{check.code} ({check.severity}): {check.summary}\n" in text
    assert all(line.isprintable() for line in text.splitlines())
