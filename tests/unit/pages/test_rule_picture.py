"""Pictures of a rule over an event: each part once with its truth, hostile text as text, and bounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.meaning.explanation import explain_rule
from sigmac.compiler.pipeline import Variant
from sigmac.compiler.syntax.documents import read_file
from sigmac.pages import rule_picture
from sigmac.pages.explanation_page import explanation_page
from sigmac.pages.mermaid import mermaid
from sigmac.pages.rule_picture import Box, picture_of, walked
from tests.browser import Page

HOSTILE = (
    '"]; click n0 "javascript:alert(1)" %%{init: {}}%% </span><script>window.hacked=1</script>'
)
EVENT = {"User": "SYSTEM", "image": "x"}


def picture(detection: dict[str, Any], event: dict[str, Any], title: str = "Rule") -> Box:
    rule = {"title": title, "level": "high", "logsource": {"product": "any"}}
    text = yaml.safe_dump({**rule, "detection": detection})
    contents = read_file(text.encode(), "rule.yml")
    assert contents.diagnostics.errors == []
    (found,) = contents.rules
    explanation = explain_rule(found, (Variant(None, found),), event)
    return picture_of(explanation, lambda name: name.lower() if name.lower() in event else None)


def lines(top: Box) -> list[str]:
    marks = {True: "yes", False: "no", None: "…"}
    return [
        "  " * depth + f"{marks[box.truth]} {box.text}" + f" <- {box.note}" * bool(box.note)
        for box, depth in walked(top)
    ]


def test_a_condition_holds_its_selections_where_they_are_first_named() -> None:
    made = picture(
        {
            "user": {"User|contains": ["YST", "x"]},
            "image": [{"Image|endswith": "a"}, {"Image|neq": "b", "User": "z"}],
            "unused_": {"k": 1},
            "condition": ["user and (user or image)", "not image"],
        },
        EVENT,
    )
    assert lines(made) == [
        "yes Rule (high) <- rule.yml:1:1",
        "  yes user and (user or image)",
        "    yes and",
        "      yes user",
        '        yes User|contains <- "SYSTEM"',
        '          yes contains "YST"',
        '          no contains "x"',
        "      yes or",
        "        yes user",
        "        no image",
        "          no any of",
        "            no Image|endswith <- absent; did you mean image?",
        '              no ends with "a"',
        "            no all of",
        "              yes Image|neq <- absent; did you mean image?",
        '                no is "b"',
        '              no User <- "SYSTEM"',
        '                no is "z"',
        "  yes not image",
        "    yes not",
        "      no image",
        "  no unused_",
        "    no k <- absent",
        "      no is the number 1",
    ]


def test_a_picture_has_bounds_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"v{i}" for i in range(100)]
    made = picture({"s": {"A": values}, "condition": "s"}, {"A": "v70"})
    shown = [line.strip() for line in lines(made)]
    assert shown[4:6] == ['yes is "v70"', 'no is "v0"']
    assert shown[-1] == "… and 88 more"
    monkeypatch.setattr(rule_picture, "MAX_BOXES", 10)
    made = picture({"s": {"A": values}, "condition": "s"}, {"A": "v70"})
    assert lines(made)[-1].strip() == "… and 13 more"
    names = " or ".join(["s", "t"] * 199)
    deep = picture({"s": {"A": 1}, "t": {"B": 1}, "condition": f"not ({names})"}, {})
    assert len(lines(deep)) <= 11


def test_hostile_text_is_text_in_a_flowchart() -> None:
    made = picture({"s": {HOSTILE: HOSTILE}, "condition": "s"}, {HOSTILE: HOSTILE}, HOSTILE)
    text = mermaid([made, made])
    assert text.startswith("flowchart LR\n")
    for line in text.splitlines()[5:]:
        assert re.fullmatch(
            r"  n\d+\[\"[\w .,/=+'()\[\]✓✗…#;-]*\"\]:::(yes|no|absent|more)|  n\d+ --> n\d+", line
        ), line
    assert "%%" not in text
    assert text.count(" --> ") == 2 * (sum(1 for _ in walked(made)) - 1)


def test_hostile_text_is_text_on_a_page(page: Page, tmp_path: Path) -> None:
    made = picture({"s": {HOSTILE: HOSTILE}, "condition": "s"}, {HOSTILE: HOSTILE}, HOSTILE)
    missing = picture({"s": {"Image": ["a"] * 20}, "condition": "not s"}, EVENT)
    data = explanation_page([made, missing])
    assert data == explanation_page([made, missing])
    assert b"<script" not in data
    assert b"script-src &#39;none&#39;" in data
    file = tmp_path / "why.html"
    file.write_bytes(data)
    page.open(file)
    page.wait_for("document.readyState === 'complete'")
    assert HOSTILE in page.text(".picture")
    assert page.value("document.querySelectorAll('.box').length") == sum(
        1 for each in (made, missing) for _ in walked(each)
    )
    # Lists are within each other as parts of the rule are.
    assert page.value(
        "[...document.querySelectorAll('.picture')].map((each) => each.querySelectorAll('ul').length)"
    ) == [1 + sum(bool(box.children) for box, _ in walked(each)) for each in (made, missing)]
    assert page.value("document.querySelectorAll('.box.absent').length") == 1
    assert page.value("typeof window.hacked") == "undefined"
    assert page.complaints == []
