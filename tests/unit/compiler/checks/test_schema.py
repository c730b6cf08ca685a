"""The constraints of the specification's JSON schemas, each broken once; and hints, each followed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.catalogue import catalogue, completed
from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.syntax.rule_files import SourceFile

TABLE = yaml.safe_load(Path(__file__).with_name("schema.yml").read_text("utf-8"))
RULE = {
    "title": "Rule a",
    "name": "a",
    "logsource": {"product": "linux"},
    "detection": {"s": {"A": "b"}, "condition": "s"},
}
SOUND: dict[str, dict[str, Any]] = {
    "rule": RULE,
    "correlation": {
        "title": "Correlation",
        "correlation": {
            "type": "event_count",
            "rules": ["a"],
            "group-by": ["User"],
            "timespan": "5m",
            "condition": {"gte": 3},
        },
    },
    "filter": {
        "title": "Filter",
        "logsource": {"product": "linux"},
        "filter": {"rules": ["a"], "selection": {"User": "x"}, "condition": "not selection"},
    },
}
CHANGES = [
    *((kind, change) for kind in SOUND for change in TABLE[kind]),
    *(("rule", {key: None, "says": "N_SCHEMA"}) for key in TABLE["empty"]),
]


def told(text: str, folder: Path) -> list[Diagnostic]:
    path = folder / "rule.yml"
    path.write_text(text, encoding="utf-8")
    return check_sources([SourceFile("rule.yml", "rule.yml", path)])


def changed(document: Any, change: Any) -> Any:
    """A document with a change merged into it; None takes a key away, `257 x` is a text of so many letters."""
    if isinstance(change, str) and (match := re.fullmatch(r"(\d+) x", change)):
        return "x" * int(match[1])
    if not (isinstance(document, dict) and isinstance(change, dict)) or not change:
        return change
    made = {**document, **{key: changed(document.get(key), new) for key, new in change.items()}}
    return {key: value for key, value in made.items() if value is not None}


@pytest.mark.parametrize(("kind", "change"), CHANGES, ids=str)
def test_a_constraint_of_the_schema_is_told(
    kind: str, change: dict[str, Any], tmp_path: Path
) -> None:
    wanted = set(change["says"].split())
    keys = {key: value for key, value in change.items() if key != "says"}
    document = changed(SOUND[kind], keys)
    if kind == "rule" and set(keys) <= set(TABLE["empty"]) and None in keys.values():
        document = {**SOUND[kind], **keys}
    if kind == "rule" and "detection" in keys and keys["detection"]:
        document = {**SOUND[kind], **keys}
    documents = [document] if kind == "rule" else [RULE, document]
    text = "\n---\n".join(json.dumps(each) for each in documents)
    assert {each.code for each in told(text, tmp_path)} - {"N_META_MISSING"} == wanted


# A hint that is nothing but a text to write in place of what is marked
_WRITE = re.compile(r"write `([^`…]+)`(?:, without quotes)?")


def hinted() -> list[tuple[str, str]]:
    cases = Path(__file__).with_name("cases.yml").read_text("utf-8").split("---\n")[1:]
    texts = [check.bad for check in catalogue().values()]
    return [(f"example {i}", completed(text)) for i, text in enumerate([*texts, *cases])]


@pytest.mark.parametrize(("name", "text"), hinted(), ids=lambda each: each[:12])
def test_a_hint_that_is_followed_mends_what_it_is_about(
    name: str, text: str, tmp_path: Path
) -> None:
    for found in told(text, tmp_path):
        match = _WRITE.fullmatch(found.hint)
        if match is None or not found.place.line:
            continue
        lines = text.split("\n")
        line = lines[found.place.line - 1]
        start, end = found.place.column - 1, found.place.column - 1 + found.place.width
        written = line[start:end]
        new = match[1]
        if written[:1] in "\"'" and "without quotes" not in found.hint:
            new = written[0] + new + written[0]
        lines[found.place.line - 1] = line[:start] + new + line[end:]
        after = told("\n".join(lines), tmp_path)
        still = [(d.code, d.place.line, d.place.column, d.message) for d in after]
        assert (found.code, found.place.line, found.place.column, found.message) not in still
