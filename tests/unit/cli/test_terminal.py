"""What a person sees on a terminal and a program does not: colours and progress bars."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run, on_a_terminal

RULE = "title: A\nlogsource: {product: x}\ndetection: {s: {A: 1}, condition: s}\nlevel: hgh\n"
EVENTS = b'{"uid": 0}\n' * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / "events").write_bytes(EVENTS)
    return tmp_path


def test_a_build_shows_its_progress_and_then_its_summary(folder: Path) -> None:
    shown = on_a_terminal("build", folder / "rule.yml", "-o", folder / "pack", "--no-cache")
    assert "compiling" in shown
    assert "1/1" in shown
    assert "\x1b[1;33mwarning:\x1b[0m" in shown
    assert f"built {folder / 'pack'}: 1 rule from 1 file" in shown


def test_check_marks_severities_in_colour_unless_that_is_not_wanted(folder: Path) -> None:
    assert "\x1b[1;33mwarning:\x1b[0m" in on_a_terminal("check", folder / "rule.yml")
    plain = on_a_terminal("check", folder / "rule.yml", NO_COLOR="1")
    assert "warning: `hgh` is no level" in plain
    assert "\x1b" not in plain


def test_a_run_shows_its_progress_where_matches_do_not_go_to_the_terminal(
    built: Path, folder: Path
) -> None:
    matches = folder / "matches"
    for output, quiet in ((matches, False), (matches, True), (None, False)):
        # In the order of time matches wait for the end, and the bar is all there is to see.
        options = ["-q"] if quiet else ["--correlation-order", "arrival"]
        shown = on_a_terminal("run", built, folder / "events", *options, output=output)
        assert ("━" in shown) is (output is not None and not quiet)
        assert ("100 records" in shown) is not quiet
        assert ("Admin # one" in shown.partition("100 records")[0]) is (output is None)
    assert "━" in on_a_terminal("run", built, folder / "events")
    assert len(matches.read_bytes().splitlines()) == 100


def test_a_terminal_gets_a_table_and_json_where_that_is_asked(built: Path, folder: Path) -> None:
    (folder / "events").write_bytes(b'{"uid": 0, "host": "a\\u001b[2Jb", "time": 1}\n')
    shown = on_a_terminal("run", built, folder / "events", "-q").splitlines()
    assert shown[0].split() == ["time", "level", "rule", "host", "fields", "that", "matched"]
    assert shown[1].split() == [
        *("1970-01-01", "00:00:01", "\x1b[36mlow", "\x1b[0m", "Admin", "#", "one"),
        *("a\\x1b[2Jb", "uid=0"),
    ]
    plain = on_a_terminal("run", built, folder / "events", "-q", "--explain", NO_COLOR="1")
    assert '"explanation":{' in plain
    plain = on_a_terminal("run", built, folder / "events", "-q", NO_COLOR="1", COLUMNS="60")
    assert "\x1b" not in plain


@pytest.mark.parametrize("command", ["build", "check", "run"])
def test_a_program_gets_neither(sigmac: Run, built: Path, folder: Path, command: str) -> None:
    given = [built, "events"] if command == "run" else ["rule.yml"]
    done = sigmac(command, *given, cwd=folder)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "━" not in done.stderr
