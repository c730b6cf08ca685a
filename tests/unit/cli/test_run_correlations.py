"""Alerts of correlations in `sigmac run`: in the order of time and of arrival, from files and pipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run

RULES = """
title: Failed Logon
name: failed
level: low
logsource: {category: test}
detection: {s: {id: 4625}, condition: s}
---
title: Logon
name: logon
level: informational
logsource: {category: test}
detection: {s: {id: 4624}, condition: s}
---
title: Many Failed Logons
name: many
level: medium
correlation:
  type: event_count
  rules: failed
  group-by: [user]
  timespan: 1m
  condition: {gte: 3}
---
title: Brute Force, Then Logon
level: high
tags: [attack.t1110]
correlation:
  type: temporal_ordered
  rules: [many, logon]
  group-by: [user]
  timespan: 5m
"""


def event(number: int, second: int, user: str = "bob") -> dict[str, Any]:
    return {
        "time": f"2026-01-01T10:{second // 60:02}:{second % 60:02}Z",
        "id": number,
        "user": user,
    }


EVENTS = [
    event(4625, 30),
    event(4625, 10),
    event(4624, 40),  # line 2: the logon that makes it true, before the third failure in the file
    event(4625, 20),
    event(4625, 25, "eve"),
    {"id": 4625, "user": "joe"},
    {"id": 1, "user": "joe"},
]


@pytest.fixture
def pack(sigmac: Run, tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    done = sigmac("build", tmp_path / "rules.yml", "-o", tmp_path / "pack")
    assert done.returncode == 0
    assert (
        "2 rules (2 silent, as they count for correlations), 2 correlations from 1 file"
        in done.stderr
    )
    return tmp_path / "pack"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def written(folder: Path, events: list[dict[str, Any]], name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in events), "utf-8")
    return path


def test_alerts_in_the_order_of_time(sigmac: Run, pack: Path, tmp_path: Path) -> None:
    events = written(tmp_path, EVENTS)
    done = sigmac("run", pack, events)
    assert done.returncode == 0
    (alert,) = lines(done.stdout)
    assert alert == {
        "rule": {
            "id": None,
            "title": "Brute Force, Then Logon",
            "level": "high",
            "tags": ["attack.t1110"],
        },
        "source": {"name": str(events), "position": 2},
        "correlation": {
            "type": "temporal_ordered",
            "timespan": 300,
            "group": {"user": "bob"},
            "value": 2,
            "first": "2026-01-01T10:00:30.000000Z",
            "last": "2026-01-01T10:00:40.000000Z",
            "count": 2,
            "events": [
                {"name": str(events), "position": 0},
                {"name": str(events), "position": 2},
            ],
        },
        "event": EVENTS[2],
    }
    assert "1 alert of 1 correlation\n        1  Brute Force, Then Logon\n" in done.stderr
    assert "1 hit without a time (--timestamp-field)\n" in done.stderr


def test_as_they_come_a_late_event_makes_the_alert(sigmac: Run, pack: Path, tmp_path: Path) -> None:
    events = written(tmp_path, EVENTS)
    (alert,) = lines(sigmac("run", pack, events, "--correlation-order", "arrival").stdout)
    assert alert["source"]["position"] == 3
    assert alert["correlation"]["first"] == "2026-01-01T10:00:20.000000Z"
    sorted_events = sorted(EVENTS[:5], key=lambda each: str(each["time"]))
    text = "".join(json.dumps(each) + "\n" for each in sorted_events)
    (alert,) = lines(sigmac("run", pack, "-", "--no-event", stdin=text).stdout)
    assert alert["source"] == {"name": "-", "position": 4}
    assert "event" not in alert


def test_several_files_are_one_history(sigmac: Run, pack: Path, tmp_path: Path) -> None:
    first = written(tmp_path, EVENTS[2:], "a.ndjson")
    second = written(tmp_path, EVENTS[:2], "b.ndjson")
    (alert,) = lines(sigmac("run", pack, first, second).stdout)
    assert alert["source"] == {"name": str(first), "position": 0}
    assert alert["correlation"]["events"][0] == {"name": str(second), "position": 0}


def test_matches_and_alerts_stand_by_the_position_of_their_event(
    sigmac: Run, tmp_path: Path
) -> None:
    (tmp_path / "rules.yml").write_text(
        RULES.replace("{gte: 3}", "{gte: 3}\n  generate: true").replace(
            "timespan: 5m", "timespan: 5m\n  generate: true"
        ),
        "utf-8",
    )
    assert sigmac("build", tmp_path / "rules.yml", "-o", tmp_path / "pack").returncode == 0
    found = lines(sigmac("run", tmp_path / "pack", written(tmp_path, EVENTS)).stdout)
    assert [(each["source"]["position"], each["rule"]["title"]) for each in found] == [
        (0, "Failed Logon"),
        (0, "Many Failed Logons"),
        (1, "Failed Logon"),
        (2, "Logon"),
        (2, "Brute Force, Then Logon"),
        (3, "Failed Logon"),
        (4, "Failed Logon"),
        (5, "Failed Logon"),
    ]


def test_bounds_and_fields_are_options(sigmac: Run, pack: Path, tmp_path: Path) -> None:
    events = written(tmp_path, [{**each, "when": each.get("time"), "time": 0} for each in EVENTS])
    done = sigmac("run", pack, events, "--timestamp-field", "when", "--max-hits", "1")
    assert done.stdout == ""
    assert "Many Failed Logons: 2 hits forgotten" in done.stderr
    done = sigmac("run", pack, events, "--timestamp-field", "when", "--max-groups", "1")
    assert "Many Failed Logons: 2 groups forgotten" in done.stderr
    assert len(lines(sigmac("run", pack, events, "--timestamp-field", "when").stdout)) == 1
