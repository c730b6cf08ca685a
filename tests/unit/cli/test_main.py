"""What holds for every command: closed and broken streams, names that are no text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT, Done, Run

RULE = "title: A\nlogsource: {product: x}\ndetection: {s: {A: 1}, condition: s}\n"


def shell(line: str, folder: Path) -> Done:
    """A line of a shell, in which `sigmac` is ours."""
    program = f"sigmac() {{ '{sys.executable}' -m sigmac \"$@\"; }}\n"
    return subprocess.run(
        ["bash", "-c", program + line],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, built: Path) -> Path:
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / "bad.yml").write_text("a: [\n")
    (tmp_path / "events").write_text('{"A": 1}\n')
    (tmp_path / "pack").symlink_to(built)
    return tmp_path


COMMANDS = [
    "check rule.yml",
    "check --list --format json",
    "build bad.yml -o out --format sarif",
    "inspect pack",
    "explain rule.yml '{}'",
    "--help",
]


@pytest.mark.parametrize(
    ("target", "reason"),
    [("&-", "Bad file descriptor"), ("/dev/full", "No space left on device")],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_one_line_and_a_failure(
    folder: Path, command: str, target: str, reason: str
) -> None:
    done = shell(f"sigmac {command} >{target}", folder)
    assert done.returncode == 1
    assert done.stderr.endswith(f"{reason}\n")
    assert "Traceback" not in done.stderr


def test_matches_that_cannot_be_written_are_told(folder: Path) -> None:
    (folder / "events").write_text('{"uid": 0}\n')
    for target in ("/dev/full", "&-"):
        done = shell(f"sigmac run pack events >{target}", folder)
        assert done.returncode == 1
        assert "sigmac: standard output: " in done.stderr
        assert "Traceback" not in done.stderr
    done = shell("sigmac run pack events -o /dev/full", folder)
    assert done.returncode == 1
    assert done.stderr.startswith("sigmac: /dev/full: No space left on device")


@pytest.mark.parametrize("command", ["run pack -", "run pack", "explain rule.yml -"])
def test_input_that_was_closed_cannot_be_read(folder: Path, command: str) -> None:
    done = shell(f"sigmac {command} <&-", folder)
    assert done.returncode == 1
    assert "sigmac: -: Bad file descriptor" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_place_for_messages_the_work_is_done(folder: Path) -> None:
    assert shell("sigmac build rule.yml -o out <&- 2>&-", folder).returncode == 0
    assert (folder / "out" / "manifest.json").is_file()
    assert shell("sigmac build bad.yml -o out 2>&-", folder).returncode == 1
    (folder / "events").write_text('{"uid": 0}\n')
    done = shell("sigmac run pack events 2>&-", folder)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_goes_away_is_no_error_to_tell(folder: Path, command: str) -> None:
    done = shell(f"sigmac {command} | true; exit ${{PIPESTATUS[0]}}", folder)
    # What is written before the reader goes is written.
    assert done.returncode in (141, 0, 1)
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr


@pytest.mark.parametrize("command", ["check", "build", "run pack", "explain"])
def test_a_name_is_shown_and_not_obeyed(sigmac: Run, folder: Path, command: str) -> None:
    name = "evil\x1b[2J\u202e.yml"
    given = [name, "{}"] if command == "explain" else [name]
    done = sigmac(*command.split(), *given, cwd=folder)
    assert done.returncode == 1
    assert "evil\\x1b[2J\\u202e.yml" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["check rule.yml", "build rule.yml", "explain rule.yml {}"])
def test_without_the_compiler_the_package_to_install_is_named(folder: Path, command: str) -> None:
    program = "import sys; sys.modules['lark'] = None; from sigmac.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "sigmac: this needs the package lark, which is not installed: "
        "pip install 'sigmac[compiler]'\n"
    )
