"""What the shell is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("build/windows", "rules/linux", "rules/windows", "$(reboot)", ".git"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("build/windows/manifest.json", "rules/a.yml", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def completed(run: Run, folder: Path, line: str) -> list[str]:
    """What bash gets for the last word of a line."""
    done = run(
        cwd=folder,
        COMP_WORDS=line,
        COMP_CWORD=str(line.count(" ")),
        _SIGMAC_COMPLETE="complete_bash",
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (
            "sigmac ",
            [
                "build",
                "check",
                "run",
                "serve",
                "push",
                "status",
                "watch",
                "explain",
                "inspect",
                "config",
                "dlq",
            ],
        ),
        ("sigmac inspect ", ["build/", "rules/"]),
        # Not a single folder that is no pack: the shell would go on to the next word.
        ("sigmac inspect r", ["rules/", "rules/linux/", "rules/windows/"]),
        ("sigmac inspect build/", ["build/windows/"]),
        ("sigmac inspect zzz", []),
        ("sigmac inspect . --fo", ["--format"]),
        ("sigmac inspect . --format ", ["text", "json"]),
        ("sigmac build . --pipeline win", ["windows", "windows-audit"]),
        (
            "sigmac check . --ignore W_N",
            [
                "W_NAME_TWICE",
                "W_NEVER",
                "W_NOT_EVALUATED",
                "W_NO_EFFECT",
                "W_NO_RULE",
                "W_NULL_IN_LIST",
                "W_N_OF",
            ],
        ),
        ("sigmac build . --ignore W_BLANK,N_R", ["W_BLANK,N_REGEX_PLAIN", "W_BLANK,N_RELATED"]),
        ("sigmac explain x {} -p rules/", ["rules/a.yml", "rules/linux/", "rules/windows/"]),
    ],
)
def test_a_word_is_completed(sigmac: Run, folder: Path, line: str, offered: list[str]) -> None:
    assert completed(sigmac, folder, line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(sigmac: Run, shell: str) -> None:
    # Typer would look at the parent process for the shell.
    done = sigmac("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0
    assert f"_SIGMAC_COMPLETE=complete_{shell}" in done.stdout
