"""`python -m tests.conformance.find_faults`: whether `--verify` tells on SigmaHQ's rules of faults planted in sigmac.

One fault after the other is planted in optimizer, lowering, code generation, decision programs and kernels. The rules
are built and verified with the pipeline `windows`, part by part until a difference is told: so a fault that is not told
was looked for in all of them. A fault of the compiler that changes no pack is none on these rules, nor is one of
kernels in what they never ask. Of the others at least 95 % must be told, or the exit status is 1.
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

from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.compiler.validation import verify as verification
from sigmac.compiler.validation.verify import verify
from sigmac.runtime.engine.machine_code import choice
from sigmac.runtime.processes import cores
from tests.conformance.corpora import FOLDER, MISSING, SigmaHQ
from tests.conformance.faulty_kernels import CHOSEN, kernels_with
from tests.unit.compiler.validation.planted import Fault, compiler_faults, kernel_faults, planted

NO_EFFECT = "none here"
CAUGHT = ("told", "crash")  # of the build or of wrong kernels: no pack is written
ENOUGH = 0.95  # of the faults that are to be told
OPTIONS = BuildOptions("faulty", pipelines=("windows",), skip_errors=True, jobs=1)
PART = 120  # rule files that are built and verified at once
SECONDS = 3600  # after which the search for one fault ends

_processes = multiprocessing.get_context(
    "fork"
)  # children have the kernels that were compiled here


@dataclass(frozen=True, slots=True)
class Search:
    """How the search for one fault ended, and after how many rules.

    It was told, or not; or it is none on these rules; or there was no pack, as the build crashed; or no end.
    """

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
        print(f"{each.outcome:9} after {each.rules:4} rules  {each.fault}", flush=True)
        if each.outcome != NO_EFFECT:
            told[each.fault.kind].append(each.outcome in CAUGHT)
    print()
    for kind, outcomes in sorted(told.items()):
        print(f"{sum(outcomes):3} of {len(outcomes):3} caught  {kind}")
    every = [outcome for outcomes in told.values() for outcome in outcomes]
    print(
        f"{sum(every):3} of {len(every):3} caught, {100 * sum(every) / max(1, len(every)):.1f} %, "
        f"in {time.perf_counter() - started:.0f} s"
    )
    return 0 if sum(every) >= ENOUGH * len(every) else 1


def find(faults: Sequence[Fault], sources: Sequence[SourceFile], jobs: int) -> Iterator[Search]:
    """Search for each fault in a process of its own, some at once: wrong kernels may end it, or never end."""
    for fault in faults:
        if fault.unasked:
            yield Search(fault, NO_EFFECT, 0)
    faults = [fault for fault in faults if not fault.unasked]
    in_kernels = [fault for fault in faults if fault.kind == "kernels"]
    if in_kernels:
        kernels = kernels_with(in_kernels)
        choice.find_kernels = lambda: kernels  # of this process and its children
    with _processes.Pool(jobs, maxtasksperchild=1) as pool:  # faults must find nothing remembered
        right = pool.map(built, parts_of(sources), 1)
    waiting = list(faults)[::-1]
    running: dict[Any, tuple[Fault, ForkProcess, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            fault = waiting.pop()
            number = in_kernels.index(fault) + 1 if fault in in_kernels else 0
            ours, theirs = _processes.Pipe(duplex=False)
            process = _processes.Process(
                target=_search, args=(theirs, fault, number, sources, right)
            )
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


def _search(
    answer: Any,
    fault: Fault,
    number: int,
    sources: Sequence[SourceFile],
    right: Sequence[BuildResult],
) -> None:
    """Send how the search for a fault ended; `number` is that of a fault of kernels."""
    CHOSEN[0] = number
    verification.MAX_DIFFERENCES = 1
    if number:
        answer.send(search(right))
    else:
        with planted(fault):
            answer.send(search(map(built, parts_of(sources)), right))


def parts_of(sources: Sequence[SourceFile]) -> list[Sequence[SourceFile]]:
    """The rule files in parts, each with rules of all folders."""
    parts = -(-len(sources) // PART)
    return [sources[part::parts] for part in range(parts)]


def search(builds: Iterable[BuildResult], right: Sequence[BuildResult] = ()) -> tuple[str, int]:
    """Whether a difference is told in some builds, and after how many rules.

    `right` are the same without a fault, if it is one of the compiler: a pack that is alike is not verified.
    """
    rules = 0
    outcome = NO_EFFECT if right else "NOT TOLD"
    for i, made in enumerate(builds):
        rules += made.rules
        if right and made.rendered == right[i].rendered:
            continue
        outcome = "NOT TOLD"
        if made.rendered and verify(made, OPTIONS).differences:
            return "told", rules
    return outcome, rules


def built(part: Sequence[SourceFile]) -> BuildResult:
    return compile_sources(part, OPTIONS, Cache(None))


if __name__ == "__main__":
    sys.exit(main())
