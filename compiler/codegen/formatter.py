"""Lays generated source out as the formatter of the field does: `ruff format` with its defaults."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from sigmac.runtime.errors import SigmacError

LINE_LENGTH = 88
MAX_AT_ONCE = 16 << 20  # characters: the formatter takes some fifty times as many bytes


def format_source(source: str) -> str:
    """Python source in the formatter's style.

    Raises `SigmacError` where the formatter is killed, and `RuntimeError` where the source is no Python: a bug of the
    generator.
    """
    from ruff.__main__ import find_ruff_bin

    command = [
        find_ruff_bin(),
        "format",
        "--isolated",
        "--no-cache",
        "--line-length",
        str(LINE_LENGTH),
    ]
    done = subprocess.run(
        [*command, "--stdin-filename", "generated.py", "-"],
        input=source.encode("utf-8"),
        capture_output=True,
        check=False,
    )
    if done.returncode < 0:
        raise SigmacError(f"the formatter (ruff) was killed by signal {-done.returncode}")
    if done.returncode:
        raise RuntimeError(f"generated source is not valid: {done.stderr.decode()[:2000]}")
    return done.stdout.decode("utf-8")


def format_pieces(pieces: Sequence[str]) -> list[str]:
    """Top-level statements, each formatted by itself; one process for as many as fit into `MAX_AT_ONCE`."""
    done: list[str] = []
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        if waiting and length + len(piece) > MAX_AT_ONCE:
            done += _format_together(waiting)
            waiting, length = [], 0
        waiting.append(piece)
        length += len(piece)
    return done + _format_together(waiting) if waiting else done


def _format_together(pieces: Sequence[str]) -> list[str]:
    source = "".join(f"# piece {i}\n{piece}\n" for i, piece in enumerate(pieces))
    # Generated literals hold no line breaks, so that no rule can write such a line.
    formatted = re.split(r"^# piece \d+\n", format_source(source), flags=re.MULTILINE)[1:]
    assert len(formatted) == len(pieces)
    return [piece.strip("\n") + "\n" for piece in formatted]
