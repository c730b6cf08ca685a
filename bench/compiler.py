"""What a build costs: each figure is a whole process of its own, as a user or CI starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from bench.corpus import unpack_rules
from bench.figures import Figure, best
from bench.packs import Packs
from sigmac.compiler.syntax.yaml_nodes import documents

RUNS = 3


def measure(packs: Packs) -> Iterator[Figure]:
    """Build time and memory for all of SigmaHQ with `windows`: cold, nothing changed, one rule changed."""
    folder = packs.folder / "build"
    rules = unpack_rules(folder)  # one of them is changed
    command = [sys.executable, "-m", "sigmac", "build", str(rules), "--skip-errors"]
    command += [
        "--pipeline",
        "windows",
        "-o",
        str(folder / "pack"),
        "--cache-dir",
        str(folder / "cache"),
    ]
    cold = [run_alone([*command, "--no-cache"]) for _ in range(RUNS)]
    yield Figure("build, cold", best(each[0] for each in cold), "s", "≤ 4")
    yield Figure("build, cold: largest process", max(each[1] for each in cold), "MB", "≤ 500")
    run_alone(command)
    yield Figure(
        "build, nothing changed", best(run_alone(command)[0] for _ in range(RUNS)), "s", "≤ 0.4"
    )
    changed = next(rules.rglob("proc_creation_win_*.yml"))
    times = []
    for run in range(RUNS):
        changed.write_text(changed.read_text("utf-8") + f"# {run}\n", "utf-8")
        times.append(run_alone(command)[0])
    yield Figure("build, one rule changed", best(times), "s", "≤ 0.8")
    yield from _positions(rules)


# What a process is said to have used includes what it was forked from had: that is a small one here.
_RUN = """
import resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def run_alone(command: list[str]) -> tuple[float, float]:
    """Seconds of a command, and megabytes of its largest process."""
    # As a user has it: Python keeps what it compiled of sigmac's own modules.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *command], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes * 1024 / 1e6


def _positions(rules: Path) -> Iterator[Figure]:
    """What positions cost: our nodes against PyYAML's own loading of the same files."""
    data = [path.read_bytes() for path in rules.rglob("*.yml")]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def plain() -> None:
        for each in data:
            list(yaml.load_all(each, Loader=loader))

    def ours() -> None:
        for each in data:
            list(documents(each, "rule.yml"))

    yield Figure(
        "YAML with positions against without", _seconds(ours) / _seconds(plain), "×", "≤ 2"
    )


def _seconds(work: object) -> float:
    assert callable(work)
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)
