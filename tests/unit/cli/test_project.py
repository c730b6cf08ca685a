"""Commands in a project, as its users call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

RULE = r"""
title: Whoami
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\whoami.exe', Host|expand: '%hosts%'}
  condition: selection
level: low
cases:
  match: [{event: {EventID: 1, Channel: Microsoft-Windows-Sysmon/Operational, Image: 'C:\whoami.exe', Computer: ws1}}]
"""
OTHER = r"""
title: Net
logsource: {product: linux}
detection:
  selection: {a: b}
  condition: selection
level: high
"""
PIPELINE = """
name: hosts
priority: 30
transformations: [{type: field_name_mapping, mapping: {Host: Computer}}]
"""
PROJECT = """
rules = ["rules", "more"]
events = "logs"
pipelines = ["windows", "hosts.yml"]
[placeholders]
hosts = ["ws1", "ws2"]
[build]
output = "build/acme"
[run]
min-level = "low"
[diff]
base = "before"
"""
EVENTS = r"""
{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\whoami.exe", "Computer": "ws2"}
{"a": "b"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    texts = {
        "sigmac.toml": PROJECT,
        "rules/whoami.yml": RULE,
        "more/net.yml": OTHER,
        "before/net.yml": OTHER,
        "hosts.yml": PIPELINE,
        "logs/events.ndjson": EVENTS,
        "sub/folder/x": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def titles(output: str) -> list[str]:
    return [json.loads(line)["rule"]["title"] for line in output.splitlines()]


def test_commands_need_no_arguments(here: Run, project: Path) -> None:
    assert here("check", cwd=project).stdout == "no problems found\n"
    assert here("test", cwd=project).stdout.startswith("1 case of 1 rule: 1 passed")
    built = here("build", cwd=project)
    assert "built build/acme: 2 rules from 2 files" in built.stderr
    assert titles(here("run", "--quiet", cwd=project).stdout) == ["Whoami", "Net"]
    assert here("coverage", cwd=project).stdout.startswith("2 rules,")
    assert json.loads(here("fields", "--format", "json", cwd=project).stdout)["rules"]


def test_the_command_line_wins(here: Run, project: Path) -> None:
    assert here("check", "rules", "-p", "windows", cwd=project).returncode == 0
    done = here("build", "more", "-o", "other", cwd=project)
    assert "built other: 1 rule from 1 file" in done.stderr
    assert not (project / "build").exists()
    arguments = ("--quiet", "--min-level", "high")
    assert titles(here("run", *arguments, cwd=project).stdout) == ["Net"]
    done = here("test", "--placeholder", "hosts=ws9", cwd=project)
    assert done.returncode == 1


def test_nothing_is_taken_from_a_file_that_is_unwanted(here: Run, project: Path) -> None:
    for command in ("check", "build", "test"):
        done = here(command, "--no-project", cwd=project)
        assert done.returncode == 2
        assert "name rule files or folders" in done.stderr
    assert "name a rule pack" in here("run", "--no-project", cwd=project).stderr
    (project / "sigmac.toml").write_text("rules = ", encoding="utf-8")
    assert here("check", "more", "--no-project", cwd=project).returncode == 0


def test_a_first_argument_may_be_events(here: Run, project: Path) -> None:
    for named in (["logs/events.ndjson"], ["logs"], ["logs", "logs/events.ndjson"]):
        assert titles(here("run", *named, "-q", cwd=project).stdout)[:2] == ["Whoami", "Net"]
    assert titles(here("run", "more", "-q", cwd=project).stdout) == ["Net"]
    assert titles(here("run", "more", "logs", "-q", cwd=project).stdout) == ["Net"]
    # What is not there is a pack that is missed, and nothing is evaluated in its place.
    done = here("run", "nothing", "logs", cwd=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing" in done.stderr


def test_a_pack_keeps_its_pipelines(here: Run, project: Path) -> None:
    here("build", cwd=project)
    assert titles(here("run", "build/acme", "-q", cwd=project).stdout) == ["Whoami", "Net"]


def test_standard_input_is_not_passed_over_silently(sigmac: Run, project: Path) -> None:
    done = sigmac("run", "-q", cwd=project, stdin='{"a": "b"}')
    assert titles(done.stdout) == ["Whoami", "Net"]
    said = "standard input is not read, as sigmac.toml:3 names events: give -\n"
    assert said in done.stderr
    done = sigmac("run", "-", "-q", cwd=project, stdin='{"a": "b"}')
    assert titles(done.stdout) == ["Net"]


def test_a_file_above_is_named(here: Run, project: Path) -> None:
    done = here("build", cwd=project / "sub" / "folder")
    assert done.stderr.startswith("project file: ../../sigmac.toml\n")
    assert "built ../../build/acme: 2 rules from 2 files" in done.stderr
    assert (project / "build" / "acme" / "manifest.json").is_file()


def test_an_output_is_only_a_pack_over_a_pack(here: Run, project: Path) -> None:
    text = PROJECT.replace("build/acme", "logs")
    (project / "sigmac.toml").write_text(text, encoding="utf-8")
    done = here("build", cwd=project)
    assert done.returncode == 1
    assert "exists and is no rule pack" in done.stderr
    assert (project / "logs" / "events.ndjson").is_file()


def test_a_difference_is_to_the_base(here: Run, project: Path) -> None:
    done = here("diff", cwd=project)
    assert "name what to compare; of a project file it is the one folder of `rules`" in done.stderr
    text = PROJECT.replace('["rules", "more"]', '"rules"')
    (project / "sigmac.toml").write_text(text, encoding="utf-8")
    done = here("diff", cwd=project)
    assert done.stdout.startswith("before → rules: 1 → 1 rule; 1 added, 1 removed, 0 changed")
    assert "matches on 2 events: 1 gained, 1 lost" in done.stdout
    done = here("diff", "more", "before", cwd=project)
    assert done.stdout.startswith("more → before: 1 → 1 rule; 0 added, 0 removed, 0 changed")


def test_mistakes_are_wrong_usage(here: Run, project: Path) -> None:
    (project / "sigmac.toml").write_text("rule = 1", encoding="utf-8")
    for command in ("build", "check", "test", "run", "fields", "diff", "coverage"):
        done = here(command, cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == ("sigmac.toml:1: rule: there is no such key; did you mean `rules`?\n")
    for option in ("--help", "--version"):
        assert here(option, cwd=project).returncode == 0
    assert here("check", "--help", cwd=project).returncode == 0


def test_a_value_that_an_option_refuses_is_known_to_come_from_the_file(
    here: Run, project: Path
) -> None:
    (project / "sigmac.toml").write_text('rules = "more"\n[run]\nmin-level = "hgh"\n')
    done = here("run", "logs", cwd=project)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "sigmac: options of a project file count here; see `sigmac config show`\n"
    )


def test_what_is_read_can_be_seen(here: Run, project: Path) -> None:
    done = here("config", "show", "--format", "json", cwd=project / "sub")
    assert json.loads(done.stdout) == {
        "file": "../sigmac.toml",
        "rules": ["../rules", "../more"],
        "events": ["../logs"],
        "pipelines": ["windows", "../hosts.yml"],
        "placeholders": {"hosts": ["ws1", "ws2"]},
        "build": {"output": "../build/acme"},
        "run": {"min-level": "low"},
        "diff": {"base": "before"},
    }
    (project / "sigmac.toml").unlink()
    assert here("config", "show", cwd=project).stdout == "there is no project file here\n"


def test_a_draft_goes_where_the_project_keeps_rules(here: Run, project: Path) -> None:
    text = PROJECT + '[new]\noutput = "drafts"\nauthor = "Anna"\n'
    (project / "sigmac.toml").write_text(text, encoding="utf-8")
    done = here("new", "logs/events.ndjson", "--title", "Who", cwd=project)
    file = project / done.stdout.splitlines()[0]
    assert file.is_relative_to(project / "drafts")
    assert "author: Anna" in file.read_text(encoding="utf-8")


CONVENTIONS = """
rules = "rules"
required = ["owner", "level"]
tag-namespaces = ["team"]
[levels]
W_TAG = "error"
W_REQUIRED = "note"
N_EXISTS = "warning"
W_BLANK = "off"
[build]
output = "pack"
"""
BLANK = r"""
title: Blank
tags: [team.blue, acme.x]
logsource: {product: windows}
detection:
  selection: {A: ' b', B: '*'}
  condition: selection
"""


@pytest.fixture
def strict(project: Path) -> Path:
    (project / "sigmac.toml").write_text(CONVENTIONS, encoding="utf-8")
    (project / "rules" / "whoami.yml").write_text(BLANK, encoding="utf-8")
    return project


def levels(output: str) -> dict[str, str]:
    return {each["code"]: each["severity"] for each in json.loads(output)["diagnostics"]}


def test_a_project_sets_the_levels_of_codes(here: Run, strict: Path) -> None:
    done = here("check", "--format", "json", cwd=strict)
    assert done.returncode == 1
    assert levels(done.stdout) == {"W_TAG": "error", "W_REQUIRED": "note", "N_EXISTS": "warning"}
    done = here("check", "--format", "sarif", cwd=strict)
    results = json.loads(done.stdout)["runs"][0]["results"]
    assert {each["ruleId"]: each["level"] for each in results}["W_TAG"] == "error"
    assert here("check", "--ignore", "W_TAG", cwd=strict).returncode == 0
    assert here("check", "--ignore", "W_TAG", "--strict", cwd=strict).returncode == 1
    done = here("check", "rules", "--no-project", "--format", "json", cwd=strict)
    assert levels(done.stdout) == {"W_TAG": "warning", "W_BLANK": "warning", "N_EXISTS": "note"}


def test_what_a_project_makes_an_error_is_not_built(here: Run, strict: Path) -> None:
    for options in ([], ["--skip-errors"], []):
        done = here("build", *options, cwd=strict)
        assert done.returncode == 1
        said = "nothing was written: the project file makes W_TAG an error\n"
        assert done.stderr.endswith(said)
        assert not (strict / "pack").exists()
    rule = strict / "rules" / "whoami.yml"
    rule.write_text(BLANK.replace("acme", "team"), encoding="utf-8")
    assert here("build", cwd=strict).returncode == 0
    # A pack that is there is of the same rules, which are judged anew.
    text = CONVENTIONS.replace('["team"]', "[]")
    (strict / "sigmac.toml").write_text(text, encoding="utf-8")
    assert here("build", cwd=strict).returncode == 1


def test_the_same_rules_make_the_same_pack_whatever_is_asked_of_them(
    here: Run, strict: Path
) -> None:
    assert here("build", "more", cwd=strict).returncode == 0
    built = (strict / "pack" / "manifest.json").read_bytes()
    assert here("build", "more", "--no-project", "-o", "pack", cwd=strict).returncode == 0
    assert (strict / "pack" / "manifest.json").read_bytes() == built


def test_codes_that_there_are_not_are_wrong_usage(here: Run, strict: Path) -> None:
    text = CONVENTIONS.replace("W_BLANK", "W_BLNK").replace('"level"', '"detection"')
    (strict / "sigmac.toml").write_text(text, encoding="utf-8")
    for command in (["check"], ["build"], ["config", "show"]):
        done = here(*command, cwd=strict)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            "sigmac.toml:3: required: `detection` is no key of a rule's metadata",
            "sigmac.toml:9: levels.W_BLNK: there is no such check; did you mean `W_BLANK`?",
        ]


def test_files_outside_of_the_project_are_not_written_to(here: Run, project: Path) -> None:
    inner = project / "sub"
    (inner / "link").symlink_to(project / "more")
    for rules in ("../more", str(project / "more"), "link"):
        (inner / "sigmac.toml").write_text(f'rules = "{rules}"\n', encoding="utf-8")
        for command in (["check", "--fix"], ["test", "--update"]):
            done = here(*command, cwd=inner)
            assert done.returncode == 2
            assert "lies outside of the project: name it, if it shall be written to" in done.stderr
    (inner / "sigmac.toml").write_text('rules = "."\n[test]\ncases = "../more"\n')
    done = here("test", "--update", cwd=inner)
    assert done.returncode == 2
    # Who names it means it.
    assert here("check", "--fix", "../more", cwd=inner).returncode == 0
    assert here("check", "--fix", cwd=project).returncode == 0
