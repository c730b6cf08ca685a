"""`sigmac diff` as its users see it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sigmac.cli.diff import diff
from sigmac.runtime.errors import InputError
from tests.unit.packs import rule, write_text_pack

KEPT = rule("s: {A: x}\ncondition: s", "Kept", id="5b3c9f0e-6a3a-4c1c-9d53-9a5d0b4c7a11")
GONE = rule("s: {A: y}\ncondition: s", "Gone | <b>")
CAME = rule("s: {A: z}\ncondition: s", "Came")
OLD = f"{KEPT}---\n{GONE}"
NEW = f"{KEPT.replace('{A: x}', '{A: [x, w]}').replace('Kept', 'Renamed')}---\n{CAME}"
EVENTS = [{"A": "x"}, {"A": "w"}, {"A": "y"}, {"A": "z"}, {"A": "z"}, {"A": "q"}]


def called(*arguments: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(diff, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def report(*arguments: str | Path) -> Any:
    done = CliRunner().invoke(diff, [*map(str, arguments), "--format", "json"])
    return json.loads(done.stdout)


@pytest.fixture
def rules(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("old", OLD), ("new", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yml").write_text(text, encoding="utf-8")
    return tmp_path / "old", tmp_path / "new"


@pytest.fixture
def packs(tmp_path: Path) -> tuple[Path, Path]:
    return write_text_pack(OLD, tmp_path / "a"), write_text_pack(NEW, tmp_path / "b")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, EVENTS)) + "\n", encoding="utf-8")
    return file


def test_rules_are_told_apart_by_id_then_by_title(rules: tuple[Path, Path]) -> None:
    told = report(*rules)
    assert [each["title"] for each in told["added"]] == ["Came"]
    assert [each["title"] for each in told["removed"]] == ["Gone | <b>"]
    assert [(each["title"], each["words"]) for each in told["changed"]] == [
        ("Renamed", ["title: Kept → Renamed", "s: A has `w` more"])
    ]
    assert told["rules"] == {"old": 2, "new": 2}


def test_packs_show_what_changed_in_their_code(packs: tuple[Path, Path]) -> None:
    [changed] = report(*packs)["changed"]
    assert changed["words"] == ["title: Kept → Renamed"]
    assert [line for line in changed["code"] if line[0] in "+-"] == [
        '-    s = event.equals("A", "x")',
        '+    s = event.equals("A", "x", "w")',
    ]
    assert '+    s = event.equals("A", "x", "w")' in called(*packs, "--code")


def test_the_same_twice_is_no_difference(packs: tuple[Path, Path], events: Path) -> None:
    told = report(packs[0], packs[0], events)
    assert told["added"] == told["removed"] == told["changed"] == told["matches"]["rules"] == []
    assert called(packs[0], packs[0], "--fail-on", "added,removed,changed,gained,lost")


def test_matches_are_gained_and_lost_with_the_reason(
    rules: tuple[Path, Path], events: Path
) -> None:
    told = report(*rules, events)["matches"]
    assert (told["events"], told["both"], told["gained"], told["lost"]) == (6, 1, 3, 1)
    by_title = {each["title"]: each for each in told["rules"]}
    assert by_title["Came"]["sample_gained"]["why"] == ["the rule is new", "A equals z"]
    sample = by_title["Renamed"]["sample_gained"]
    assert sample["event"] == {"A": "w"}
    assert sample["source"] == f"{events}:2"
    assert sample["why"] == ["s was false, and is true now", "A equals w"]
    assert by_title["Gone | <b>"]["sample_lost"]["why"][0] == "the rule is gone"


FAILED = rule("s: {Event: fail}\ncondition: s", "Failed", name="failed")
MANY = """\
---
title: Many
correlation: {type: event_count, rules: [failed], group-by: [User], timespan: 5m, condition: {gte: 3}}
"""


@pytest.fixture
def logons(tmp_path: Path) -> Path:
    """Five failures of one user, three of another one, a minute between them; one without a time."""
    file = tmp_path / "logons.ndjson"
    events = [
        {"@timestamp": f"2024-01-01T00:0{n}:00Z", "User": user, "Event": "fail", "N": n}
        for user, count in (("a", 5), ("b", 3))
        for n in range(count)
    ]
    file.write_text("\n".join(map(json.dumps, [*events, {"Event": "fail"}])) + "\n")
    return file


def alerts_of(folder: Path, old: str, new: str, events: Path) -> Any:
    (folder / "old.yml").write_text(old)
    (folder / "new.yml").write_text(new)
    return report(folder / "old.yml", folder / "new.yml", events)["alerts"]


@pytest.mark.parametrize(
    ("old", "new", "gained", "lost", "both"),
    [
        (
            FAILED + MANY,
            FAILED + MANY.replace("3}", "5}"),
            [5, "the condition was true already, since 3", "User: a"],
            [3, "what the condition asks has changed", "User: a"],
            0,
        ),
        (
            FAILED + MANY,
            FAILED.replace("fail}", "fail, User: a}") + MANY,
            [],
            [8, "the event was a hit of it in this group, and is none now", "User: b"],
            1,
        ),
        (
            FAILED.replace("fail}", "fail, N: [0, 1, 3, 4]}") + MANY,
            FAILED + MANY,
            [3, "the event was no hit of it in this group, and is one now", "User: a"],
            [4, "the condition is true already, since 3", "User: a"],
            0,
        ),
        (
            FAILED + MANY,
            FAILED.replace("fail}", "fail, N|gte: 1}") + MANY,
            [4, "the condition was true already, since 3", "User: a"],
            [3, "the value was 3, and is 2 now", "User: a"],
            0,
        ),
        (FAILED + MANY, FAILED, [], [3, "the correlation is gone", "User: a"], 0),
        (
            FAILED,
            FAILED + MANY.replace("group-by: [User], ", ""),
            [2, "the correlation is new", "event_count 3 within 5m: events 1, 6, 2"],
            [],
            0,
        ),
        (FAILED + MANY, FAILED + MANY.replace("5m", "6m"), [], [], 2),
    ],
)
def test_alerts_are_gained_and_lost_with_the_reason(
    tmp_path: Path, logons: Path, old: str, new: str, gained: list[Any], lost: list[Any], both: int
) -> None:
    told = alerts_of(tmp_path, old, new, logons)
    assert (told["both"], told["no_time"]) == (both, 1)
    assert len(told["correlations"]) == bool(gained or lost)
    for each in told["correlations"]:
        assert each["title"] == "Many"
        for sample, wanted in ((each["sample_gained"], gained), (each["sample_lost"], lost)):
            assert (sample is None) is not bool(wanted)
            if sample is not None:
                assert sample["source"] == f"{logons}:{wanted[0]}"
                why = [line.replace(f"{logons}:", "") for line in sample["why"]]
                assert why[: len(wanted) - 1] == wanted[1:]


def test_where_the_rules_of_a_correlation_lie_is_no_change_of_it(tmp_path: Path) -> None:
    text = FAILED + MANY.replace("condition: {gte: 3}", "aliases: {who: {failed: User}}")
    text = text.replace("event_count", "temporal").replace("group-by: [User]", "group-by: [who]")
    for name in ("old.yml", "new.yml"):
        (tmp_path / name).write_text(text)
    told = report(tmp_path / "old.yml", tmp_path / "new.yml")
    assert told["changed"] == []
    (tmp_path / "new.yml").write_text(text.replace("failed", "missed"))
    (correlation,) = [
        each
        for each in report(tmp_path / "old.yml", tmp_path / "new.yml")["changed"]
        if each["kind"] == "correlation"
    ]
    assert "rules: has missed more, failed no more" in correlation["words"]


def test_alerts_are_shown_and_ci_may_refuse_them(tmp_path: Path, logons: Path) -> None:
    told = alerts_of(tmp_path, FAILED + MANY, FAILED + MANY.replace("3}", "4}"), logons)
    assert (told["gained"], told["lost"]) == (1, 2)
    sides = (tmp_path / "old.yml", tmp_path / "new.yml", logons)
    shown = called(*sides)
    assert (
        "alerts: 1 gained, 2 lost, 0 as before; 1 hit without a time (--timestamp-field)" in shown
    )
    assert f"    gained: {logons}:4\n" in shown
    assert "### Alerts: 1 gained" in called(*sides, "--format", "markdown")
    called(*sides, "--fail-on", "gained", status=3)
    quiet = ("--fail-on", "gained", "--timestamp-field", "Nothing")
    assert "0 as before; 9 hits without a time" in called(*sides, *quiet)


def test_a_merge_request_shows_no_markup_of_rules(rules: tuple[Path, Path], events: Path) -> None:
    told = called(*rules, events, "--format", "markdown")
    assert "- Gone \\| &lt;b&gt;\n" in told
    assert "<b>" not in told
    assert "| Came | 2 | 0 |" in told


def test_ci_may_refuse(rules: tuple[Path, Path], events: Path) -> None:
    called(*rules, events, "--fail-on", "gained", status=3)
    called(*rules, "--fail-on", "gained,lost")
    assert "is not one of" in called(*rules, "--fail-on", "all", status=2)


def test_what_cannot_be_read_is_told_and_the_rest_compared(
    rules: tuple[Path, Path], events: Path
) -> None:
    told = called(*rules, events, events.with_name("missing"), status=1)
    assert "missing: No such file" in told
    assert "3 gained" in told


def git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    (root / "rules").mkdir(parents=True)
    git(root, "init", "--quiet")
    (root / "rules" / "r.yml").write_text(OLD, encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "a")
    (root / "rules" / "r.yml").write_text(NEW, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("old", ["git:", "git:HEAD", "git:HEAD:rules", "git:HEAD:rules/r.yml"])
def test_a_revision_is_compared_with_what_is_there(repository: Path, old: str) -> None:
    new = "rules/r.yml" if old.endswith(".yml") else "rules"
    told = report(old, new)
    assert len(told["added"]) == len(told["removed"]) == len(told["changed"]) == 1
    assert (
        subprocess.run(
            ["git", "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout
        == " M rules/r.yml\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("git:nothing", "rules", "git:nothing: fatal: Needed a single revision"),
        ("git:--output=x", "rules", "git:--output=x: "),
        ("git:HEAD:elsewhere", "rules", "git:HEAD:elsewhere: fatal: pathspec"),
        ("git:HEAD:/", "rules", "fatal: not a git repository"),
        ("git:HEAD", "git:HEAD", "name the path too"),
    ],
)
def test_a_revision_that_is_not_there_is_told(
    repository: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        called(old, new)
    assert sorted(each.name for each in repository.iterdir()) == [".git", "rules"]
