"""`sigmac migrate` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sigmac.cli import app
from sigmac.cli.migrate import migrate
from sigmac.runtime.errors import ConfigurationError

HEAD = "logsource: {product: any}\n"
RULES = {
    "one.yml": f"title: One\n{HEAD}detection: {{s: {{A: a}}, condition: s}}\n",
    "sub/two.yml": f"title: Two\n{HEAD}detection: {{s: {{A|cidr: 10.0.0.0/8}}, condition: s}}\n",
    "three.yml": f"title: Three\n{HEAD}detection: {{s: {{A: a}}, f: {{B: b}}, condition: s and not(f)}}\n",
    "four.yml": f"title: <b>Four</b>\n{HEAD}detection: {{s: {{A|no: a}}, condition: s}}\n",
    "five.yml": "detection: {s: {A: 5}, condition: s}\n",
    "six.yml": f"title: Six\nname: six\n{HEAD}detection: {{k: [x], condition: k}}\n---\n"
    "title: Often\ncorrelation: {type: event_count, rules: [six], group-by: [A], timespan: 5m, condition: {gte: 2}}\n",
}
PROGRAM = """Directory: rules
NoCollapseWS: true
failOnRuleParse: false
keywords: message
fields: {A: a.name}
brokers: "one:9092"
topics: [events]
group: shipper
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in RULES.items():
        path = tmp_path / "rules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def test_what_becomes_of_each_rule(folder: Path) -> None:
    told = called("migrate", "rules").splitlines()
    assert told == [
        "the Go engine evaluates 3 of 6 files (2 failed, 1 unsupported)",
        "sigmac evaluates 5 rules and correlations in them:",
        "  2 of the files were left out until now",
        "  1 that the Go engine evaluates have errors",
        "  1 read otherwise there: `not(` without a blank: Go loses the `not`",
    ]
    found = json.loads(called("migrate", "rules", "--format", "json"))
    by_name = {Path(each["path"]).name: each for each in found["files"]}
    assert {name: each["go"] for name, each in by_name.items()} == {
        "one.yml": "ok",
        "two.yml": "failed",
        "three.yml": "ok",
        "four.yml": "failed",
        "five.yml": "ok",
        "six.yml": "unsupported",
    }
    assert by_name["three.yml"]["causes"] == ["lost_not", "letter_case", "arrays"]
    assert by_name["two.yml"]["reason"] == "the modifier `cidr`"
    assert [each["code"] for each in by_name["five.yml"]["faults"]] == ["E_TITLE"]
    assert by_name["six.yml"]["evaluated"] == 2


def test_the_files_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "program.yml").write_text(PROGRAM, "utf-8")
    called("migrate", "--go-config", "program.yml", "-o", "new")
    report = (folder / "new" / "REPORT.md").read_text("utf-8")
    assert "| left out there, and evaluated by sigmac | 2 |" in report
    assert "&lt;b&gt;Four&lt;/b&gt;" not in report  # refused rules go by their files
    assert "| rules/four.yml | E\\_MODIFIER:" in report
    assert "### `not(` without a blank" in report
    assert "white space" not in report
    monkeypatch.chdir(folder / "new")
    told = called("config", "check", "service.yml")
    assert "no mistakes: kafka (1 input) to file" in told
    assert "group.id: shipper-sigmac" in Path("service.yml").read_text("utf-8")
    assert "built build/rules: 4 rules" in called("build")
    Path("events.ndjson").write_text(
        '{"a": {"name": "a"}}\n{"message": "x"}\n{"other": "x"}\n', "utf-8"
    )
    lines = called("run", "build/rules", "events.ndjson", "--no-event", "-q").splitlines()
    titles = [json.loads(line)["rule"]["title"] for line in lines if line.startswith("{")]
    assert titles == ["One", "Three"]  # Six counts for its correlation


def test_files_for_ci_say_where_the_project_lies(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / "program.yml").write_text(PROGRAM, "utf-8")
    called("migrate", "--go-config", "program.yml", "-o", "deep/new one")
    made = folder / "deep" / "new one"
    assert 'rules = ["../../rules"]' in (made / "sigmac.toml").read_text("utf-8")
    read = {each.stem: yaml.safe_load(each.read_bytes()) for each in (made / "ci").iterdir()}
    assert read["github"]["defaults"] == {"run": {"working-directory": "deep/new one"}}
    assert read["gitlab"]["rules"]["script"][0] == "cd 'deep/new one'"
    (hooks,) = read["pre-commit"]["repos"]
    (hook,) = hooks["hooks"]
    assert hook["args"] == ["--pipeline=deep/new one/pipeline.yml"]
    assert hook["files"] == "^(rules)/"


def test_what_is_there_stays(folder: Path) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "mine").write_text("x", "utf-8")
    (folder / "link").symlink_to(folder / "nowhere")
    for name in ("new", "link", "rules"):
        with pytest.raises(ConfigurationError, match="this is there already"):
            CliRunner().invoke(migrate, ["rules", "-o", name], catch_exceptions=False)
    assert [each.name for each in (folder / "new").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "this is no map"),
        ("a: [", "program.yml:2:1: brackets are open at the end"),
        ("a: b\n---\nc: d", "one document is wanted"),
        ("", "one document is wanted"),
        ("directry: rules", ":1: there is no key `directry`; did you mean `directory`?"),
        ("directory: 5", ":1: directory: this is a text or a list of texts"),
        ("directory: []", ":1: directory: this is a text or a list of texts"),
        ("noCollapseWS: 1", ":1: noCollapseWS: this is true or false"),
        ("fields: {A: 1}", ":1: fields: this is a map"),
        ("topics: [a]", "`topics` and `brokers` go together"),
        ("topics: [a]\nbrokers: b\nfiles: c", "events come from `files` or from `topics`"),
    ],
)
def test_a_description_that_is_none(text: str, said: str, folder: Path) -> None:
    (folder / "program.yml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        CliRunner().invoke(migrate, ["rules", "--go-config", "program.yml"], catch_exceptions=False)
    assert said in str(raised.value)


def test_without_rules(folder: Path) -> None:
    assert "give folders of rules" in called("migrate", status=2)
    assert "does not exist" in called("migrate", "nowhere", status=2)
