"""`sigmac explain` over several events, from a pack, and as a picture, as its users see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sigmac.cli import app

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = {"User": "NT AUTHORITY\\SYSTEM", "Image": "C:\\Windows\\whoami.exe"}
TITLE = "Whoami Run As SYSTEM"


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def made(*arguments: str | Path) -> dict[str, Any]:
    done = explain(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two files of events in a folder, one of them of another format."""
    folder = tmp_path / "logs"
    folder.mkdir()
    events = [
        {"Image": "C:\\cmd.exe", "User": SYSTEM["User"]},
        {"Image": SYSTEM["Image"], "user": "anna"},
        SYSTEM,
        {"Image": SYSTEM["Image"], "user": "bob"},
    ]
    (folder / "a.ndjson").write_text("".join(f"{json.dumps(each)}\n" for each in events))
    (folder / "b.csv").write_text("Image,User\nC:\\net.exe,SYSTEM AUTHORITY\n")
    return folder


def test_several_events_show_what_a_rule_lacks(rule_file: Path, logs: Path) -> None:
    done = explain(f"{rule_file}#{TITLE}", logs / "a.ndjson")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        f"""\
yes  Whoami Run As SYSTEM (high)  {rule_file}:2:1   4 events, 1 match: event 2
     yes  selection_user  line 12   true of 2 events
       yes  User|contains   true of 2, absent in 2
     yes  selection_image  line 14   true of 3 events
       yes  Image|endswith   true of 3
       no   OriginalFileName   true of 0, absent in 4
     no   filter_known  line 17   true of 0 events
       no   ParentImage   true of 0, absent in 4

2 events lack 1 item: events 1, 3
  no   selection_user: User|contains  contains "AUTHORI" or contains "AUTORI"
          2  absent; did you mean user?

1 event lacks 1 item: event 0
  no   selection_image: Image|endswith  ends with "\\whoami.exe"
          1  "C:\\cmd.exe"
"""
    )
    done = explain(f"{rule_file}#{TITLE}", logs, "--misses", "1")
    a, b = logs / "a.ndjson", logs / "b.csv"
    assert f"5 events, 1 match: event {a} 2" in done.stdout
    assert f"2 events lack 1 item: events {a} 0, {b} 1" in done.stdout
    assert done.stdout.endswith("2 events in 1 other way: --misses N shows more\n")


def test_several_events_as_json(rule_file: Path, logs: Path) -> None:
    found = made(f"{rule_file}#{TITLE}", logs)
    assert (found["rules"], found["correlations"]) == ([], [])
    (rule,) = found["misses"]
    assert (rule["rule"]["title"], rule["events"], rule["matched"]) == (TITLE, 5, 1)
    assert rule["first"] == [{"name": str(logs / "a.ndjson"), "position": 2}]
    assert [(each["name"], each["matched"]) for each in rule["selections"]] == [
        ("selection_user", 3),
        ("selection_image", 3),
        ("filter_known", 0),
    ]
    image, user = rule["nearest"]
    assert (image["events"], user["events"]) == (2, 2)
    (lack,) = user["lacks"]
    assert (lack["selection"], lack["field"], lack["wanted"]) == ("selection_user", "User", True)
    assert (lack["absent"], lack["did_you_mean"], lack["values"]) == (2, "user", [])
    (lack,) = image["lacks"]
    assert lack["values"] == [
        {"type": "string", "text": text, "count": 1} for text in ("C:\\cmd.exe", "C:\\net.exe")
    ]
    assert rule["others"] == {"ways": 0, "events": 0}


def test_one_event_as_json_names_the_nearest_field(rule_file: Path) -> None:
    event = json.dumps({"user": "x", "Image": "y"})
    (rule,) = made(f"{rule_file}#{TITLE}", event)["rules"]
    found = {
        item["field"]: item["event"].get("nearest", "-")
        for selection in rule["variants"][0]["selections"]
        for item in selection["detection"].get("all_of", ())
    }
    assert found == {"User": "user", "ParentImage": None}


def test_a_rule_of_a_pack_is_explained_from_its_code(built: Path, rule_file: Path) -> None:
    event = json.dumps({"Channel": "Security", "EventID": 4688, "NewProcessName": "whoami.exe"})
    done = explain(f"{built}#80167ada-7a12-41ed-b8e9-aa47195c66a1", event)
    assert (done.exit_code, done.stderr) == (0, "")
    title, condition, *_ = done.stdout.splitlines()
    assert title.startswith(f"no   {TITLE} (high)  {built}/conditions.py:")
    assert condition == "  no   variant windows"
    assert "  no   variant audit\n    no   condition logsource and " in done.stdout
    assert '      yes  Channel: "Security"' in done.stdout
    assert "      no   SubjectUserName|contains: absent" in done.stdout
    (rule,) = made(f"{built}#admin_one", '{"uid": 0}')["rules"]
    assert (rule["rule"]["id"], rule["matched"]) == ("3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10", True)


