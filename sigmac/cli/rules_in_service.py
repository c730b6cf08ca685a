"""Rules that a service makes its pack of: built by a process of their own, and again when their files change."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from sigmac.cli.options import say
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime.errors import InputError, SigmacError
from sigmac.runtime.service.observe.status import LeftOut
from sigmac.runtime.service.packs.shelf import digest_of
from sigmac.runtime.service.packs.trial import interpreter

_LOOK = 1.0  # seconds between two looks at the files


class RulesInService:
    """A pack in a folder, made of rules; `left_out` tells what it lacks, by its digest.

    The compiler runs in processes that end: what it needs is not kept by a service that runs for months.
    """

    def __init__(self, paths: Sequence[str], pipelines: Sequence[str], folder: Path):
        self._paths = paths
        self._options = [word for each in pipelines for word in ("--pipeline", each)]
        self.folder = folder
        self.left_out: dict[str, Sequence[LeftOut]] = {}
        self._stamps = [*self._now()]

    def build(self) -> None:
        """Build the pack. Raises `SigmacError` where no rule can be built; then the one that is there stays."""
        command = [*interpreter(), "-m", "sigmac", "build", "--no-project", "--skip-errors"]
        chosen = ["--format", "json", *self._options, "-o", str(self.folder), "--name", "rules"]
        done = subprocess.run(
            [*command, *chosen, "--", *self._paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            told = orjson.loads(done.stdout)["diagnostics"]
        except orjson.JSONDecodeError:
            told = []  # it ended before it looked at a rule, and said why
        faults = [_left_out(each) for each in told if each["severity"] == "error"]
        if done.returncode:
            first = f": {faults[0].source}: {faults[0].message}" if faults else ""
            raise SigmacError(f"no pack can be built of {', '.join(self._paths)}{first}")
        digest = digest_of(self.folder)
        assert digest is not None
        self.left_out[digest] = faults

    def follow(self, stopping: threading.Event) -> None:
        """Build anew whenever files have changed, until the service stops; in a thread."""
        threading.Thread(target=self._follow, args=(stopping,), name="rules", daemon=True).start()

    def _follow(self, stopping: threading.Event) -> None:
        while not stopping.wait(_LOOK):
            try:
                now = [*self._now()]
                if now != self._stamps:
                    self._stamps = now
                    self.build()
            except SigmacError as error:
                say(f"sigmac: {error}; the rules before stay in service")

    def _now(self) -> Iterator[tuple[str, int, int, int]]:
        """What changes when a rule is written, removed or replaced."""
        try:
            sources = find_sources(self._paths)
        except InputError:
            return  # all are gone: the build says so
        for each in sources:
            try:
                status = os.stat(each.path)
            except OSError:
                continue
            yield each.source, status.st_ino, status.st_size, status.st_mtime_ns


def _left_out(told: Mapping[str, object]) -> LeftOut:
    place = f"{told['file']}:{told['line']}:{told['column']}"
    return LeftOut(place, str(told["code"]), str(told["message"]))
