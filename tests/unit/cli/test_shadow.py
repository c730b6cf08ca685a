"""`sigmac shadow` as its users see it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from sigmac.cli import app
from sigmac.compat.go.go_engine import build_engine
from sigmac.runtime.errors import ConfigurationError

HEAD = "logsource: {product: linux}\n"
RULES = {
    "shell.yml": f"title: A Shell\nid: 3e9d5b7a-7c0e-4a4d-b6c4-2f6c0d8f9a13\n{HEAD}"
    "detection: {s: {Image: cmd.exe}, f: {User: root}, condition: s and not f}\n",
    "network.yml": f"title: A Network\n{HEAD}detection: {{s: {{A|cidr: 10.0.0.0/8}}, condition: s}}\n",
    "number.yml": f"title: A Number\n{HEAD}detection: {{s: {{B|contains: 4}}, condition: s}}\n",
    "words.yml": f"title: Words\n{HEAD}detection: {{k: [opened], condition: k}}\n",
    "two.yml": f"title: Two\n{HEAD}detection: {{s: {{C: c}}, condition: s}}\n---\n"
    f"title: Three\n{HEAD}detection: {{s: {{C: d}}, condition: s}}\n",
}
EVENTS = [
    {"Image": "CMD.exe", "User": "anna"},
    {"Image": "cmd.exe"},
    {"Image": "cmd.exe", "User": "anna"},
    {"A": "10.1.2.3", "message": "a door is opened"},
    {"C": "d"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules").mkdir()
    for name, text in RULES.items():
        (tmp_path / "rules" / name).write_text(text, "utf-8")
    lines = [*map(json.dumps, EVENTS), "no event"]
    (tmp_path / "events.ndjson").write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def go(folder: Path) -> None:
    try:
        build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))


def called(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.stdout


@pytest.mark.usefixtures("go")
def test_where_the_engines_differ_and_why() -> None:
    told = called("shadow", "rules", "events.ndjson").splitlines()
    assert told[:5] == [
        "2 rules in both engines, 5 events, 1 rejected",
        "matches: 1 of the Go engine, 4 of sigmac",
        "  1 match of 1 rule: letters: Go compares them as they are written",
        "  1 match of 1 rule: `not`: over an absent field it is false in Go",
        "  1 match of 1 rule: keywords: Go searches what the program gives it, sigmac every value of an event",
    ]
    assert "  1 match by sigmac alone: letter case" in told
    assert '  events.ndjson:1: {"Image": "CMD.exe", "User": "anna"}' in told
    assert (
        told[-8:]
        == [
            "1 rule evaluated by the Go engine alone:",
            "  A Number  (rules/number.yml): rules/number.yml:3:20: E_VALUE_TYPE: `contains` needs a text; "
            "put the value in quotes",
            "",
            "3 rules evaluated by sigmac alone:",
            "  A Network  (rules/network.yml): failed: selection key A|cidr specifier cidr invalid, 1 match",
            "  Three  (rules/two.yml): unsupported: Multipart, 1 match",
            "  Two  (rules/two.yml): unsupported: Multipart",
        ][-8:]
        or told[-7:]
    )


@pytest.mark.usefixtures("go")
def test_as_json_with_a_verdict() -> None:
    found = json.loads(called("shadow", "rules", "events.ndjson", "--format", "json"))
    assert (found["rules"], found["events"], found["rejected"]) == (2, 5, 1)
    assert {(each["rule"]["title"], each["only"], *each["causes"]) for each in found["differences"]} == {
        ("A Shell", "sigmac", "letter_case"),
        ("A Shell", "sigmac", "absent"),
        ("Words", "sigmac", "keywords"),
    }  # fmt: skip
    assert [each["path"] for each in found["only_go"]] == ["rules/number.yml"]
    assert called("shadow", "rules", "events.ndjson", "--fail-on", "unknown")
    assert called("shadow", "rules", "events.ndjson", "--fail-on", "difference", status=3)
    assert called("shadow", "rules", "events.ndjson", "--fail-on", "only-go,unknown", status=3)


@pytest.mark.usefixtures("go")
def test_what_the_program_makes_of_events(folder: Path) -> None:
    program = "keywords: message\nfields: {Image: exe.name}\nnoCollapseWS: true\n"
    (folder / "program.yml").write_text(program, "utf-8")
    events = [{"exe": {"name": "cmd.exe"}, "User": "a"}, {"message": "it is opened"}]
    (folder / "named.ndjson").write_text("\n".join(map(json.dumps, events)) + "\n", "utf-8")
    told = called("shadow", "rules", "named.ndjson", "--go-config", "program.yml").splitlines()
    assert told[1:3] == ["matches: 2 of the Go engine, 2 of sigmac", "no match differs"]


@pytest.mark.usefixtures("go")
def test_what_a_filter_adds_is_told(folder: Path) -> None:
    text = (
        f"title: Not Anna\n{HEAD}filter:\n  rules: [3e9d5b7a-7c0e-4a4d-b6c4-2f6c0d8f9a13]\n"
        "  s: {User: anna}\n  condition: not s\n"
    )
    (folder / "rules" / "filter.yml").write_text(text, "utf-8")
    found = json.loads(called("shadow", "rules", "events.ndjson", "--format", "json"))
    assert ["added"] in [each["causes"] for each in found["differences"]]


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("name", ["./rules", "rules/", "rules/../rules", "."])
def test_a_folder_is_the_same_by_another_name(folder: Path, name: str) -> None:
    if name == ".":
        (folder / "events.ndjson").rename(folder / "rules" / "events.ndjson")
        os.chdir(folder / "rules")
    found = json.loads(called("shadow", name, "events.ndjson", "--format", "json"))
    assert (found["rules"], len(found["only_go"]), len(found["only_sigmac"])) == (2, 1, 3)


@pytest.mark.usefixtures("go")
def test_lines_that_are_no_events_are_counted_where_no_rule_is_left(folder: Path) -> None:
    for name in RULES.keys() - {"number.yml"}:
        (folder / "rules" / name).unlink()
    found = json.loads(called("shadow", "rules", "events.ndjson", "--format", "json"))
    assert (found["rules"], found["events"], found["rejected"]) == (0, 5, 1)


@pytest.mark.usefixtures("go")
def test_an_event_that_is_nested_too_deep_is_rejected(folder: Path) -> None:
    deep = '{"Image": ' + "[" * 900 + '"opened"' + "]" * 900 + "}\n"
    (folder / "events.ndjson").write_text(deep, "utf-8")
    found = json.loads(called("shadow", "rules", "events.ndjson", "--format", "json"))
    assert (found["events"], found["rejected"]) == (0, 1)


def test_without_go_one_line_says_what_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "empty"))
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ConfigurationError, match="needs a Go tool chain: install Go"):
        called("shadow", "rules", "events.ndjson")


def test_wrong_usage() -> None:
    assert called("shadow", "nowhere", "events.ndjson", status=2) == ""
    assert called("shadow", ".", "--fail-on", "everything", status=2) == ""
