"""rsigma: the Rust crates rsigma-parser and rsigma-eval, records decoded by simd-json."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.result import CACHE, PeerAlerts, PeerResult, build, correlate, evaluate

NAME = "rsigma"
PASSES = 3
# Which of its prefilters pays depends on rules and events, so each is tried; its index of candidates is always on.
FLAGS = ((), ("--bloom",), ("--cross-rule-ac",))

_FOLDER = Path(__file__).parent
_TARGET = CACHE / "rsigma"
PROGRAM = _TARGET / "release" / "rsigma-peer"


def run(rules: Path, events: Path, *, threads: int = 1) -> PeerResult:
    """Evaluate with each of the flags and give the fastest. Raises `PeerMissing` where there is no Cargo."""
    _build()
    options = [f"--passes={PASSES}", f"--threads={threads}"]
    results = [
        evaluate(NAME, _version(), [PROGRAM, rules, events, *options, *flags]) for flags in FLAGS
    ]
    return min(results, key=lambda result: result.seconds)


def run_correlations(rules: Path, events: Path, *, passes: int = PASSES) -> PeerAlerts:
    """Evaluate correlations. Raises `PeerMissing` where there is no Cargo."""
    _build()
    options = ["--correlations", f"--passes={passes}"]
    return correlate(NAME, _version(), [PROGRAM, rules, events, *options])


def limits(rule: dict[str, Any]) -> Iterator[str]:
    """None is known that SigmaHQ's rules would meet."""
    yield from ()


def _build() -> None:
    # The crates ask for a newer compiler than they need.
    command = ["cargo", "build", "--release", "--locked", "--ignore-rust-version"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(_TARGET)}
    build(NAME, command, folder=_FOLDER, environment=environment)


def _version() -> str:
    manifest = tomllib.loads((_FOLDER / "Cargo.toml").read_text("utf-8"))
    version: str = manifest["dependencies"]["rsigma-eval"]["version"]
    return version.removeprefix("=")
