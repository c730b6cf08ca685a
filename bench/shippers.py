"""One Go program with the Go engine, and with its import path changed: `bench/shipper/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.corpus import WINDOWS_SMALL, read_lines
from bench.figures import Figure, note
from bench.packs import Packs
from bench.peers import go
from bench.peers.agreement import copy_rules
from bench.peers.result import CACHE, PeerMissing, build
from bench.used import most_memory
from sigmac import Pack, load_pack

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
WORKERS = 128  # goroutines: they wait for a process
FEW = 1_000  # events, where they take long
MANY = 10_000  # rules

_PROGRAM = Path(__file__).parent / "shipper"
_THEIRS = '"github.com/markuskont/go-sigma-rule-engine"'
_OURS = "sigmac/clients/go/sigma"


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run says; `seconds` of its fastest pass, `p50` and `p99` of one call, `memory` at most, in MB."""

    records: int
    seconds: float
    start: float  # seconds until there are rules
    p50: float
    p99: float
    matches: Mapping[str, int]
    memory: float

    @property
    def an_event(self) -> float:
        """In µs."""
        return self.seconds / self.records * 1e6


def measure(packs: Packs) -> Iterator[Figure]:
    """An event in a Go program, decoded and evaluated: with either engine, each on one core; and one call alone."""
    try:
        theirs, ours = _build_theirs(), _build_ours()
    except PeerMissing as reason:
        note(str(reason))
        return
    lines = read_lines(WINDOWS_SMALL)
    events, few = packs.folder / "shipped.ndjson", packs.folder / "shipped-few.ndjson"
    events.write_bytes(b"\n".join(lines) + b"\n")
    few.write_bytes(b"\n".join(lines[:: len(lines) // FEW]) + b"\n")
    rules = packs.folder / "shipped-rules"
    own = {rule.id or "" for rule in load_pack(packs.whole).rules}
    known = _run(theirs, packs.rules, few).matches
    copy_rules(packs.rules, own & known.keys(), rules)
    left = packs.build("shipped", rules, ("--pipeline", "go-keywords"))
    pipelines = ("--pipeline", "go-keywords", "--pipeline", "go-white-space")
    collapsed = packs.build("shipped-collapsed", rules, pipelines)
    cores = sorted(os.sched_getaffinity(0))
    many = (f"-workers={WORKERS}", "-passes=5")
    found: defaultdict[str, list[_Run]] = defaultdict(list)
    with (
        _serving(left, cores[-1]) as apart,
        _serving(left, cores[0]) as beside,
        _serving(collapsed, cores[-1]) as other,
    ):
        # In turns, so that they share what the machine does meanwhile
        for _ in range(ROUNDS):
            found["theirs"].append(_run(theirs, rules, events))
            found["ours"].append(_run(ours, rules, events, *many, by=apart))
            found["on one core"].append(_run(ours, rules, events, *many, by=beside))
            found["theirs alone"].append(_run(theirs, rules, few))
            found["ours alone"].append(_run(ours, rules, few, "-passes=3", by=apart))
            found["theirs collapsed"].append(_run(theirs, rules, few, "-collapse"))
            found["ours collapsed"].append(_run(ours, rules, events, "-collapse", *many, by=other))
        served = most_memory(apart.process)
    fastest = {name: min(runs, key=lambda each: each.seconds) for name, runs in found.items()}
    yield from _figures(fastest, len(own & known.keys()))
    yield from _memory(fastest["theirs"].memory, fastest["ours"].memory, served)
    yield from _single(load_pack(left), lines)
    packs.many(MANY)
    start = _run(theirs, packs.folder / f"rules-{MANY}", few).start
    yield Figure(f"{go.NAME} in a Go program: start with {MANY:,} rules", start, "s", ours=False)


def _figures(of: Mapping[str, _Run], rules: int) -> Iterator[Figure]:
    theirs, ours = of["theirs"], of["ours"]
    same = sum(ours.matches.get(rule) == count for rule, count in theirs.matches.items())
    note(f"of {rules:,} rules that both read, {same:,} match as often")
    what = f"{rules:,} rules, {theirs.records:,} events"
    name = f"{go.NAME} in a Go program"
    yield Figure(f"{name}, {what}: an event", theirs.an_event, "µs", ours=False)
    yield Figure(f"sigmac in the same program, {what}: an event", ours.an_event, "µs")
    yield Figure(
        f"{name}, by its defaults: an event", of["theirs collapsed"].an_event, "µs", ours=False
    )
    yield Figure(
        "sigmac in the same program, by its defaults: an event", of["ours collapsed"].an_event, "µs"
    )
    for added, one, other in (
        ("white space left as it is", "theirs", "ours"),
        ("the same, program and sigmac on one core", "theirs", "on one core"),
        ("white space collapsed, the default", "theirs collapsed", "ours collapsed"),
    ):
        ratio = of[one].an_event / of[other].an_event
        reach = "" if other == "on one core" else "≥ 20"
        yield Figure(f"sigmac against {name}, {added}", ratio, "×", reach)
    for share in ("p50", "p99"):
        each = (getattr(of[run], share) * 1e6 for run in ("theirs alone", "ours alone"))
        yield Figure(f"{name}: one EvalAll, {share}", next(each), "µs", ours=False)
        yield Figure(f"sigmac in the same program: one EvalAll, {share}", next(each), "µs")


def _memory(theirs: float, ours: float, served: float) -> Iterator[Figure]:
    """Of the program with the Go engine; of the program and of sigmac that serves it."""
    name = f"{go.NAME} in a Go program"
    yield Figure(f"{name}: memory at most", theirs, "MB", ours=False)
    yield Figure("sigmac in the same program: memory at most, of the program", ours, "MB")
    yield Figure("sigmac in the same program: memory at most, of sigmac", served, "MB")
    yield Figure(f"sigmac against {name}: memory", (ours + served) / theirs, "×", "≤ 0.5")


def _single(pack: Pack, lines: Sequence[bytes]) -> Iterator[Figure]:
    """One event by `Pack.match`, decoded before."""
    events = [orjson.loads(line) for line in lines]
    took = []
    for _ in range(2):  # the first time is warm-up
        took.clear()
        for event in events:
            started = time.perf_counter_ns()
            pack.match(event)
            took.append(time.perf_counter_ns() - started)
    took.sort()
    yield Figure("one event by `Pack.match`, p50", took[len(took) // 2] / 1e3, "µs")
    yield Figure("one event by `Pack.match`, p99", took[len(took) * 99 // 100] / 1e3, "µs", "≤ 100")


def _build_theirs() -> Path:
    target = CACHE / "shipper" / "theirs"
    build(go.NAME, ["go", "build", "-o", target, "."], folder=_PROGRAM)
    return target


def _build_ours() -> Path:
    """The same program with the import path changed, built from a copy of it."""
    folder = CACHE / "shipper" / "ours"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("go.mod", "go.sum"):
        (folder / file).write_bytes((_PROGRAM / file).read_bytes())
    text = (_PROGRAM / "main.go").read_text(encoding="utf-8")
    assert _THEIRS in text
    (folder / "main.go").write_text(text.replace(_THEIRS, f'"{_OURS}"'), encoding="utf-8")
    module = ROOT / "clients" / "go" / "sigma"
    name = "the Go package"
    changes = [f"-require={_OURS}@v0.0.0", f"-replace={_OURS}={module}", "-go=1.26.0"]
    build(name, ["go", "mod", "edit", *changes], folder=folder)
    build(name, ["go", "build", "-mod=mod", "-o", "shipper", "."], folder=folder)
    return folder / "shipper"


def _run(
    program: Path, rules: Path, events: Path, *options: str, by: _Served | None = None
) -> _Run:
    """A run on the first core."""
    environment = {**os.environ, "SIGMAC_SOCKET": str(by.socket)} if by else None
    with subprocess.Popen(
        [program, *options, rules, events],
        env=environment,
        stdout=subprocess.PIPE,
        preexec_fn=_on(min(os.sched_getaffinity(0))),
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, str(program))
    answer: dict[str, Any] = json.loads(said)
    memory = used.ru_maxrss * 1024 / 1e6
    names = [name for name in _Run.__slots__ if name != "memory"]
    return _Run(**{name: answer[name] for name in names}, memory=memory)


@dataclass(frozen=True, slots=True)
class _Served:
    """A sigmac that answers at a socket."""

    socket: Path
    process: int


@contextmanager
def _serving(pack: Path, core: int) -> Iterator[_Served]:
    """A sigmac on one core."""
    socket = pack.parent / f"socket-{core}-{pack.name}" / "s"
    command: Sequence[str | Path] = [sys.executable, "-m", "sigmac", "serve", pack]
    process = subprocess.Popen(
        [*command, "--until-eof", "--socket", socket],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=_on(core),
    )
    try:
        yield _Served(socket, process.pid)
    finally:
        process.communicate()


def _on(core: int) -> Any:
    return lambda: os.sched_setaffinity(0, {core})
