"""A supervisor with stand-in workers, and packs to push."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime.errors import SigmacError
from sigmac.runtime.pack.seal import MANIFEST, render_manifest, sha256
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.sections import PackSettings
from sigmac.runtime.service.observe.status import ServiceStatus
from sigmac.runtime.service.packs.shelf import PackShelf
from sigmac.runtime.service.supervisor import Supervisor
from sigmac.runtime.service.workers.crew import Backoff
from tests.unit.packs import rule, write_text_pack

STAND_IN = Path(__file__).with_name("stand_in.py")
QUICK = Backoff(first=0.01, last=0.04, ran_well=60)
IMPATIENT = 60.0  # seconds for anything that a test waits for


def eventually(what: Callable[[], object]) -> Any:
    """What `what` gives once it is true."""
    until = time.monotonic() + IMPATIENT
    while not (found := what()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
    return found


class Stage:
    """A folder with the behaviour of stand-in workers, and a configuration."""

    def __init__(self, folder: Path, pack: Path, state: Path):
        self.folder = folder
        self.pack = pack
        self.state = state
        self.backoff = QUICK

    def play(self, worker: int, **does: Any) -> None:
        """What a worker does from its next start on."""
        (self.folder / f"{worker}.json").write_text(json.dumps(does))

    def told(self, worker: int, do: str = "") -> list[dict[str, Any]]:
        """What a worker was told, through all its lives."""
        file = self.folder / f"{worker}.told"
        lines = file.read_text().splitlines() if file.exists() else []
        said = [json.loads(line) for line in lines]
        return [each for each in said if not do or each["do"] == do]

    def process(self, worker: int) -> dict[str, Any]:
        """Pid, arguments and environment of a worker's last life."""
        found: dict[str, Any] = json.loads((self.folder / f"{worker}.process").read_text())
        return found

    def settings(self, workers: int = 2, **changes: Any) -> Settings:
        for index in range(workers):
            if not (self.folder / f"{index}.json").exists():
                self.play(index)
        plain = {
            "workers": workers,
            "state": self.state,
            "packs": {"test": {"path": str(self.pack)}},
            "source": {
                "kafka": {
                    "properties": {"bootstrap.servers": "127.0.0.1:1", "group.id": "g"},
                    "inputs": [{"topics": ["t"], "pack": "test"}],
                }
            },
            "matches": {"kafka": {"topic": "m"}},
            "dead_letters": "drop",
            "reload": {"watch": 0, "timeout": 30},
            "shutdown": {"timeout": 5},
            "control": {"bind": "127.0.0.1:0", "allow_unsigned_packs": True},
        }
        return Settings(**(plain | changes))

    def supervisor(self, workers: int = 2, **changes: Any) -> Supervisor:
        command = (sys.executable, str(STAND_IN), str(self.folder))
        settings = self.settings(workers, **changes)
        with pytest.MonkeyPatch.context() as environment:
            # Whether kernels have been compiled is no matter of these tests.
            environment.setenv("SIGMAC_KERNELS", "off")
            return Supervisor(settings, "0", command=command, backoff=self.backoff)

    @contextmanager
    def running(self, workers: int = 2, **changes: Any) -> Iterator[Run]:
        """A supervisor at work; stopped at the end."""
        run = Run(self.supervisor(workers, **changes))
        run.start()
        try:
            yield run
        finally:
            run.supervisor.stop()
            run.join()


class Run(threading.Thread):
    """A supervisor in a thread, and how it ended."""

    def __init__(self, supervisor: Supervisor):
        super().__init__(daemon=True)
        self.supervisor = supervisor
        self.error: SigmacError | None = None

    def run(self) -> None:
        try:
            self.supervisor.run()
        except SigmacError as error:
            self.error = error

    def status(self) -> ServiceStatus:
        return self.supervisor.status()

    def when(self, true: Callable[[ServiceStatus], object]) -> ServiceStatus:
        """The status, once it is as wanted."""
        found: ServiceStatus = eventually(
            lambda: (status := self.status()) and true(status) and status
        )
        return found

    def versions(self) -> list[str]:
        return [pack.version for pack in self.status().packs]

    def when_ready(self) -> ServiceStatus:
        return self.when(lambda status: status.ready)

    def ended(self) -> SigmacError | None:
        """How it ended, once it did."""
        self.join(IMPATIENT)
        assert not self.is_alive()
        return self.error


def reseal(pack: Path, changes: dict[str, Any] | None = None, **files: str | bytes | None) -> Path:
    """Change files of a pack (`conditions_py="…"`) and its manifest, and seal it again as a compiler would."""
    manifest = json.loads((pack / MANIFEST).read_bytes())
    for key, content in files.items():
        name = key.replace("_py", ".py").replace("_npz", ".npz")
        data = content.encode() if isinstance(content, str) else content
        if data is not None:
            (pack / name).write_bytes(data)
            manifest["files"][name] = sha256(data)
    (pack / MANIFEST).write_bytes(render_manifest(manifest | (changes or {})))
    return pack


def make(folder: Path, version: str, *titles: str) -> Path:
    """A pack of this version with a rule of each title."""
    rules = [rule(f"s: {{Name: {title.lower()}}}\ncondition: s", title=title) for title in titles]
    pack = write_text_pack("---\n".join(rules), folder)
    return reseal(pack, {"version": version})


@pytest.fixture(scope="session")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packs by version; not to be changed. In `2` the rules of `1` have other indices."""
    folder = tmp_path_factory.mktemp("packs")
    made = {"1": ("Apple", "Plum"), "2": ("Plum", "Quince", "Apple"), "3": ("Quince",)}
    return {version: make(folder / version, version, *titles) for version, titles in made.items()}


@pytest.fixture(scope="session")
def shelved(tmp_path_factory: pytest.TempPathFactory, packs: dict[str, Path]) -> Path:
    """The state folder of a service that ran pack `1`, which is not tried again."""
    state = tmp_path_factory.mktemp("shelved")
    shelf = PackShelf("test", PackSettings(path=str(packs["1"])), state)
    digest = shelf.adopt(packs["1"])
    shelf.decide(digest, taken=digest)
    return state


@pytest.fixture
def stage(tmp_path: Path, packs: dict[str, Path], shelved: Path) -> Stage:
    state = shutil.copytree(shelved, tmp_path / "state")
    return Stage(tmp_path, packs["1"], state)
