"""The Go engine: module github.com/markuskont/go-sigma-rule-engine, records decoded by sonic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.result import CACHE, PeerResult, build, evaluate

NAME = "go-sigma-rule-engine"
PASSES = 3

_FOLDER = Path(__file__).parent
_PROGRAM = CACHE / "go" / "peer"


def run(rules: Path, events: Path) -> PeerResult:
    """Evaluate on one core. Raises `PeerMissing` where there is no Go."""
    build(NAME, ["go", "build", "-o", _PROGRAM, "."], folder=_FOLDER)
    return evaluate(NAME, _version(), [_PROGRAM, f"-passes={PASSES}", rules, events])


def limits(rule: dict[str, Any]) -> Iterator[str]:
    """What the engine is known to do otherwise than the specification, of what a rule makes use of."""
    yield "letters are compared as they are written"
    if re.search(r"\bnot\b", rule["detection"]["condition"]):
        yield "`not` over an absent field is false"
    strings = list(_strings(rule["detection"]))
    if any("?" in text and "*" not in text for _, text in strings):
        yield "`?` is literal"
    if any(
        re.search(r"\|(starts|ends)with", name) and re.search(r"[*?]|\\\\", text)
        for name, text in strings
    ):
        yield "startswith and endswith know no escapes and wildcards"


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The strings of a detection, each with the field and modifiers that it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, name)
    elif isinstance(value, str):
        yield name, value


def _version() -> str:
    found = re.search(r"go-sigma-rule-engine v(\S+)", (_FOLDER / "go.mod").read_text("utf-8"))
    assert found
    return found[1]
