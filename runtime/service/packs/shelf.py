"""Packs in service: verified copies by digest, which one runs, which ran before, and what the configured path holds.

    state/packs/<name>/<digest>/     a pack that runs, ran or is being tried; the last few are kept
    state/packs/<name>/running.json  which one runs, which ran before it, and what was last taken from the path

Workers load the copies: what is being written to the configured path never reaches them half, and a worker that
starts again has the same bytes as the others.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from sigmac.runtime.errors import ConfigurationError, PackError
from sigmac.runtime.pack import seal
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.pack.pack import Pack, load_pack
from sigmac.runtime.pack.trust import check_identity
from sigmac.runtime.service.config.key_files import read_key
from sigmac.runtime.service.config.sections import PackSettings

log = structlog.get_logger("sigmac.service.packs")

KEPT = 5  # packs of one name
_EVALUATING = 4  # threads that may evaluate with a pack at once, for clients of the control plane
_RUNNING = "running.json"
_MAX_PACK = 1 << 30  # bytes of all files
_MAX_FILES = 10_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Decision:
    """Digests: of the pack that runs, of the one before it, and of the one last taken from the configured path."""

    running: str
    previous: str | None = None
    taken: str | None = None


class PackShelf:
    """The packs of one name of the configuration. One thread at a time uses it."""

    def __init__(self, name: str, settings: PackSettings, state: Path):
        """Raises `ConfigurationError` where the folder cannot be written or a key cannot be read."""
        self.name = name
        self.keys = [read_key(path) for path in settings.trusted_keys or ()]
        # As `load_pack` takes it, wherever a pack of this name is loaded
        self.loading: Mapping[str, Any] = {
            "trusted_keys": self.keys or None,
            "name": settings.name,
            "least_version": settings.least_version,
            "memory_budget": int(settings.memory_budget_mib * (1 << 20)),
            "max_values": settings.max_values,
        }
        self.path = settings.path
        self._folder = state / "packs" / name
        try:
            for each in (state, state / "packs", self._folder):
                if not each.exists():
                    each.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self._folder.glob(".new-*"):
                shutil.rmtree(left)
            self.decision = self._remembered()
            _write(self._folder / f".{_RUNNING}", b"")  # better told now than at the first new pack
        except OSError as error:
            raise ConfigurationError(
                f"state: {self._folder} cannot be written: {error.strerror or error}"
            ) from None

    def folder(self, digest: str) -> Path:
        """Where the copy of a pack lies, or would lie."""
        return self._folder / digest

    def configured(self) -> Path:
        """The folder that the configured path or name means now. Raises `PackError`."""
        return find_pack(self.path)

    def adopt(self, source: Path) -> str:
        """Verify a pack, copy it to the shelf, and give its digest. Nothing of it is executed.

        Raises `PackError` with one sentence where it does not verify or cannot be copied.
        """
        manifest, data = seal.read_manifest(source)
        try:
            check_identity(manifest, self.loading["name"], self.loading["least_version"])
        except PackError as error:
            raise PackError(f"{source}: {error}") from None
        _check_size(source, manifest["files"])
        files = {**seal.read_files(source, manifest), seal.MANIFEST: data}
        signature = seal.read_signature(source)
        if signature is not None:
            files[seal.SIGNATURE] = signature
        digest = seal.sha256(data)
        try:
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
            try:
                for name, content in files.items():
                    _write(made / name, content)
                self._check_signature(source, made, data)
                self._put(made, self.folder(digest), files)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except OSError as error:
            raise PackError(f"{self._folder}: {error.strerror or error}") from None
        return digest

    def _check_signature(self, source: Path, copy: Path, manifest: bytes) -> None:
        try:
            seal.check_signature(copy, manifest, self.keys or None)
        except PackError as error:
            # The one who reads it knows the pack by where it came from.
            raise PackError(str(error).replace(str(copy), str(source))) from None

    def _put(self, made: Path, target: Path, files: dict[str, bytes]) -> None:
        for folder in (made, *(each for each in made.rglob("*") if each.is_dir())):
            _sync(folder)
        if target.is_dir():
            # The same pack, whose copy may be damaged, and whose signature may be another: a worker may be reading it.
            for name in files:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).replace(target / name)
            os.utime(target)
        else:
            made.rename(target)
        _sync(self._folder)

    def load(self, digest: str) -> Pack:
        """A pack of the shelf. Raises `PackError`."""
        return load_pack(self.folder(digest), **self.loading, workers=_EVALUATING)

    def version(self, digest: str | None) -> str | None:
        """The version of a pack of the shelf; None where it is not there."""
        if digest is None:
            return None
        try:
            manifest, _ = seal.read_manifest(self.folder(digest))
        except PackError:
            return None
        version: str = manifest["version"]
        return version

    def decide(self, digest: str, *, taken: str | None = None) -> None:
        """From now on this pack runs, also after a restart; `taken` where it came from the configured path.

        Raises `PackError` where that cannot be written; then nothing has changed.
        """
        now = self.decision
        previous = now.previous if now is not None else None
        if now is not None and now.running != digest:
            previous = now.running
        if taken is None and now is not None:
            taken = now.taken
        decision = Decision(digest, previous, taken)
        try:
            _write(self._folder / f".{_RUNNING}", orjson.dumps(asdict(decision)))
            (self._folder / f".{_RUNNING}").replace(self._folder / _RUNNING)
            _sync(self._folder)
        except OSError as error:
            raise PackError(f"{self._folder}: {error.strerror or error}") from None
        self.decision = decision
        self._tidy()

    def discard(self, digest: str) -> None:
        """Remove a pack that was refused, unless it runs or ran."""
        if digest not in self._needed():
            shutil.rmtree(self.folder(digest), ignore_errors=True)

    def _needed(self) -> set[str | None]:
        now = self.decision
        return {now.running, now.previous} if now is not None else set()

    def _tidy(self) -> None:
        """Keep the last few."""
        needed = self._needed()
        others = [
            each
            for each in self._folder.iterdir()
            if _DIGEST.fullmatch(each.name) and each.name not in needed
        ]
        others.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        for each in others[max(0, KEPT - len(needed - {None})) :]:
            shutil.rmtree(each, ignore_errors=True)

    def _remembered(self) -> Decision | None:
        try:
            found = orjson.loads((self._folder / _RUNNING).read_bytes())
            decision = Decision(**found)
        except FileNotFoundError:
            return None
        except (orjson.JSONDecodeError, TypeError):
            decision = None
        digests = (decision.running, decision.previous, decision.taken) if decision else ("",)
        if not all(
            each is None or (isinstance(each, str) and _DIGEST.fullmatch(each)) for each in digests
        ):
            log.warning("what ran is not known any more: the file is damaged", pack=self.name)
            return None
        return decision


class PathWatch:
    """Looks at the configured path of a pack, and notices when something new lies there and nobody writes any more."""

    def __init__(self, shelf: PackShelf):
        self._shelf = shelf
        self._dealt_with: object = None
        self._last: object = None
        self._gone = False

    @property
    def changing(self) -> bool:
        """Whether the last look saw a change that has to be seen once more."""
        return self._last != self._dealt_with

    def look(self) -> Path | None:
        """The folder, once, when it holds another pack than was taken last and is as it was at the last look."""
        try:
            folder = self._shelf.configured()
            seen = (folder, tuple(sorted(_stamps(folder))))
        except (PackError, OSError) as error:
            if not self._gone:
                log.warning(
                    "a pack's path cannot be read", pack=self._shelf.name, reason=str(error)
                )
            self._gone, self._last = True, self._dealt_with
            return None
        self._gone = False
        if seen == self._dealt_with:
            self._last = seen
            return None
        if seen != self._last:
            self._last = seen
            return None
        self._dealt_with = seen
        now = self._shelf.decision
        return None if now is not None and digest_of(folder) == now.taken else folder


def _stamps(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """What changes when a file of a folder is written or replaced."""
    for count, path in enumerate(folder.rglob("*")):
        if count >= _MAX_FILES:
            raise PackError(f"{folder}: more than {_MAX_FILES:,} files are no pack")
        status = path.lstat()
        if "__pycache__" not in path.parts:
            yield str(path), status.st_ino, status.st_size, status.st_mtime_ns


def digest_of(folder: Path) -> str | None:
    """sha256 of a pack's manifest, which holds the digests of all other files; None where it cannot be read."""
    try:
        return seal.sha256(seal.read_member(folder, seal.MANIFEST))
    except (OSError, PackError):
        return None


def _check_size(source: Path, names: dict[str, str]) -> None:
    if len(names) > _MAX_FILES:
        raise PackError(f"{source}: more than {_MAX_FILES:,} files are no pack")
    total = 0
    for name in names:
        try:
            total += (source / name).stat().st_size
        except (OSError, ValueError):
            continue  # whoever reads the file says what is wrong with it
        if total > _MAX_PACK:
            raise PackError(f"{source}: the pack is larger than {_MAX_PACK >> 20:,} MiB")


def _write(path: Path, content: bytes) -> None:
    """A file that outlives a loss of power, its folder's entry aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
