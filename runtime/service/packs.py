"""Packs in service: immutable copies by digest, which one runs, which ran before, and what the configured path holds.

    state/packs/<name>/<digest>/     a pack that runs, ran or was pushed; the last few are kept
    state/packs/<name>/running.json  which one runs, which ran before it, and what was last taken from the path

Workers load the copies, so a build that is being written over the configured path never reaches them half.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from sigmac.runtime.errors import ConfigurationError, PackError
from sigmac.runtime.pack import Pack, find_pack, load_pack
from sigmac.runtime.service.configuration import PackSettings

KEPT = 5  # packs of one name
_RUNNING = "running.json"
_MANIFEST = "manifest.json"
_MAX_PACK = 2 << 30  # bytes

# What the trial runs: everything of a pack is compiled once, away from the stream.
_TRIAL = """
import sys
from pathlib import Path
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.pack import load_pack
keys = [Path(key).read_bytes() for key in sys.argv[2:]]
try:
    load_pack(Path(sys.argv[1]), trusted_keys=keys).warm()
except SigmacError as error:
    sys.exit(str(error))
"""


class PackShelf:
    """The packs of one name of the configuration. One thread at a time uses it."""

    def __init__(self, name: str, settings: PackSettings, state: Path, timeout: float):
        self.name = name
        self.settings = settings
        self._timeout = timeout
        self._folder = state / "packs" / name
        self.keys = [_read_key(path) for path in settings.trusted_keys]
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f"state: {self._folder}: {error.strerror}") from None
        for left in self._folder.glob(".new-*"):
            shutil.rmtree(left, ignore_errors=True)
        remembered = self._remembered()
        self.running: str = remembered.get("running") or ""
        self.previous: str | None = remembered.get("previous")
        self.taken: str = remembered.get("taken") or ""  # digest last taken from the path
        self.refused: str = ""  # digest at the path that was refused

    def start(self) -> None:
        """Choose what runs: what ran last, unless the path holds something newer.

        Raises `PackError` where neither is there.
        """
        configured = self.configured()
        if (configured and configured != self.taken) or not self.running or not self.folder(self.running).is_dir():
            digest = self.adopt(find_pack(self.settings.path))
            self.decide(digest, taken=configured)
        else:
            self.load(self.running)

    def configured(self) -> str:
        """The digest of the pack at the configured path; empty where none is there now."""
        try:
            return digest_of(find_pack(self.settings.path))
        except (PackError, OSError):
            return ""

    def adopt(self, source: Path) -> str:
        """Copy a pack to the shelf, verify the copy, and try all of it in a process of its own; its digest.

        Raises `PackError` with one sentence where it is not to be run.
        """
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            _copy(source, made)
            digest = digest_of(made)
            load_pack(made, trusted_keys=self.keys)
            self._try(made)
            target = self.folder(digest)
            if target.exists():
                shutil.rmtree(target)
            made.chmod(0o700)
            made.rename(target)
            _sync(self._folder)
            return digest
        except OSError as error:
            raise PackError(f"{source}: {error.strerror or error}") from None
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _try(self, folder: Path) -> None:
        keys = [str(path) for path in self.settings.trusted_keys]
        try:
            done = subprocess.run(
                [sys.executable, "-c", _TRIAL, str(folder), *keys],
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PackError(f"the pack was not ready within {self._timeout:g} s") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise PackError(f"the pack cannot be loaded: {said[-1] if said else done.returncode}")

    def load(self, digest: str) -> Pack:
        """A pack of the shelf. Raises `PackError`."""
        return load_pack(
            self.folder(digest),
            trusted_keys=self.keys,
            memory_budget=int(self.settings.memory_budget_mib * (1 << 20)),
            workers=4,
        )

    def folder(self, digest: str) -> Path:
        return self._folder / digest

    def decide(self, digest: str, *, taken: str | None = None) -> None:
        """From now on this pack runs, also after a restart. Raises `PackError` where that cannot be written."""
        if digest != self.running:
            self.previous = self.running or None
        self.running = digest
        if taken is not None:
            self.taken = taken
        plain = {"running": self.running, "previous": self.previous, "taken": self.taken}
        temporary = self._folder / f".{_RUNNING}"
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps(plain))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._folder / _RUNNING)
            _sync(self._folder)
        except OSError as error:
            raise PackError(f"{self._folder}: {error.strerror or error}") from None
        self._tidy()

    def _tidy(self) -> None:
        needed = {self.running, self.previous}
        packs = sorted(
            (each for each in self._folder.iterdir() if each.is_dir() and each.name[0] != "."),
            key=lambda each: each.stat().st_mtime,
            reverse=True,
        )
        for each in packs[KEPT:]:
            if each.name not in needed:
                shutil.rmtree(each, ignore_errors=True)

    def _remembered(self) -> dict[str, str]:
        try:
            found = orjson.loads((self._folder / _RUNNING).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}  # the first start, or a file that nobody finished: the path says what runs
        valid = isinstance(found, dict) and all(
            value is None or (isinstance(value, str) and value.isalnum()) or value == ""
            for value in found.values()
        )
        return found if valid else {}


def digest_of(folder: Path) -> str:
    """sha256 of a pack's manifest, which holds the digests of all other files; hexadecimal."""
    return hashlib.sha256((folder / _MANIFEST).read_bytes()).hexdigest()


def _copy(source: Path, target: Path) -> None:
    """The plain files of a folder; links are not followed out of it."""
    total = 0
    for path in sorted(source.rglob("*")):
        if path.is_symlink() or "__pycache__" in path.parts:
            continue
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.is_file():
            total += path.stat().st_size
            if total > _MAX_PACK:
                raise PackError(f"{source}: larger than {_MAX_PACK >> 20:,} MiB")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"trusted_keys: {path}: {error.strerror}") from None
