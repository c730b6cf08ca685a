"""`python -m tests.conformance.find_faults`: whether `--verify` tells on SigmaHQ's rules of faults planted in sigmac.

One fault after the other is planted in optimizer, lowering, code generation, decision programs and kernels. The rules
are built and verified with the pipeline `windows`, part by part until a difference is told: so a fault that is not told
was looked for in all of them. Exit status 1 where fewer than 95 % are told.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.compiler.validation import verify as verification
from sigmac.compiler.validation.verify import verify
from sigmac.runtime.engine.machine_code import choice
from sigmac.runtime.processes import cores
from tests.conformance.corpora import FOLDER, MISSING, SigmaHQ
from tests.conformance.faulty_kernels import CHOSEN, kernels_with
from tests.unit.compiler.validation.planted import Fault, compiler_faults, kernel_faults, planted

ENOUGH = 0.95  # of the faults that are to be told
PART = 120  # rule files that are built and verified at once
SECONDS = 3600  # after which the search for one fault ends

_processes = multiprocessing.get_context(
    "fork"
)  # children have the kernels that were compiled here


@dataclass(frozen=True, slots=True)
class Search:
    """How the search for one fault ended, and after how many rules: told, not told, or the build did not go through."""

    fault: Fault
    outcome: str
    rules: int


def main() -> int:
    """Print a line for each fault, and how many of each kind are told; the exit status."""
    given = argparse.ArgumentParser(prog="python -m tests.conformance.find_faults")
    given.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="look at each Nth file of rules only (default: all)",
    )
    given.add_argument(
        "--only", default="", metavar="WORD", help="faults with this in their place, as `kernels`"
    )
    given.add_argument("--jobs", type=int, default=cores(), metavar="N", help="faults at once")
    options = given.parse_args()
    if not FOLDER.is_dir():
        print(MISSING, file=sys.stderr)
        return 1
    wanted = [f for f in (*compiler_faults(), *kernel_faults()) if options.only in f.where]
    with tempfile.TemporaryDirectory(prefix="sigmac-faults-") as folder:
        sources = SigmaHQ(Path(folder)).sources[:: options.every]
        return report(find(wanted, sources, options.jobs))


def report(found: Iterable[Search]) -> int:
    """Print what was found as it comes in; the exit status."""
    told: dict[str, list[bool]] = defaultdict(list)
    started = time.perf_counter()
    for each in found:
        print(f"{each.outcome:8} after {each.rules:4} rules  {each.fault}", flush=True)
        told[each.fault.kind].append(each.outcome == "told")
    print()
    for kind, outcomes in sorted(told.items()):
        print(f"{sum(outcomes):3} of {len(outcomes):3} told  {kind}")
    every = [outcome for outcomes in told.values() for outcome in outcomes]
    print(
        f"{sum(every):3} of {len(every):3} told, {100 * sum(every) / max(1, len(every)):.1f} %, "
        f"in {time.perf_counter() - started:.0f} s"
    )
    return 0 if sum(every) >= ENOUGH * len(every) else 1


def find(faults: Sequence[Fault], sources: Sequence[SourceFile], jobs: int) -> Iterator[Search]:
    """Search for each fault in a process of its own, some at once: wrong kernels may end it, or never end."""
    in_kernels = [fault for fault in faults if fault.kind == "kernels"]
    if in_kernels:
        kernels = kernels_with(in_kernels)
        choice.find_kernels = lambda: kernels  # of this process and its children
    waiting = list(faults)[::-1]
    running: dict[Any, tuple[Fault, ForkProcess, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            fault = waiting.pop()
            number = in_kernels.index(fault) + 1 if fault in in_kernels else 0
            ours, theirs = _processes.Pipe(duplex=False)
            process = _processes.Process(target=_search, args=(theirs, fault, number, sources))
            process.start()
            theirs.close()
            running[ours] = fault, process, time.monotonic()
        late = [
            each for each, (_, _, began) in running.items() if time.monotonic() - began > SECONDS
        ]
        for connection in {*wait(running, 5), *late}:
            fault, process, _ = running.pop(connection)
            try:
                outcome, rules = connection.recv() if connection.poll() else ("no end", 0)
            except EOFError:
                outcome, rules = "crash", 0
            process.kill()
            process.join()
            yield Search(fault, outcome, rules)


def _search(answer: Any, fault: Fault, number: int, sources: Sequence[SourceFile]) -> None:
    """Send how the search for a fault ended; `number` is that of a fault of kernels."""
    CHOSEN[0] = number
    verification.MAX_DIFFERENCES = 1
    if number:
        answer.send(search(sources))
    else:
        with planted(fault):
            answer.send(search(sources))


def search(sources: Sequence[SourceFile]) -> tuple[str, int]:
    """Whether a difference is told, and after how many rules."""
    parts = -(-len(sources) // PART)
    options = BuildOptions("faulty", pipelines=("windows",), skip_errors=True, jobs=1)
    rules = 0
    for part in range(parts):
        # Each part has rules of all folders.
        made = compile_sources(sources[part::parts], options, Cache(None))
        if not made.rendered:
            continue
        found = verify(made, options)
        rules += found.rules
        if found.differences:
            return "told", rules
    return "NOT TOLD", rules


if __name__ == "__main__":
    sys.exit(main())
