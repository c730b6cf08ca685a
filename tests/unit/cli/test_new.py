"""`sigmac new` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sigmac.cli.new import new
from sigmac.cli.test import test as judge
from sigmac.runtime.errors import InputError

EVENTS = [
    {"Channel": "Security", "EventID": 4688, "Tool": "one", "User": "anna"},
    {"Channel": "Security", "EventID": 4688, "Tool": "two", "User": "anna"},
]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, EVENTS)), encoding="utf-8")
    return file


def called(*arguments: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(new, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def test_a_rule_and_its_cases_are_written_and_pass(events: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    told = called(events, "--position", "2", "--corpus", events, "-o", rules, "--author", "me")
    written = sorted(str(each.relative_to(rules)) for each in rules.rglob("*.yml"))
    inside = "windows/security/windows_security_two_in_tool.yml"
    assert written == [f"events/{inside}", inside]
    assert all(str(rules / each) in told for each in written)
    assert "of 1 other event it matches 0" in told
    text = (rules / inside).read_text()
    assert "Tool: two\n" in text
    assert "service: security\n" in text
    done = CliRunner().invoke(judge, [str(rules), "-p", "windows", "--require"])
    assert done.exit_code == 0, done.output
    assert "2 cases of 1 rule: 2 passed" in done.output


def test_what_is_there_stays(events: Path, tmp_path: Path) -> None:
    called(events, "-o", tmp_path / "rules", "--title", "A")
    with pytest.raises(InputError, match="is there already; give another --title"):
        called(events, "-o", tmp_path / "rules", "--title", "A")


def test_an_event_that_is_not_there_is_told(events: Path) -> None:
    with pytest.raises(InputError, match="there is no event 3, it holds 2"):
        called(events, "--position", "3")


def test_a_log_that_nobody_knows_needs_a_logsource(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"tool": "x"}')
    assert "does not say of which log it is" in called(file, status=2)
    assert "category: proxy\n" in called(file, "--logsource", "category=proxy")