@pytest.mark.parametrize(
    ("given", "options", "status", "said"),
    [
        ("#Nothing", [], 1, "no rule has the id or title `Nothing`; `sigmac inspect --rules`"),
        ("#Admin # two", [], 1, "did you mean `Admin # one`?"),
        ("", [], 1, "is a folder; name one rule file, or a rule of a pack as PACK#ID"),
        ("#admin_one", ["-p", "windows"], 2, "Invalid value for --pipeline: a pack was built"),
        ("#admin_one", ["--placeholder", "a=b"], 2, "Invalid value for --placeholder: a pack"),
        ("#admin_one", ["--with", "x"], 2, "Invalid value for --with: a pack was built"),
    ],
)
def test_what_is_no_rule_of_a_pack_is_told(
    built: Path, given: str, options: list[str], status: int, said: str
) -> None:
    done = explain(f"{built}{given}", "{}", *options)
    assert (done.exit_code, done.stdout) == (status, "")
    assert said in f"{done.stderr}{done.exception}"


def test_a_correlation_of_a_pack_is_what_its_document_is(tmp_path: Path) -> None:
    rules, events = ROOT / "rules" / "logons", ROOT / "rules" / "events" / "logons.ndjson"
    pack = tmp_path / "pack"
    given = ["build", str(rules), "-o", str(pack), "-p", "windows"]
    assert CliRunner().invoke(app, given).exit_code == 0
    for file, name in (
        ("guessed_password.yml", "Guessed Password"),
        ("many_failed_logons.yml", "1D0B7F6C-55b2-4d0f-8f0a-3a8f7a6a2e37"),
    ):
        (packed,) = made(f"{pack}#{name}", events)["correlations"]
        (own,) = made(rules / file, events, "--with", rules, "-p", "windows")["correlations"]
        assert packed["source"]["file"] == f"logons/{file}:1"
        assert packed["matched"] is True
        for key in ("matched", "hits", "groups", "alerts", "no_group", "not_hits"):
            assert packed[key] == own[key], key
        assert [each["events"] for each in packed["references"]] == [
            each["events"] for each in own["references"]
        ]
        told = [[each["moment"]["event"], each["alerts"]] for each in packed["nearest"]]
        assert told == [[each["moment"]["event"], each["alerts"]] for each in own["nearest"]]


def test_a_pack_that_was_changed_is_not_explained(pack: Path) -> None:
    code = pack / "conditions.py"
    code.write_text(code.read_text() + "\n")
    done = explain(f"{pack}#admin_one", "{}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "conditions.py was changed after the build" in str(done.exception)


def test_pictures(rule_file: Path, tmp_path: Path) -> None:
    event = json.dumps(SYSTEM)
    chart = explain(f"{rule_file}#{TITLE}", event, "--format", "mermaid")
    assert chart.exit_code == 0
    assert chart.stdout.startswith("flowchart LR\n")
    assert '["✓ User#124;contains#58; #34;NT AUTHORITY#92;SYSTEM#34;"]:::yes' in chart.stdout
    page = explain(rule_file, event, "--format", "html")
    assert page.exit_code == 0
    assert page.stdout.count('<section class="picture">') == 2
    several = explain(rule_file, "-", "--format", "html")
    assert several.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["LOGS", "--format", "mermaid"], "a picture is of a rule over one event"),
        (["LOGS", "--position", "0"], "give one input, in which it is a position"),
        (["{}", "LOGS"], "give files, or one event as JSON"),
        (["LOGS", "--input-format", "csw"], "there is no format `csw`; did you mean `csv`?"),
        (["{}", "--trusted-key", "RULES"], "a rule file is no pack, and nobody signed it"),
    ],
)
def test_mistakes_are_told(rule_file: Path, logs: Path, arguments: list[str], said: str) -> None:
    known = {"LOGS": str(logs), "RULES": str(rule_file)}
    given = [known.get(each, each) for each in arguments]
    done = explain(f"{rule_file}#{TITLE}", *given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_records_that_are_none_are_told_and_the_others_count(
    rule_file: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text('{"User": "x"}\nno\n{"User": "y"}\n[]\n')
    done = explain(f"{rule_file}#{TITLE}", events)
    assert done.exit_code == 1
    assert "2 events, no match" in done.stdout
    assert [line.split(".ndjson:")[1][:2] for line in done.stderr.splitlines()] == ["2:", "4:"]


def test_what_is_no_event_is_told_once(rule_file: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("no\n" * 3 + '{"uid": 0}\n')
    done = explain(rule_file, events, "--position", "3")
    assert "yes  Admin # one" in done.stdout
    assert "Many Admins" in done.stdout
    assert [line.split(".ndjson:")[1][:2] for line in done.stderr.splitlines()] == [
        "1:",
        "2:",
        "3:",
    ]


def test_standard_input_is_read_once(rule_file: Path) -> None:
    lines = "".join(f"{json.dumps(each)}\n" for each in (SYSTEM, {"User": "x"}, {}))
    given = ["explain", f"{rule_file}#{TITLE}", "-"]
    done = CliRunner().invoke(app, given, input=lines)
    assert "3 events, 1 match: event 0" in done.stdout
    one = CliRunner().invoke(app, given, input=json.dumps(SYSTEM, indent=1))
    assert one.stdout.startswith(f"yes  {TITLE} (high)")
