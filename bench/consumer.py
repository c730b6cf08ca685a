"""What sigmac costs where packs only run: a virtual environment with the wheel and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from bench.corpus import WINDOWS, read_batches
from bench.figures import Figure, best, note
from bench.packs import Packs
from bench.variation import with_values
from sigmac import load_pack

ROOT = Path(__file__).resolve().parent.parent
EVENTS = 1_000_000
STARTS = 7

_FIRST_MATCH = r"""
import sys
import sigmac
pack = sigmac.load_pack(sys.argv[1])
event = rb'{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\whoami.exe", '
result = pack.match_batch(event + rb'"CommandLine": "whoami /all", "OriginalFileName": "whoami.exe"}')
print(len(result), flush=True)
print(bool(pack.engines()))
"""
_MEMORY = """
import re, sys
from pathlib import Path
import sigmac
from sigmac.runtime.inputs.lines import Buffers
from sigmac.runtime.reading.reading import Reading, read_events
pack = sigmac.load_pack(sys.argv[1])
for block in read_events("-", Reading(buffers=Buffers())):
    pack.match_lines(block.data)
    block.done()
status = Path("/proc/self/status").read_text()
print(*(re.search(name + r":\\s+(\\d+) kB", status)[1] for name in ("VmRSS", "VmHWM")))
"""


class Consumer:
    """An environment with sigmac's wheel and what it depends on, without pip; else the one that runs this."""

    def __init__(self, folder: Path):
        self.folder = folder / "consumer"

    @cached_property
    def python(self) -> Path:
        note("installing the wheel into an environment of its own")
        wheels = self.folder.with_name("wheel")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        try:
            subprocess.run(
                [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)],
                check=True,
            )
            venv.create(self.folder)
            python = self.folder / "bin" / "python"
            wheel = next(wheels.glob("sigmac-*.whl"))
            subprocess.run(
                [*pip, "--python", str(python), "install", "--quiet", str(wheel)], check=True
            )
        except subprocess.CalledProcessError:
            note("there is no consumer's environment: this one is measured, and no install size")
            return Path(sys.executable)
        return python

    @property
    def installed(self) -> bool:
        return self.python.is_relative_to(self.folder)

    def size(self) -> int:
        """Bytes of all files on disk, Python itself not counted; its own compiled modules are."""
        return sum(
            path.stat().st_blocks * 512
            for path in self.folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        )


def measure(packs: Packs) -> Iterator[Figure]:
    """Install size, time to the first match, resident memory."""
    consumer = Consumer(packs.folder)
    if consumer.installed:
        yield Figure("install on disk", consumer.size() / 1e6, "MB", "≤ 130")
    for path in (packs.windows, packs.many(10_000)):
        seconds = best(_start(consumer.python, path) for _ in range(STARTS))
        what = f"process start to first match, {len(load_pack(path)):,} rules"
        yield Figure(what, seconds, "s", "< 0.5")
    for path in (packs.windows, packs.whole):
        rules = f"{len(load_pack(path)):,} rules, {EVENTS:,} events"
        resident, most = _memory(consumer.python, path)
        yield Figure(f"resident memory, {rules}", resident, "MB", "≤ 150")
        yield Figure(f"resident memory at most, {rules}", most, "MB")


def _start(python: Path, pack: Path) -> float:
    """Seconds from the start of a process to its first match."""
    started = time.perf_counter()
    command = [str(python), "-c", _FIRST_MATCH, str(pack)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=pack.parent) as process:
        assert process.stdout is not None
        answer = process.stdout.readline()
        seconds = time.perf_counter() - started
        by_kernels = process.stdout.read().strip() == b"True"
    if not answer.strip().isdigit() or not int(answer):
        sys.exit("bench: the first event did not match")
    if not by_kernels:
        note("there are no kernels for this machine: the scalar path is measured")
    return seconds


def _memory(python: Path, pack: Path) -> tuple[float, float]:
    """Megabytes resident after all events, and at most. The recordings are repeated with other values."""
    command = [str(python), "-c", _MEMORY, str(pack)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=pack.parent
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        keep = load_pack(pack).manifest["logsource_fields"]
        for data in _repeated(keep):
            process.stdin.write(data)
        process.stdin.close()
        resident, most = map(int, process.stdout.read().split())
    return resident * 1024 / 1e6, most * 1024 / 1e6


def _repeated(keep: list[str]) -> Iterator[bytes]:
    batches = list(read_batches(WINDOWS))
    left, repetition = EVENTS, 0
    while left:
        for batch in batches:
            lines = batch.lines[:left]
            left -= len(lines)
            if repetition:
                lines = list(with_values(lines, f"{repetition} {{}}".format, keep))
            if lines:
                yield b"\n".join(lines) + b"\n"
        repetition += 1
