"""The forms of results: what they hold, that they stream, and that hostile text stays text."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sigmac.cli import app
from sigmac.results.carried import NAMES
from sigmac.results.csv_form import safe_cell
from sigmac.results.details import Details
from sigmac.results.host_and_user import USERS, first_text
from sigmac.results.json_form import JsonArray, JsonLines
from sigmac.results.result import packed, unpacked
from sigmac.results.table_form import Table, Timeline
from sigmac.runtime import Pack


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, ["run", *map(str, arguments)], prog_name="sigmac")
    assert done.exit_code == 0, done.output
    return done


def test_an_array_has_the_objects_of_the_lines(pack_folder: Path, events: Path) -> None:
    lines = run(pack_folder, events).stdout
    array = run(pack_folder, events, "--output-format", "json").stdout
    assert json.loads(array) == [json.loads(line) for line in lines.splitlines()]
    assert array == "[\n" + ",\n".join(lines.splitlines()) + "\n]\n"
    nothing = run(
        pack_folder, events, "--output-format", "json", "--rule", "many*", "--level", "low"
    )
    assert json.loads(nothing.stdout) == []


def test_what_results_carry_on_request(pack_folder: Path, events: Path) -> None:
    plain = [json.loads(line) for line in run(pack_folder, events).stdout.splitlines()]
    done = run(pack_folder, events, "--with", ",".join(NAMES))
    rich = [json.loads(line) for line in done.stdout.splitlines()]
    first, alert = rich[0], rich[4]
    assert first["rule"]["logsource"] == {"product": "windows", "category": "process_creation"}
    assert re.fullmatch(r".*rules\.yml:\d+", first["rule"]["file"])
    assert first["rule"]["description"] == "It fetches files."
    assert first["rule"]["falsepositives"] == ["Updaters"]
    assert {name: first[name] for name in ("time", "host", "user")} == {
        "time": "2026-11-23T08:01:12.310000Z",
        "host": "ws07",
        "user": "CONTOSO\\anna",
    }
    assert list(first["fields"]) == ["Image", "CommandLine"]  # not what the filter asked
    assert (alert["time"], alert["fields"]) == (
        "2026-11-23T08:00:30.000000Z",
        {"TargetUserName": ["bob"]},
    )
    assert rich[5]["fields"] == {"keywords": ["needle"]}
    for each in rich:
        for name in ("time", "host", "user", "fields"):
            del each[name]
        for name in set(NAMES) & each["rule"].keys():
            del each["rule"][name]
    assert rich == plain  # nothing else has changed


def test_a_spreadsheet_gets_cells(pack_folder: Path, events: Path) -> None:
    done = run(pack_folder, events, "--output-format", "csv", "--with", "file,logsource")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["rule"] for row in rows][:2] == ["Certutil", "Logon Failed"]
    assert rows[0]["tags"] == "attack.command-and-control attack.t1105"
    assert rows[0]["logsource"] == "windows/process_creation"
    assert json.loads(rows[0]["fields"])["Image"] == "C:\\Windows\\certutil.exe"
    assert json.loads(rows[0]["event"])["Computer"] == "ws07"
    assert json.loads(rows[4]["correlation"])["count"] == 2
    assert len(done.stdout.splitlines()) == len(rows) + 1  # a line each
    assert done.stdout.replace("\n", "").isprintable()  # nothing that a terminal obeys
    assert json.loads(rows[5]["event"])["text"].endswith("\x1b[2J \u202e")
    head = run(pack_folder, events, "--output-format", "csv", "--no-event", "--explain").stdout
    assert head.splitlines()[0].endswith("fields,correlation,explanation")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", " =", "\r=", "＝", "\n@"])
def test_no_cell_is_a_formula(begin: str) -> None:
    assert safe_cell(f"{begin}cmd|' /C calc'!A1").startswith("'")
    assert safe_cell(f"a{begin}1").startswith("a")


def test_a_timeline_goes_by_time(pack_folder: Path, events: Path) -> None:
    shown = run(pack_folder, events, "--output-format", "timeline").stdout.splitlines()
    assert [line[:22].rstrip() for line in shown] == [
        "2026-11-23",
        "08:00:00.000  low",
        "08:00:30.000  high",
        "08:00:30.000  low",
        "08:00:30.000  critical",
        "08:01:12.310  high",
        "",
        "without a time",
        "              -",
    ]
    assert "[ws07 CONTOSO\\anna]  Image=C:\\Windows\\certutil.exe" in shown[5]


def test_terminals_show_hostile_text_and_wide_characters(pack: Pack) -> None:
    event = {
        "Image": "\x1b[2J\u202e\\certutil.exe",
        "CommandLine": " -urlcache \x07",
        "Computer": "机器" * 6,
    }
    piece = packed(0, b"{}", b"", json.dumps(event).encode())
    for color in (False, True):
        table = Table(Details(pack), ["user", "description"], width=100, color=color)
        row = table.shown([piece]).decode()
        assert "It fetches" in row
        assert "  机器机…  " in row
        assert row.replace("\x1b[31m", "").replace("\x1b[0m", "").rstrip("\n").isprintable()
    timeline = Timeline(Details(pack), color=False)
    assert timeline.shown([piece]) == b""
    assert b"".join(timeline.end()).decode().replace("\n", "").isprintable()


def test_a_row_is_written_as_it_comes(pack: Pack) -> None:
    piece = packed(0, b'{"name":"-","position":0}', b"", b"{}")
    for form in (
        JsonLines(Details(pack)),
        JsonArray(Details(pack)),
        Table(Details(pack), width=80, color=False),
    ):
        assert form.shown([piece])
        assert not form.shown([])


def test_a_piece_gives_its_parts_back() -> None:
    for key, more, event in ((0, b"", b""), (-1, b',"correlation":{}', b"{}"), (7, b"", b"{}")):
        assert unpacked(packed(key, b'{"name":"\\"event\\":"}', more, event)) == (
            *(key, b'{"name":"\\"event\\":"}', more, event),
        )


@pytest.mark.parametrize(
    ("event", "user"),
    [
        ({"User": "-", "user": {"name": "eve"}}, "eve"),
        ({"userIdentity": {"arn": "arn:aws:iam::1:root"}}, "arn:aws:iam::1:root"),
        ({"user": {"username": "system:admin"}}, "system:admin"),
        ({"User": 7, "user": "x" * 1000}, "x" * 255),
        ({}, None),
    ],
)
def test_whose_event_it_is(event: dict[str, object], user: str | None) -> None:
    assert first_text(event, USERS) == user


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--with", "tiem"], "there is no `tiem`; did you mean `time`?"),
        (["--output-format", "table", "--explain"], "a table has no explanations"),
        (["--output-format", "timeline", "--with", "file"], "a timeline has what it has"),
        (["--output-format", "xml"], "'xml' is not one of"),
    ],
)
def test_what_there_is_not_is_refused(
    options: list[str], says: str, pack_folder: Path, events: Path
) -> None:
    done = CliRunner().invoke(app, ["run", str(pack_folder), str(events), *options])
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())


def test_the_summary_counts_by_level_tactic_and_host(
    pack_folder: Path, events: Path, tmp_path: Path
) -> None:
    said = run(pack_folder, events).stderr
    assert said.endswith(
        "by level: critical 1, high 2, low 2, no level 1\n"
        "by tactic: credential-access 3, command-and-control 1\n"
        "by host: dc01 3, ws07 1, 机器 1\n"
    )
    many = tmp_path / "many.ndjson"
    many.write_text("".join(f'{{"host":"h{i}\\u001b","EventID":4625}}\n' for i in range(70)))
    said = run(pack_folder, many, "--no-event", "--exclude-rule", "many*").stderr
    assert "by host: h0\\x1b 1, h1\\x1b 1, h2\\x1b 1, h3\\x1b 1, h4\\x1b 1 and 65 more\n" in said
    assert "by host" not in run(pack_folder, many, "-q").stderr
