"""`sigmac fields` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sigmac.cli.fields import fields
from tests.unit.packs import rule, write_text_pack

RULES = "---\n".join(
    [
        rule(
            "s: {gcp.audit.method_name: x}\ncondition: s", "Methods", "product: gcp", level="high"
        ),
        rule("s: {auditPayload.serviceName: x}\ncondition: s", "Services", "product: gcp"),
        rule("f: {Gone|cidr: 10.0.0.0/8}\ncondition: not f", "Noise", "product: gcp"),
        rule("s: {Image: x}\ncondition: s", "Processes", "product: linux, service: auditd"),
    ]
)
EVENT = {"auditPayload": {"methodName": "a", "serviceName": "b\u202e"}, "insertId": "c"}
WINDOWS = rule("s: {Image: x}\ncondition: s", "P", "product: windows, category: process_creation")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("gcp"))


def called(*arguments: str | Path, status: int = 0, stdin: str = "") -> str:
    done = CliRunner().invoke(fields, [*map(str, arguments)], input=stdin, catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def test_all_is_told(pack: Path) -> None:
    events = "\n".join([json.dumps(EVENT), "", json.dumps({"insertId": "d"})])
    told = called(pack, "-", "--logsource", "product=gcp", "--unused", "--rules", stdin=events)
    assert told == (
        "2 events, 4 rules: 2 can match, 2 cannot\n"
        "\n"
        "1 rule asks for fields that none of its events has\n"
        "          1  gcp.audit.method_name  did you mean auditPayload.methodName (1 event)?\n"
        "\n"
        "1 rule is for a logsource of which there is no event\n"
        "          1  linux/auditd\n"
        "\n"
        "1 rule matches every event that it looks at, as none has the fields by which it would exclude some\n"
        "          2  Noise  Gone\n"
        "\n"
        "fields that no rule asks for, and how many events have them\n"
        "          2  insertId\n"
        "          1  auditPayload\n"
        "          1  auditPayload.methodName\n"
        "\n"
        "rules that cannot match\n"
        f"  fields     Methods  {_source(told, 'Methods')}: gcp.audit.method_name\n"
        f"  logsource  Processes  {_source(told, 'Processes')}\n"
    )


def _source(told: str, title: str) -> str:
    line = next(line for line in told.splitlines() if f"  {title}  " in line)
    return line.split()[2].removesuffix(":")


def test_the_same_as_json(pack: Path) -> None:
    told = called(pack, "-", "--format", "json", stdin=json.dumps(EVENT))
    assert told.isascii()
    report: dict[str, Any] = json.loads(told)
    assert report["rules"] == {
        "all": 4, "open": 1, "fields": 2, "values": 0, "logsource": 0, "always": 1,
    }  # fmt: skip
    assert report["fields"][1] == {
        "field": "gcp.audit.method_name",
        "rules": 1,
        "nearest": "auditPayload.methodName",
        "events": 1,
    }
    (methods, processes) = report["no_chance"]
    assert (methods["title"], methods["level"], methods["chance"]) == ("Methods", "high", "fields")
    assert processes["missing"] == [{"field": "Image", "test": "equals", "value": "x"}]


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ("fields", "--fail-on fields: 2\n"),
        ("values, always", "--fail-on always: 1\n"),
        ("values,logsource,no-rule,shape", ""),
    ],
)
def test_what_fails(pack: Path, failures: str, said: str) -> None:
    told = called(
        pack, "-", "--fail-on", failures, status=3 if said else 0, stdin=json.dumps(EVENT)
    )
    assert told.partition("sigmac: ")[2] == said


def test_values_and_events_without_a_rule(tmp_path: Path) -> None:
    rules = write_text_pack(WINDOWS, tmp_path, pipelines=["windows"])
    events = '{"Channel": "System", "EventID": 7036}\n' * 3
    told = called(rules, "-", "--fail-on", "no-rule", status=3, stdin=events)
    assert told == (
        "3 events, 1 rule: 0 can match, 1 cannot\n"
        "\n"
        "1 rule asks for events that did not occur\n"
        "          1  Channel: microsoft-windows-sysmon/operational\n"
        "          1  EventID: 1\n"
        "\n"
        "3 events have no rule that looks at them\n"
        "          3  product windows, Channel: System, EventID: 7036\n"
        "sigmac: --fail-on no-rule: 3\n"
    )
    first = called(rules, "-", "--first", "2", stdin=events + "no JSON")
    assert first.startswith("the first 2 events, 1 rule: 0 can match, 1 cannot\n")


def test_shapes(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(WINDOWS)
    told = called(rules, "-", stdin='{"Channel": "Security", "EventID": 1, "Image": "y"}')
    assert (
        "they look like those that the pipeline windows is for: build with --pipeline windows"
        in told
    )
    told = called(
        rules, "-", "--pipeline", "windows", stdin='{"n": 1, "d": {"a": 1, "b": 2, "c": 3}}'
    )
    assert "give --select 'd'" in told
    assert "the pipeline" not in told


def test_what_cannot_be_read_is_told(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text('{"a": 1}\n[1]\nno JSON\n')
    told = called(pack, tmp_path / "events.ndjson", tmp_path / "missing", status=1)
    assert "events.ndjson:2: rejected: not a JSON object but an array\n" in told
    assert "missing: No such file or directory\n" in told
    assert "1 event, 4 rules: 1 can match, 3 cannot\n" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--fail-on", "all"],
            "'all' is not one of fields, values, logsource, always, no-rule, shape",
        ),
        (["--logsource", "product=gpc"], "did you mean `gcp`?"),
        (["--input-format", "jsn"], "there is no format `jsn`"),
        (["--pipeline", "windows"], "a pack was built with its pipelines"),
        (["--first", "0"], "0 is not in the range x>=1"),
    ],
)
def test_mistakes(pack: Path, arguments: list[str], said: str) -> None:
    assert said in called(pack, "-", *arguments, status=2)


def test_what_events_say_is_shown_not_obeyed(pack: Path) -> None:
    told = called(pack, "-", "--unused", stdin=json.dumps({"\x1b[2Ja\u202e": 1, "x\ny": 2}))
    assert "\\x1b[2Ja\\u202e" in told
    assert "x\\ny" in told
