"""A service over loaded packs, without workers: it does what it is asked for, and a test shows it matches."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sigmac.compiler.packaging.writer import write_pack
from sigmac.runtime import Pack, PackError, Rejected, Rule, load_pack
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.status import LeftOut, Outcome, PackStatus, ServiceStatus
from sigmac.runtime.service.watchers import Watchers
from tests.unit.packs import compile_text, rule
from tests.unit.runtime.service.fixed_service import STATUS, WINDOWS

WHOAMI = rule(
    "s: {Image|endswith: '\\whoami.exe'}\ncondition: s",
    "Whoami",
    "product: windows",
    id="5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11",
    level="high",
    tags="[attack.t1033]",
)
ADMIN = rule("s: {User: root}\ncondition: s", "Admin", "product: linux", level="low")
LEFT_OUT = LeftOut("rules/faulty.yml:3:1", "E_CONDITION", "there is no condition")
EVENT = {"Image": r"C:\Windows\System32\whoami.exe", "User": "root"}


def write_version(
    folder: Path, version: str, *, sign: bytes | None = None, rules: str = ""
) -> Path:
    """The folder of a pack of two rules, of this version."""
    text = rules or "---\n".join([WHOAMI, ADMIN])
    made = compile_text(text, folder / f"rules-{version}", version=version)
    write_pack(made.rendered, folder / f"pack-{version}", sign)
    return folder / f"pack-{version}"


def settings(state: Path, control: Mapping[str, Any], **pack: Any) -> Settings:
    """A configuration with one pack and a control plane on any free port."""
    return Settings(
        state=state,
        packs={"windows": {"path": "windows", **pack}},
        source={"stdin": {"pack": "windows"}},
        matches={"stdout": {}},
        dead_letters="drop",
        control={"bind": "127.0.0.1:0", **control},
    )


def load(folder: Path) -> Pack:
    """A pack that evaluates without kernels: whether they have been compiled is no matter of these tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SIGMAC_KERNELS", "off")
        pack = load_pack(folder)
        pack.engines()
    return pack


@dataclass
class _InService:
    running: Pack
    previous: Pack | None = None


class LoadedService:
    """Implements `Service`.

    `push` sets `pushing` and waits for `pushes`; `watched` is set when watchers come and go; `failure` is raised by
    `status`; `loading` makes it one whose packs are not loaded yet.
    """

    def __init__(self, folder: Path, state: Path):
        self.state: ServiceStatus = replace(STATUS, packs=[])
        self.watched = threading.Event()
        self.watchers = Watchers(self.watched.set)
        self.pushes = threading.Event()
        self.pushes.set()
        self.pushing = threading.Event()
        self.failure: Exception | None = None
        self.loading = False
        self._state = state
        self._pack = _InService(load(folder))

    def status(self) -> ServiceStatus:
        if self.failure is not None:
            raise self.failure
        pack, previous = self._pack.running, self._pack.previous
        described: PackStatus = replace(
            WINDOWS,
            pack=pack.name,
            version=pack.version,
            digest=hashlib.sha256((pack.path / "manifest.json").read_bytes()).hexdigest(),
            rules=len(pack),
            previous=previous.version if previous else None,
        )
        return replace(self.state, packs=[described])

    def rules(self, pack: str) -> Sequence[Rule]:
        assert pack == "windows"
        return self._pack.running.rules

    def running(self, pack: str) -> Pack:
        assert pack == "windows"
        if self.loading:
            raise KeyError(pack)
        return self._pack.running

    def left_out(self, digest: str) -> Sequence[LeftOut]:
        return [LEFT_OUT] if digest == self._pack.running.digest else []

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], Sequence[Rejected]]:
        assert pack == "windows"
        running = self._pack.running
        result = running.match_batch(records, logsource=logsource)
        described = {"name": running.name, "version": running.version}
        return [
            (record, {"rule": running.rules[index].on_the_wire(), "pack": described})
            for record, index in zip(result.record.tolist(), result.rule.tolist(), strict=True)
        ], result.rejected

    def folder(self, pack: str) -> Path:
        assert pack == "windows"
        return self._pack.running.path

    def push(self, pack: str, folder: Path) -> Outcome:
        self.pushing.set()
        self.pushes.wait()
        copy = self._state / "packs" / folder.name
        shutil.copytree(folder, copy)
        try:
            new = load(copy)
            if "Refused" in [each.title for each in new.rules]:
                raise PackError(f"{copy}: the pack is too slow")
        except PackError as error:
            return Outcome(False, str(error), self._pack.running.version)
        self._pack = _InService(new, self._pack.running)
        return Outcome(True, "", new.version)

    def rollback(self, pack: str) -> Outcome:
        if self._pack.previous is None:
            return Outcome(False, "no pack ran before this one", self._pack.running.version)
        self._pack = _InService(self._pack.previous, self._pack.running)
        return Outcome(True, "", self._pack.running.version)

    def pause(self) -> None:
        self.state = replace(self.state, paused=True)

    def resume(self) -> None:
        self.state = replace(self.state, paused=False)

    def matches(self) -> AbstractContextManager[Iterator[bytes]]:
        return self.watchers.watch()
