"""`sigmac test` as its users run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

RULE = r"""
title: Somebody Asks Who They Are
id: 80167ada-7a12-41ed-b8e9-aa47195c66a1
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\whoami.exe'}
  filter_agent: {ParentImage: 'C:\tools\agent.exe'}
  condition: selection and not filter_agent
"""
CASES = r"""
match:
  - why: at the console
    event: {Image: 'C:\whoami.exe'}
no_match:
  - why: the agent
    event: {Image: 'C:\whoami.exe', ParentImage: 'C:\tools\agent.exe'}
"""
COUNT = """
title: Failed
name: failed
logsource: {product: any}
detection: {selection: {EventID: 4625}, condition: selection}
---
title: Many Failed
correlation:
  type: event_count
  rules: failed
  group-by: [user]
  timespan: 1m
  condition: {gte: 2}
"""
SEQUENCES = """
match: [{event: {EventID: 4625}}]
---
sequences:
  - why: two of one user
    events:
      - {at: 0s, event: {EventID: 4625, user: 7}}
      - {at: 1s, event: {EventID: 4625, user: eve}}
      - {at: 1m, event: {EventID: 4625, user: 7}}
    alerts:
      - {position: 2, group: {user: 7}, value: 2, count: 2, events: [0, 2]}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rule and its cases."""
    folder = tmp_path / "rules"
    (folder / "events").mkdir(parents=True)
    (folder / "whoami.yml").write_text(RULE)
    (folder / "events" / "whoami.yml").write_text(CASES)
    return folder


def test_cases_that_pass(sigmac: Run, rules: Path) -> None:
    done = sigmac("test", "rules", cwd=rules.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2 cases of 1 rule: 2 passed in ")
    assert (
        done.stderr == "no pipeline was given, so rules look at events of any log: see --pipeline\n"
    )


def test_a_case_that_fails_says_where_what_and_why(here: Run, rules: Path) -> None:
    (rules / "whoami.yml").write_text(RULE.replace("tools", "programs").replace("whoami", "who"))
    done = here("test", "rules", cwd=rules.parent)
    assert done.returncode == 1
    first, rest = done.stdout.split("\n\n", 1)
    assert first.splitlines() == [
        "rules/events/whoami.yml:3: failed: Somebody Asks Who They Are: at the console",
        "    expected a match",
        "    got      no match",
        '    because  selection is false: Image|endswith should be: ends with "\\who.exe"; '
        'the event has "C:\\whoami.exe"',
    ]
    assert rest.startswith("2 cases of 1 rule: 1 passed, 1 failed in ")


def test_a_match_that_should_not_be(here: Run, rules: Path) -> None:
    (rules / "whoami.yml").write_text(RULE.replace("tools", "programs"))
    done = here("test", "rules", cwd=rules.parent)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:6] == [
        "rules/events/whoami.yml:6: failed: Somebody Asks Who They Are: the agent",
        "    expected no match",
        "    got      a match",
        '    because  selection is true: Image|endswith ends with "\\whoami.exe"; the event has "C:\\whoami.exe"',
        '    because  filter_agent is false: ParentImage should be: is "C:\\programs\\agent.exe"; '
        'the event has "C:\\tools\\agent.exe"',
        "",
    ]


def test_pipelines_are_those_of_the_build(here: Run, rules: Path) -> None:
    done = here("test", "rules", "--pipeline", "windows", cwd=rules.parent)
    assert done.returncode == 1
    assert "EventID should be: is the number 1; the event has no such field" in done.stdout


def test_a_rule_of_another_logsource_is_not_tried(here: Run, rules: Path) -> None:
    given = ("test", "rules", "--logsource")
    done = here(*given, "product=linux", cwd=rules.parent)
    assert done.returncode == 2
    assert "no rule of rules is for product `linux`" in done.stderr
    (rules / "whoami.yml").write_text(RULE.replace("windows", "linux"))
    event = "{Channel: Security, EventID: 1, Image"
    (rules / "events" / "whoami.yml").write_text(CASES.replace("{Image", event))
    done = here("test", "rules", cwd=rules.parent)
    assert "because  its logsource is another than the event's" in done.stdout
    assert here(*given, "any", cwd=rules.parent).returncode == 0


def test_cases_in_the_rule_and_files_of_events(here: Run, tmp_path: Path) -> None:
    (tmp_path / "attack.ndjson").write_text('{"Image": "C:\\\\whoami.exe"}\n{"Image": "x"}\n')
    (tmp_path / "quiet.json").write_text('[{"Image": "x"}]')
    cases = "cases:\n  match: [{file: attack.ndjson, count: 1}, attack.ndjson]\n  no_match: [quiet.json]\n"
    (tmp_path / "rule.yml").write_text(RULE + cases)
    done = here("test", "rule.yml", cwd=tmp_path)
    assert (done.returncode, done.stdout[:30]) == (0, "3 cases of 1 rule: 3 passed in")
    (tmp_path / "rule.yml").write_text(RULE + cases.replace("count: 1", "count: 2"))
    done = here("test", "rule.yml", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected 2 of the events of attack.ndjson match" in done.stdout
    assert "got      1 of 2 match" in done.stdout
    assert 'the event has "x"' in done.stdout


def test_a_sequence_and_its_alerts(here: Run, tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "count.yml").write_text(COUNT)
    (tmp_path / "events" / "count.yml").write_text(SEQUENCES)
    done = here("test", "count.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "events" / "count.yml").write_text(SEQUENCES.replace("value: 2", "value: 3"))
    done = here("test", "count.yml", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        'got      1 alert: {"position":2,"group":{"user":"7"},"value":2,"count":2,"events":[0,2]}\n'
        "    because  3 of 3 events match its rule\n"
    ) in done.stdout


def test_alerts_of_numbers_beyond_64_bits(here: Run, tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "count.yml").write_text(COUNT)
    huge = SEQUENCES.replace("user: 7", f"user: {10**20}").replace("value: 2", f"value: {10**20}")
    (tmp_path / "events" / "count.yml").write_text(huge)
    done = here("test", "count.yml", cwd=tmp_path)
    assert done.returncode == 1
    assert '"value":100000000000000000000' in done.stdout
    assert '"value":2' in done.stdout


def test_faulty_cases_are_errors_and_the_others_are_judged(here: Run, rules: Path) -> None:
    (rules / "events" / "whoami.yml").write_text(f"{CASES}  - why: nothing\n")
    done = here("test", "rules", cwd=rules.parent)
    assert done.returncode == 1
    assert (
        "rules/events/whoami.yml:8:5: error: the case has neither `event` nor `file`" in done.stderr
    )
    assert "2 passed, 1 error in" in done.stdout


def test_rules_with_errors_fail_unless_they_are_passed_over(here: Run, rules: Path) -> None:
    (rules / "bad.yml").write_text(RULE.replace("selection and", "selektion and"))
    done = here("test", "rules", cwd=rules.parent)
    assert (done.returncode, "E_CONDITION" in done.stderr) == (1, True)
    assert here("test", "rules", "--skip-errors", cwd=rules.parent).returncode == 0


def test_rules_without_a_case(here: Run, rules: Path) -> None:
    (rules / "other.yml").write_text(RULE.replace("80167ada", "90167ada").replace("Asks", "Says"))
    assert here("test", "rules", cwd=rules.parent).returncode == 0
    done = here("test", "rules", "--require", cwd=rules.parent)
    assert done.returncode == 1
    where = "rules/other.yml:2: failed: Somebody Says Who They Are: every rule has a case"
    assert where in done.stdout
    done = here("test", "rules/other.yml", cwd=rules.parent)
    assert done.returncode == 1
    assert "rules/other.yml: no rule that is asked for has a case" in done.stderr


def test_more_cases(here: Run, rules: Path) -> None:
    more = rules.parent / "more.yml"
    more.write_text(
        f"rule: 80167ADA-7a12-41ed-b8e9-aa47195c66a1\n{CASES}---\nrule: Nobody\n{CASES}"
    )
    done = here("test", "rules", "--cases", "more.yml", cwd=rules.parent)
    assert done.returncode == 1
    assert "more.yml:10:7: error: no rule is called `Nobody`" in done.stderr
    assert done.stdout.startswith("4 cases of 1 rule: 4 passed, 1 error in ")


@pytest.mark.parametrize("form", ["json", "junit", "github", "gitlab"])
def test_forms_for_programs(here: Run, rules: Path, form: str) -> None:
    (rules / "whoami.yml").write_text(RULE.replace("tools", "programs"))
    done = here("test", "rules", "--format", form, "-p", "windows-audit", cwd=rules.parent)
    assert done.returncode == 1
    assert done.stderr.startswith("2 cases of 1 rule: ")
    begins = {"json": "{", "junit": "<?xml", "github": "::error file=rules/events/", "gitlab": "["}
    assert done.stdout.startswith(begins[form])


@pytest.mark.parametrize(
    ("options", "cases"),
    [
        (("-k", "AGENT"), 1),
        (("-k", "somebody"), 2),
        (("--rule", "*whoami.yml"), 2),
        (("--exclude-rule", "*whoami.yml"), None),
        (("-k", "nothing"), None),
    ],
)
def test_some_cases(here: Run, rules: Path, options: tuple[str, ...], cases: int | None) -> None:
    done = here("test", "rules", *options, cwd=rules.parent)
    if cases is None:
        assert done.returncode == 1
        assert done.stderr.startswith("sigmac: rules: no ")
    else:
        assert done.returncode == 0
        assert done.stdout.startswith(f"{cases} case")


def test_files_that_are_no_events_are_errors(here: Run, tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_text('{"a": 1}\n{"a": \n\n')
    (tmp_path / "y.bin").write_bytes(b"\x7fELF\x00\x01")
    (tmp_path / "z.csv").write_text("a,b\n1,2\n")
    cases = "cases:\n  match: [x.ndjson, y.bin, none.json]\n  no_match: [z.csv]\n"
    (tmp_path / "rule.yml").write_text(RULE + cases)
    done = here("test", "rule.yml", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: `x.ndjson` cannot be read: record 1: not JSON" in done.stderr
    assert "error: `y.bin` cannot be read: no known format of logs" in done.stderr
    assert "error: there is no file `none.json`" in done.stderr
    assert done.stdout.startswith("1 case of 1 rule: 1 passed, 3 errors")


def test_cases_are_no_rules_and_no_part_of_a_pack(here: Run, rules: Path) -> None:
    (rules / "own.yml").write_text(
        f"{RULE.replace('80167ada', '90167ada')}cases:\n  match: [x.json]\n"
    )
    (rules / "x.json").write_text("{}")
    assert ": error: " not in here("check", "rules", cwd=rules.parent).stdout
    done = here("build", "rules", "-o", "pack", cwd=rules.parent)
    assert done.returncode == 0
    assert "built pack: 2 rules from 3 files" in done.stderr
    assert "x.json" not in (rules.parent / "pack" / "rules.py").read_text()


def test_cases_of_a_refused_rule_are_passed_over_with_it(here: Run, rules: Path) -> None:
    (rules / "bad.yml").write_text(
        RULE.replace("80167ada", "90167ada").replace("Asks", "Says").replace("n and", "m and")
    )
    more = rules.parent / "more.yml"
    more.write_text(f"rule: Somebody Says Who They Are\n{CASES}")
    done = here("test", "rules", "--skip-errors", "--cases", "more.yml", cwd=rules.parent)
    assert (done.returncode, done.stdout[:12]) == (0, "2 cases of 1"), done.stderr
