"""The real program, run as its users run it."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sigmac.cli import main

ROOT = Path(__file__).resolve().parents[3]
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

RULES = r"""
title: Whoami Run As SYSTEM
id: 80167ada-7a12-41ed-b8e9-aa47195c66a1
status: test
level: high
description: |
  Somebody asks who they are,
  and is SYSTEM.
tags: [attack.t1033, attack.discovery]
logsource: {product: windows, category: process_creation}
detection:
  selection_user:
    User|contains: [AUTHORI, AUTORI]
  selection_image:
    - Image|endswith: '\whoami.exe'
    - OriginalFileName: whoami.exe
  filter_known:
    ParentImage: C:\tools\agent.exe
  condition: all of selection_* and not 1 of filter_*
---
title: "Admin # one"
id: 3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10
name: admin_one
level: low
logsource: {product: linux, service: auth}
detection:
  root: {uid: 0}
  words: [sudo, doas]
  condition: [root, words]
---
title: Many Admins
correlation:
  type: event_count
  rules: admin_one
  timespan: 5m
  condition: {gte: 3}
  generate: true
"""


def program(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
    """`sigmac` with these arguments; standard input is empty but for `stdin`."""
    given = environment.pop("stdin", "")
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return subprocess.run(
        [sys.executable, "-m", "sigmac", *map(str, arguments)],
        cwd=cwd,
        env={**plain, "PYTHONPATH": str(ROOT), **environment},
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def on_a_terminal(*arguments: str | Path, output: Path | None = None, **environment: str) -> str:
    """What `sigmac` writes to a terminal; its standard output goes to a file where there is an `output`."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with contextlib.ExitStack() as files:
        process = subprocess.Popen(
            [sys.executable, "-m", "sigmac", *map(str, arguments)],
            env={
                **plain,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm",
                "COLUMNS": "200",
                **environment,
            },
            stdout=theirs if output is None else files.enter_context(output.open("wb")),
            stderr=theirs,
        )
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:
        pass  # Linux says so at the end
    os.close(ours)
    assert process.wait() == 0
    return written.decode()


@pytest.fixture(scope="session")
def sigmac() -> Run:
    return program


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program, run in this process, which takes a tenth of the time."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["sigmac", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def rule_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rules and a correlation."""
    file = tmp_path_factory.mktemp("rules") / "admins.yml"
    file.write_text(RULES, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def built(rule_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the rule file; not to be changed."""
    folder = tmp_path_factory.mktemp("packs") / "admins"
    done = program(
        *("build", rule_file, "-o", folder, "--pack-version", "1.2.3"),
        *("--pipeline", "windows", "--pipeline", "windows-audit", "--no-cache"),
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def pack(built: Path, tmp_path: Path) -> Path:
    """A copy of the pack, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "admins"))
