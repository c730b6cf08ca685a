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
