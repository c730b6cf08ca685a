"""What the shell is offered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT, Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("build/windows", "rules/linux", "rules/windows", "$(reboot)", ".git"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("build/windows/manifest.json", "rules/a.yml", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def offers(run: Run, folder: Path, line: str) -> list[tuple[str, str]]:
    """What bash gets for the last word of a line, and what kind each is of."""
    done = run(
        cwd=folder,
        COMP_WORDS=line,
        COMP_CWORD=str(line.count(" ")),
        _SIGMAC_COMPLETE="bash_complete",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [(kind, word) for kind, _, word in (each.partition(",") for each in done.stdout.split())]


def completed(run: Run, folder: Path, line: str) -> list[str]:
    """The words among it; nothing else is offered."""
    offered = offers(run, folder, line)
    assert {kind for kind, _ in offered} <= {"plain"}
    return [word for _, word in offered]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (
            "sigmac ",
            [
                "build",
                "check",
                "test",
                "lsp",
                "run",
                "serve",
                "push",
                "status",
                "watch",
                "explain",
                "formats",
                "pipelines",
                "fields",
                "coverage",
                "new",
                "diff",
                "migrate",
                "shadow",
                "shadow-live",
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
        ("sigmac build . --pipeline windows", ["windows", "windows-audit"]),
        ("sigmac pipelines show windows-", ["windows-audit"]),
        (
            "sigmac check . --ignore W_N",
            [
                "W_NAME_TWICE",
                "W_NEVER",
                "W_NO_EFFECT",
                "W_NO_RULE",
                "W_NULL_IN_LIST",
                "W_N_OF",
            ],
        ),
        ("sigmac build . --ignore W_BLANK,N_R", ["W_BLANK,N_REGEX_PLAIN", "W_BLANK,N_RELATED"]),
        ("sigmac run p --level low,h", ["low,high"]),
        ("sigmac run p --with time,f", ["time,fields", "time,file", "time,falsepositives"]),
        ("sigmac run p --output-format t", ["table", "timeline"]),
        ("sigmac explain x {} -p rules/", ["rules/a.yml", "rules/linux/", "rules/windows/"]),
    ],
)
def test_a_word_is_completed(sigmac: Run, folder: Path, line: str, offered: list[str]) -> None:
    assert completed(sigmac, folder, line) == offered


@pytest.mark.parametrize(
    "line",
    [
        "sigmac build ",
        "sigmac check ",
        "sigmac run pack ",
        "sigmac explain ",
        "sigmac run --config ",
    ],
)
def test_the_shell_completes_files_itself(sigmac: Run, folder: Path, line: str) -> None:
    assert offers(sigmac, folder, line) == [("file", "")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_told_what_commands_do(sigmac: Run, shell: str) -> None:
    asked = "sta" if shell == "fish" else "1"  # fish gives the word, the others its number
    done = sigmac(COMP_WORDS="sigmac sta", COMP_CWORD=asked, _SIGMAC_COMPLETE=f"{shell}_complete")
    assert (done.returncode, done.stderr) == (0, "")
    assert "status" in done.stdout
    assert ("how a running service does" in done.stdout) is (shell != "bash")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(sigmac: Run, shell: str) -> None:
    done = sigmac("--show-completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_SIGMAC_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes_by_the_script(sigmac: Run, folder: Path) -> None:
    script = sigmac("--show-completion", "bash").stdout
    (folder / ".git" / "sigmac").write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -m sigmac \"$@\"\n"
    )
    (folder / ".git" / "sigmac").chmod(0o755)
    ask = "COMP_WORDS=(sigmac inspect r); COMP_CWORD=2; _sigmac_completion sigmac\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", script + ask + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{folder / '.git'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["rules/", "rules/linux/", "rules/windows/"], "")


@pytest.mark.parametrize("shell", ["", "bash", "nush"])
def test_the_current_shell_is_that_above_or_the_users(tmp_path: Path, shell: str) -> None:
    program = "from sigmac.cli import shell; shell._ancestors = lambda: iter(ABOVE); print(shell._current_shell())"
    for above, found in (([], shell), (["make", "zsh", "bash"], "zsh"), (["init"], shell)):
        done = subprocess.run(
            [sys.executable, "-c", program.replace("ABOVE", repr(above))],
            cwd=ROOT,
            env={**os.environ, "SHELL": f"/bin/{shell}"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert done.stdout == f"{found}\n"


def test_completion_is_shown_for_the_shell_that_runs_the_program(
    sigmac: Run, tmp_path: Path
) -> None:
    # Not its last command: bash would become the program.
    line = f"'{sys.executable}' -m sigmac --show-completion; true"
    done = subprocess.run(
        ["bash", "--norc", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SHELL": "/bin/bash"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "_SIGMAC_COMPLETE=bash_complete" in done.stdout


@pytest.mark.parametrize("shell", ["tcsh", "powershel", "../bash"])
def test_other_shells_are_no_success(sigmac: Run, tmp_path: Path, shell: str) -> None:
    for option in ("--show-completion", "--install-completion"):
        done = sigmac(option, shell, HOME=str(tmp_path))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"Shell {shell} is not supported.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shell", "script", "rc", "line"),
    [
        (
            "bash",
            ".bash_completions/sigmac.sh",
            ".bashrc",
            "source '{home}/.bash_completions/sigmac.sh'",
        ),
        ("zsh", ".zfunc/_sigmac", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
        ("fish", ".config/fish/completions/sigmac.fish", None, None),
    ],
)
def test_completion_is_installed_once_and_keeps_what_is_there(
    sigmac: Run, tmp_path: Path, shell: str, script: str, rc: str | None, line: str | None
) -> None:
    if rc is not None:
        (tmp_path / rc).write_bytes(b"alias l=ls # \xff")
    for _ in range(2):
        done = sigmac("--install-completion", shell, HOME=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == f"{shell} completion installed in {tmp_path / script}"
    assert f"_SIGMAC_COMPLETE={shell}_complete" in (tmp_path / script).read_text()
    if rc is not None and line is not None:
        wanted = f"alias l=ls # \\xff\n{line.format(home=tmp_path)}\n"
        assert (tmp_path / rc).read_text(errors="backslashreplace") == wanted
