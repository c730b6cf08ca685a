"""Generated source in the formatter's style."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from sigmac.compiler.codegen.formatter import LINE_LENGTH, format_pieces, format_source
from sigmac.runtime.errors import SigmacError


def test_source_is_laid_out() -> None:
    assert format_source("x = {'a':1}\n\n\n\ny=(1,)") == 'x = {"a": 1}\n\n\ny = (1,)\n'


def test_lines_are_broken() -> None:
    words = ", ".join(['"word"'] * 30)
    made = format_source(f"found = event.contains({words})\n")
    assert max(map(len, made.splitlines())) <= LINE_LENGTH


def test_what_is_no_python_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="not valid"):
        format_source("def (:\n")


def test_a_formatter_that_is_killed_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess[bytes]([], -signal.SIGKILL, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SigmacError, match="killed by signal 9"):
        format_source("x = 1\n")


def test_pieces_are_formatted_each_by_itself() -> None:
    pieces = ["def a( ): return '# piece 0'", "b = [ 1 ]\n\n\n", '"""\n# piece\n"""']
    assert format_pieces(pieces) == [
        'def a():\n    return "# piece 0"\n',
        "b = [1]\n",
        '"""\n# piece\n"""\n',
    ]
    assert format_pieces([]) == []


def test_a_settings_file_nearby_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ruff.toml").write_text("line-length = 20\n[format]\nquote-style = 'single'\n")
    monkeypatch.chdir(tmp_path)
    assert format_source("x = ['aaaaaaaaaa', 'bbbbbbbbbb']") == 'x = ["aaaaaaaaaa", "bbbbbbbbbb"]\n'
