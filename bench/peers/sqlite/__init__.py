"""The SQLite route: pySigma turns rules to SQL, events are rows of one table in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.result import CACHE, PeerResult, build, evaluate

NAME = "pySigma with SQLite"

_FOLDER = Path(__file__).parent
_REQUIREMENTS = _FOLDER / "requirements.txt"
_ENVIRONMENT = CACHE / "sqlite"
_PYTHON = _ENVIRONMENT / "bin" / "python"


def run(rules: Path, events: Path) -> PeerResult:
    """Load the events and evaluate, once; `parts` has both times. Raises `PeerMissing` where packages are missing."""
    _make_environment()
    return evaluate(NAME, _version(), [_PYTHON, _FOLDER / "query.py", rules, events])


def limits(rule: dict[str, Any]) -> Iterator[str]:
    """What the route is known to do otherwise than the specification, of what a rule makes use of."""
    text = str(rule["detection"])
    if re.search(r"[^\x00-\x7f]", text):
        yield "only ASCII letters are folded"
    if "None" in text:
        yield "an absent field and null are one"
    if "|re" in text:
        yield "regular expressions are Python's"
    yield "a list is one text"


def _make_environment() -> None:
    """A virtual environment with exactly the requirements, made anew when they change."""
    stamp = _ENVIRONMENT / "requirements.txt"
    wanted = _REQUIREMENTS.read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    build(NAME, [sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)])
    build(NAME, [_PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "-r", _REQUIREMENTS])
    stamp.write_bytes(wanted)


def _version() -> str:
    pins = dict(line.split("==") for line in _REQUIREMENTS.read_text("utf-8").splitlines() if line)
    return f"{pins['pysigma']}, backend {pins['pysigma-backend-sqlite']}"
