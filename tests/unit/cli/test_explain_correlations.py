"""`sigmac explain` of correlations: the groups that came near, one event in its groups, as text and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sigmac.cli import app
from sigmac.compiler.meaning import nearest_groups
from tests.unit.cli.conftest import on_a_terminal

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "correlation-vectors.yml"
RULES = """
title: Failed Logon
name: failed
logsource: {category: test}
detection: {s: {id: 4625}, condition: s}
---
title: Logon
name: logon
logsource: {category: test}
detection: {s: {id: 4624}, condition: s}
---
title: Known scanners
logsource: {category: test}
filter:
  rules: [failed]
  s: {host: scanner}
  condition: not s
"""
MANY = """
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
"""
CHAIN = """
---
title: Brute Force, Then Logon
correlation:
  type: temporal_ordered
  rules: [many, logon]
  group-by: [user]
  timespan: 5m
"""
Event = dict[str, Any]
Explain = Callable[..., Result]


def event(number: int, second: int, user: Any = "bob", **others: Any) -> Event:
    time = f"2026-01-01T10:{second // 60:02}:{second % 60:02}Z"
    return {"time": time, "id": number, "user": user, **others}


def correlation(kind: str, rules: str, condition: str, *, more: str = "", span: str = "1m") -> str:
    """A document that is called `it`."""
    asked = f", condition: {condition}" if condition else ""
    return (
        f"\n---\ntitle: It\nname: it\ncorrelation: "
        f"{{type: {kind}, rules: {rules}, group-by: user, timespan: {span}{asked}{more}}}\n"
    )


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    """Runs it over documents and events; the correlation is that of the name or title `which`."""

    def run(documents: str, events: Sequence[Any], which: str, *options: str) -> Result:
        (tmp_path / "rules.yml").write_text(RULES + documents, "utf-8")
        lines = (each if isinstance(each, str) else json.dumps(each) for each in events)
        (tmp_path / "events.ndjson").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        rule, file = f"{tmp_path}/rules.yml#{which}", f"{tmp_path}/events.ndjson"
        return CliRunner().invoke(app, ["explain", rule, file, *options])

    return run


def lines(done: Result) -> list[str]:
    assert done.exit_code == 0, done.output
    return [line.rstrip() for line in done.stdout.splitlines()]


def told(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["correlations"]
    return dict(found)


# One event


def test_an_event_is_shown_in_its_window(explain: Explain) -> None:
    events = [event(4625, 30), event(4625, 10), event(1, 12), event(4625, 120)]
    assert lines(explain(MANY, events, "many", "--position", "0")) == [
        "no   Many Failed Logons   event_count, 1m   event 0",
        "     yes  failed   event 0",
        "       yes  filter Known scanners",
        "     group    user = bob",
        "     window   2026-01-01 09:59:30.000000 to 10:00:30.000000, 2 hits: events 1, 0",
        "     hit      event 1  10:00:10.000000  failed",
        "     hit      event 0  10:00:30.000000  failed",
        "     value    2:  gte 3  no",
        "     edge     false",
        "     missing  1 more hit: 2 of 3",
    ]


def test_the_edge_tells_an_alert_from_what_stays_true(explain: Explain) -> None:
    events = [event(4625, second) for second in (1, 2, 3, 4)]
    edges = [
        lines(explain(MANY, [*events, event(4624, 5)], "many", "--position", str(n)))[-1].strip()
        for n in (2, 3, 4)
    ]
    assert edges == [
        "edge     alert",
        "edge     true since event 2, no new alert",
        "edge     not tested",
    ]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"id": 4625, "time": 1}, "group    user is absent"),
        (event(4625, 1, ["b", "a"]), "group    user has 2 values: a, b"),
        (event(4625, 1, {"name": "bob"}), "group    user has no value"),
        (
            {"id": 4625, "user": "bob", "time": "soon"},
            "time     no timestamp in time, when",
        ),
    ],
    ids=["absent", "two", "object", "no time"],
)
def test_why_an_event_is_no_hit(explain: Explain, given: Event, line: str) -> None:
    options = ("--position", "0", "--timestamp-field", "time", "--timestamp-field", "when")
    assert lines(explain(MANY, [given], "many", *options)) == [
        "no   Many Failed Logons   event_count, 1m   event 0",
        "     yes  failed   event 0",
        "       yes  filter Known scanners",
        f"     {line}",
        "     edge     not tested",
    ]


def test_a_filter_that_takes_an_event_out_is_a_branch(explain: Explain) -> None:
    given = event(4625, 1, host="scanner")
    assert lines(explain(MANY, [given], "many", "--position", "0"))[1:4] == [
        "     no   failed",
        "       yes  condition s",
        "       no   filter Known scanners",
    ]


def test_a_late_hit_is_set_aside_and_the_third_begins_anew(explain: Explain) -> None:
    events = [event(4625, 200), *(event(4625, second) for second in (100, 101, 102))]
    arrival = ("--correlation-order", "arrival")
    first = lines(explain(MANY, events, "many", *arrival, "--position", "1"))
    assert first[4:] == [
        "     late     late by 40 s, set aside (1 in a row)",
        "     window   2026-01-01 10:02:20.000000 to 10:03:20.000000, 1 hit: event 0",
        "     hit      event 0  10:03:20.000000  failed",
        "     edge     not tested",
    ]
    third = lines(explain(MANY, events, "many", *arrival, "--position", "3"))
    assert third[4:6] == [
        "     restart  begun anew, as three events in a row came too late",
        "     window   2026-01-01 10:00:42.000000 to 10:01:42.000000, 3 hits: events 1, 2, 3",
    ]
    assert third[-1] == "     edge     alert"
    # In the order of time nothing is late.
    assert "late" not in explain(MANY, events, "many", "--position", "1").stdout


def test_each_threshold_has_its_truth_and_hits_their_values(explain: Explain) -> None:
    given = correlation("value_sum", "failed", "{field: n, gte: 10, lt: 20}")
    events = [event(4625, 1, n=4), event(4625, 2, n=[2.5, "1"]), event(4625, 3, n="many")]
    assert lines(explain(given, events, "it", "--position", "1"))[3:] == [
        "     group    user = bob",
        "     window   2026-01-01 09:59:02.000000 to 10:00:02.000000, 2 hits: events 0, 1",
        "     hit      event 0  10:00:01.000000  failed  4",
        "     hit      event 1  10:00:02.000000  failed  2.5, 1",
        "     value    7.5:  gte 10  no, lt 20  yes",
        "     edge     false",
        "     missing  7.5 is not gte 10",
    ]
    assert "     field    n has no number" in lines(explain(given, events, "it", "--position", "2"))


def test_tuples_of_fields_and_the_field_that_an_alias_reads(explain: Explain) -> None:
    aliases = ", aliases: {user: {failed: account}}"
    given = correlation("value_count", "failed", "{field: [n, m], gte: 2}", more=aliases)
    events = [event(4625, 1, account="eve", n=4, m="x"), event(4625, 2, account="eve", n=4)]
    first = lines(explain(given, events, "it", "--position", "0"))
    assert "     group    user = eve (account)" in first
    assert '     hit      event 0  10:00:01.000000  failed  ("4", "x")' in first
    assert "     missing  1 more value: 1 of 2" in first
    assert "     field    m is absent" in lines(explain(given, events, "it", "--position", "1"))


def test_an_order_is_shown_step_by_step(explain: Explain) -> None:
    given = correlation("temporal_ordered", "[failed, logon, failed]", "")
    events = [event(4625, 1), event(4624, 2)]
    assert lines(explain(given, events, "it", "--position", "1"))[-6:] == [
        "     yes  step failed   event 0",
        "     yes  step logon   event 1",
        "     no   step failed   event 0 out of order",
        "     value    2:  all 3 steps  no",
        "     edge     false",
        "     missing  failed is seen at event 0, not where the order asks for it",
    ]
    shown = lines(explain(given, [event(4624, 1)], "it", "--position", "0"))
    assert shown[-1] == "     missing  failed is not seen"


def test_a_condition_in_words_is_a_tree(explain: Explain) -> None:
    given = correlation("temporal", "[failed, logon]", "failed and not logon")
    events = [event(4624, 1), event(4625, 2)]
    assert lines(explain(given, events, "it", "--position", "1"))[-6:] == [
        "     no   and",
        "       yes  failed",
        "       no   not",
        "         yes  logon",
        "     edge     false",
        "     missing  logon is seen, last at event 0",
    ]
    # A hit of what must not be is no test.
    assert lines(explain(given, events, "it", "--position", "0"))[-1] == "     edge     not tested"


def test_all_rules_of_a_temporal_one_are_asked_for(explain: Explain) -> None:
    given = correlation("temporal", "[failed, logon]", "")
    assert lines(explain(given, [event(4624, 1)], "it", "--position", "0"))[-5:] == [
        "     no   seen failed",
        "     yes  seen logon",
        "     value    1:  all 2 rules  no",
        "     edge     false",
        "     missing  failed is not seen",
    ]


def test_a_child_has_its_own_lines(explain: Explain) -> None:
    events = [event(4625, second) for second in (1, 2, 3)]
    shown = lines(explain(MANY + CHAIN, events, "Brute Force, Then Logon", "--position", "2"))
    assert shown == [
        "no   Brute Force, Then Logon   temporal_ordered, 5m   event 2",
        "     yes  Many Failed Logons   event_count, 1m   event 2",
        "          yes  failed   event 2",
        "            yes  filter Known scanners",
        "          group    user = bob",
        "          window   2026-01-01 09:59:03.000000 to 10:00:03.000000, 3 hits: events 0, 1, 2",
        "          hit      event 0  10:00:01.000000  failed",
        "          hit      event 1  10:00:02.000000  failed",
        "          hit      event 2  10:00:03.000000  failed",
        "          value    3:  gte 3  yes",
        "          edge     alert",
        "     no   logon",
        "       no   condition s",
        "     group    user = bob",
        "     window   2026-01-01 09:55:03.000000 to 10:00:03.000000, 1 hit: event 2",
        "     hit      event 2  10:00:03.000000  many",
        "     yes  step many   event 2",
        "     no   step logon",
        "     value    1:  all 2 steps  no",
        "     edge     false",
        "     missing  logon is not seen",
    ]


def test_a_long_window_shows_its_newest_hits(explain: Explain) -> None:
    events = [event(4625, second) for second in range(30)]
    shown = lines(explain(MANY, events, "many", "--position", "29"))
    (window,) = [line for line in shown if line.startswith("     window")]
    assert window.endswith(
        "30 hits: events " + ", ".join(map(str, range(10, 30))) + " and 10 older"
    )
    assert sum(line.startswith("     hit ") for line in shown) == 20


# All events


def test_the_groups_that_came_near_and_what_was_missing(explain: Explain) -> None:
    events = [
        *(event(4625, second) for second in (10, 20, 30)),
        event(4625, 26, "ann"),
        event(4625, 80, "ann"),
        event(4625, 100, "ann"),
        event(4625, 25, "eve"),
        {"id": 4625, "user": "joe"},
        event(4625, 27, ["a", "b"]),
        event(4625, 28, ["c", "d"]),
    ]
    head, bob, ann, eve = explain(MANY, events, "many").stdout.split("\n\n")
    fields = "@timestamp, timestamp, TimeCreated_SystemTime, TimeCreated, SystemTime, …"
    assert head.splitlines() == [
        "yes  Many Failed Logons   event_count, 1m",
        "     yes  failed   9 events",
        "     events   7 hits in 3 groups, 1 alert",
        f"     no hit   no timestamp in {fields}: event 7",
        "     no hit   user has several values: events 8, 9",
    ]
    assert bob.splitlines()[0] == "yes  Many Failed Logons   event_count, 1m   3 hits, 1 alert"
    assert bob.splitlines()[-1] == "     edge     alert"
    assert ann.splitlines()[-5:] == [
        "     value    2:  gte 3  no",
        "     edge     false",
        "     missing  1 more hit: 2 of 3",
        "     missing  within 74s it would be true, at event 5; the timespan is 1m",
        "     outside  event 3  2026-01-01 10:00:26.000000  failed  14 s before the window",
    ]
    assert eve.splitlines()[-1] == "     missing  2 more hits: 1 of 3"


def test_of_many_groups_the_most_telling_are_shown(explain: Explain) -> None:
    events = [event(4625, i, f"u{i % 20}") for i in range(30)]
    events += [event(4625, 60 + i, f"v{i % 2}") for i in range(6)]
    shown = explain(MANY, events, "many", "--groups", "3").stdout.split("\n\n")
    assert "; 3 of them shown" in shown[0]
    groups = [
        line.split()[-1] for block in shown for line in block.splitlines() if "group " in line
    ]
    assert (groups[:2], groups[2] in {f"u{i}" for i in range(10)}) == (["v0", "v1"], True)


def test_groups_beyond_a_bound_are_forgotten_and_told(
    explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [event(4625, second, f"u{second // 2}") for second in range(8)]
    done = explain(MANY, events, "many", "--max-groups", "1")
    assert "8 hits in 4 groups, no alert, 3 groups forgotten" in done.stdout
    # Of what is noted of groups the nearer half stays.
    monkeypatch.setattr(nearest_groups, "MAX_NOTED", 2)
    done = explain(MANY, [*(event(4625, s) for s in range(3)), *events], "many", "--groups", "1")
    assert "group    user = bob" in done.stdout


def test_it_is_told_what_hits_were_late(explain: Explain) -> None:
    events = [event(4625, 200), event(4625, 100), event(4625, 201)]
    done = explain(MANY, events, "many", "--correlation-order", "arrival")
    assert "2 hits in 1 group, no alert, 1 too late" in done.stdout
    assert lines(done)[-1].endswith("event 1  2026-01-01 10:01:40.000000  failed  late by 40 s")


def test_a_chain_without_hits_says_which_part_never_was(explain: Explain) -> None:
    done = explain(MANY + CHAIN, [event(4625, 1)], "Brute Force, Then Logon")
    assert lines(done) == [
        "no   Brute Force, Then Logon   temporal_ordered, 5m",
        "     no   many   0 events",
        "     no   logon   0 events",
        "     events   0 hits in 0 groups, no alert",
    ]


def test_the_json_form_of_an_event(explain: Explain) -> None:
    events = [event(4625, 10), event(4625, 30)]
    made = told(explain(MANY, events, "many", "--position", "1", "--format", "json"))
    assert made.pop("source")["line"] == 20
    asked = {"name": "user", "fields": ["user"], "present": True, "count": 1, "texts": ["bob"]}
    assert made == {
        "correlation": {
            "id": None,
            "name": "many",
            "title": "Many Failed Logons",
            "level": "medium",
            "type": "event_count",
            "timespan": 60,
        },
        "event": 1,
        "time": "2026-01-01T10:00:30.000000Z",
        "matched": False,
        "references": [
            {
                "rule": "failed",
                "matched": True,
                "variants": [
                    {
                        "name": None,
                        "matched": True,
                        "conditions": [{"condition": "s", "matched": True}],
                        "filters": [{"id": None, "title": "Known scanners", "matched": True}],
                    }
                ],
            }
        ],
        "problems": [],
        "groups": [
            {
                "group": {"user": "bob"},
                "names": [asked],
                "late": None,
                "restarted": False,
                "window": {
                    "from": "2026-01-01T09:59:30.000000Z",
                    "to": "2026-01-01T10:00:30.000000Z",
                },
                "count": 2,
                "hits": [
                    {
                        "event": number,
                        "time": f"2026-01-01T10:00:{second}.000000Z",
                        "rules": ["failed"],
                        "values": [],
                    }
                    for number, second in ((0, 10), (1, 30))
                ],
                "value": 2,
                "thresholds": [{"operator": "gte", "number": 3, "matched": False}],
                "rules": [],
                "steps": [],
                "term": None,
                "edge": "false",
                "since": None,
                "missing": [{"kind": "count", "text": "1 more hit: 2 of 3"}],
            }
        ],
    }


def test_the_json_form_of_all_events(explain: Explain) -> None:
    events = [event(4625, 26), event(4625, 80), event(4625, 100), event(4625, 3, None)]
    made = told(explain(MANY, events, "many", "--format", "json"))
    (near,) = made.pop("nearest")
    assert made.pop("correlation")["title"] == "Many Failed Logons"
    assert made.pop("source")["line"] == 20
    assert made == {
        "matched": False,
        "references": [{"rule": "failed", "events": 4}],
        "hits": 3,
        "groups": 1,
        "alerts": 0,
        "no_group": 1,
        "no_value": 0,
        "late": 0,
        "restarts": 0,
        "evicted_groups": 0,
        "evicted_hits": 0,
        "not_hits": [
            {"reason": "no_group", "text": "user has no value", "count": 1, "events": [3]}
        ],
    }
    moment = near.pop("moment")
    assert (moment["event"], moment["groups"][0]["edge"]) == (2, "false")
    assert [each["kind"] for each in near.pop("missing")] == ["count", "time"]
    assert near == {
        "alerts": 0,
        "hits": 3,
        "late": 0,
        "outside": [
            {
                "event": 0,
                "time": "2026-01-01T10:00:26.000000Z",
                "rules": ["failed"],
                "values": [],
                "where": "before",
                "seconds": 14.0,
            }
        ],
    }


def keys_of(value: Any, name: str = "") -> set[str]:
    if isinstance(value, dict):
        own = set() if name == "group" else set(value)
        return own.union(*(keys_of(child, key) for key, child in value.items()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_every_key_is_described(explain: Explain) -> None:
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text("utf-8")
    described = set(re.findall(r"\w+", page.partition("## `--format json`")[2]))
    documents = MANY + CHAIN + correlation("temporal", "[failed, logon]", "failed and not logon")
    events = [*(event(4625, second) for second in (1, 2, 3)), event(4624, 900), {"id": 4625}]
    given: set[str] = set()
    for which in ("Brute Force, Then Logon", "it"):
        for options in ((), ("--position", "2"), ("--position", "4")):
            given |= keys_of(told(explain(documents, events, which, "--format", "json", *options)))
    assert given > {"nearest", "outside", "elsewhere", "term", "problems", "child"}
    assert given - described == set()


# Input


def test_a_file_of_rules_and_correlations_explains_what_fits_the_events(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES + MANY, "utf-8")
    (tmp_path / "events.ndjson").write_text(
        "".join(f"{json.dumps(event(4625, i))}\n" for i in range(3)), "utf-8"
    )
    rules, events = f"{tmp_path}/rules.yml", f"{tmp_path}/events.ndjson"

    def kinds(*arguments: str) -> tuple[int, int, str]:
        done = CliRunner().invoke(app, ["explain", rules, *arguments, "--format", "json"])
        assert done.exit_code == 0, done.output
        made = json.loads(done.stdout)
        return len(made["rules"]), len(made["correlations"]), done.stderr

    assert kinds(json.dumps(event(4625, 1)))[:2] == (2, 0)
    assert kinds(events, "--position", "1") == (2, 1, "")
    number, correlations, said = kinds(events)
    assert (number, correlations) == (0, 1)
    assert "only correlations are explained; 2 others are not: --position N is for all" in said


def test_rules_of_a_correlation_may_stand_in_other_files(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    (tmp_path / "many.yml").write_text(MANY.replace("---", ""), "utf-8")
    given = ["explain", f"{tmp_path}/many.yml", json.dumps(event(4625, 1))]
    alone = CliRunner().invoke(app, given)
    assert alone.exit_code == 1
    assert "no rule has the id or name `failed` [E_REFERENCE]" in alone.stderr
    done = CliRunner().invoke(app, [*given, "--with", f"{tmp_path}/rules.yml"])
    assert "1 hit in 1 group, no alert" in "\n".join(lines(done))


def test_faulty_records_are_told_and_the_others_are_explained(explain: Explain) -> None:
    deep = '{"a": ' + "[" * 500 + "]" * 500 + "}"
    done = explain(MANY, ["no", "", deep, event(4625, 1), "[]"], "many")
    assert done.exit_code == 1
    assert "1 hit in 1 group" in done.stdout
    assert [line.split(".ndjson:")[1][:8] for line in done.stderr.splitlines()] == [
        "1: not J",
        "3: the e",
        "5: not a",
    ]


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ("1", "line 2, which has the position 1, is no event"),
        ("9", "there is no position 9; it has 2 lines"),
    ],
)
def test_a_position_without_an_event_is_one_line(
    explain: Explain, position: str, message: str
) -> None:
    for which in ("many", "failed"):
        done = explain(MANY, [event(4625, 1), ""], which, "--position", position)
        assert (done.exit_code, done.stdout) == (1, "")
        assert str(done.exception).endswith(f"events.ndjson: {message}")


def test_the_line_of_a_file_is_chosen_for_a_rule_too(explain: Explain) -> None:
    done = explain(MANY, [event(1, 1), event(4625, 1)], "failed", "--position", "1")
    assert done.stdout.startswith("yes  Failed Logon")


def test_hostile_text_is_shown_and_not_obeyed(explain: Explain) -> None:
    title = '"\\e]0;owned\\a \\u202e"'
    done = explain(
        MANY.replace("Many Failed Logons", title),
        [event(4625, 1, "x\u001b[2J" + "y" * 500)],
        "many",
    )
    assert [line for line in done.stdout.splitlines() if not line.isprintable()] == []
    assert "user = x\\x1b[2Jyyy" in done.stdout
    assert "yyy… (505 characters)" in done.stdout


def test_a_terminal_shows_a_tree(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES + MANY, "utf-8")
    given = json.dumps(event(4625, 1))
    shown = on_a_terminal("explain", f"{tmp_path}/rules.yml#many", given, NO_COLOR="1")
    assert "✗ Many Failed Logons" in shown
    assert "── ✓ failed" in shown
    assert "── value    1:  gte 3  no" in shown


# What is told is what the engine does


VECTORS = (
    yaml.load(CORPUS.read_text(encoding="utf-8"), yaml.CSafeLoader) if CORPUS.is_file() else []
)


def options_of(vector: dict[str, Any], folder: Path) -> list[str]:
    options = ["--format", "json", "--correlation-order", vector.get("order", "time")]
    for name in vector.get("timestamp_fields", ()):
        options += ["--timestamp-field", name]
    for name, number in vector.get("limits", {}).items():
        options += [f"--max-{name}", str(number)]
    if "pipeline" in vector:
        (folder / "pipeline.yml").write_text(vector["pipeline"], "utf-8")
        options += ["-p", str(folder / "pipeline.yml")]
    return options


@pytest.mark.skipif(not VECTORS, reason="the vectors of correlations are not there")
def test_every_alert_of_the_vectors_is_told(tmp_path: Path) -> None:
    compared = 0
    for vector in VECTORS:
        if "correlation" not in vector["rules"]:
            continue
        (tmp_path / "rules.yml").write_text(vector["rules"], "utf-8")
        text = "".join(f"{json.dumps(each)}\n" for each in vector["events"])
        (tmp_path / "events.ndjson").write_text(text, "utf-8")
        given = ["explain", f"{tmp_path}/rules.yml", f"{tmp_path}/events.ndjson"]
        given += options_of(vector, tmp_path)
        for alert in vector["expect"]:
            at = ["--position", str(alert["at"])]
            made = json.loads(CliRunner().invoke(app, [*given, *at]).stdout)["correlations"]
            (group,) = [
                group
                for each in made
                if each["correlation"]["title"] == alert["rule"]
                for group in each["groups"]
                if group["group"] == alert["group"] and group["edge"] == "alert"
            ]
            shown = [hit["event"] for hit in group["hits"]]
            told_of = (group["count"], group["value"], shown)
            expected = (alert["count"], alert["value"], alert["events"][-20:])
            assert told_of == expected, (vector["name"], alert)
            compared += 1
        if len(vector["events"]) > 1:
            counts = json.loads(CliRunner().invoke(app, given).stdout)["correlations"]
            for name, number in vector.get("counters", {}).items():
                if name not in ("no_time", "malformed"):
                    assert sum(each[name] for each in counts) == number, (vector["name"], name)
    assert compared > 100
