"""A folder of this user alone, for what is trusted because nobody else can have written it.

It is opened once, step by step from the root, and looked at by its descriptor: who owns it and every folder above it,
and who may write there. What is read and written then goes by that descriptor, so that nobody can put another folder
in its place meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sigmac.runtime.regular_file import OddFile, read_regular

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPrivate(OSError):
    """A folder that somebody else owns, or may write to or read."""

    def __init__(self, path: str, why: str):
        super().__init__(f"{path} {why}")
        self.strerror = str(self)


class PrivateFolder:
    """A folder that is open; `descriptor` is its own."""

    def __init__(self, path: str | Path):
        """Open it; made where it is missing. Raises `OSError`, `NotPrivate` where it is not this user's alone."""
        given = Path(os.path.abspath(path))
        self.path = Path(os.path.realpath(given.parent)) / given.name
        with suppress(FileExistsError):
            self.path.mkdir(parents=True, mode=0o700)
        self.descriptor = _open_private(self.path)

    def close(self) -> None:
        os.close(self.descriptor)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file of this user's. Raises `OSError`."""
        if os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_uid != os.geteuid():
            raise OddFile("belongs to somebody else")
        return read_regular(name, limit, folder=self.descriptor)

    def write(self, name: str, data: bytes, prefix: str) -> None:
        """Put a file in place of the one that is there, whole. Raises `OSError`.

        Until it is whole its name begins with `prefix`.
        """
        unfinished = f"{prefix}{os.getpid()}-{secrets.token_hex(8)}"
        handle = os.open(
            unfinished,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
            0o600,
            dir_fd=self.descriptor,
        )
        try:
            with open(handle, "wb") as file:
                file.write(data)
            os.replace(unfinished, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except OSError:
            self.remove(unfinished)
            raise

    def names_by_age(self) -> list[str]:
        """The names of all files, those that were used last at the end."""
        found = [(self._used(name), name) for name in os.listdir(self.descriptor)]
        return [name for _, name in sorted(found)]

    def age(self, name: str, now: float) -> float:
        """Seconds since a file was used."""
        return now - self._used(name)

    def _used(self, name: str) -> float:
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mtime
        except OSError:
            return 0.0  # gone

    def touch(self, name: str) -> None:
        """Note that a file was used."""
        with suppress(OSError):
            os.utime(name, dir_fd=self.descriptor, follow_symlinks=False)

    def remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self.descriptor)


@contextmanager
def private_folder(path: str | Path) -> Iterator[PrivateFolder]:
    """A folder of this user alone for as long as it is needed. Raises `OSError`."""
    folder = PrivateFolder(path)
    try:
        yield folder
    finally:
        folder.close()


def _open_private(path: Path) -> int:
    """The descriptor of a folder that has no links in its path; every folder on the way is looked at."""
    here = os.open(path.anchor, _OPEN)
    try:
        where = path.anchor
        for part in path.parts[1:]:
            _check_parent(where, os.fstat(here))
            below = _below(here, part, os.path.join(where, part))
            os.close(here)
            here, where = below, os.path.join(where, part)
        status = os.fstat(here)
        if status.st_uid != os.geteuid():
            raise NotPrivate(where, "belongs to somebody else")
        if status.st_mode & 0o077:
            raise NotPrivate(where, "must be a folder of this user alone (chmod 700)")
    except OSError:
        os.close(here)
        raise
    return here


def _below(folder: int, part: str, path: str) -> int:
    try:
        return os.open(part, _OPEN, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and os.path.islink(path):
            raise NotPrivate(path, "is a link") from None
        raise


def _check_parent(where: str, status: os.stat_result) -> None:
    """Whoever may rename what is in a folder may put another one there."""
    if status.st_uid not in (0, os.geteuid()):
        raise NotPrivate(where, "belongs to somebody else, who may replace what is in it")
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        raise NotPrivate(where, "may be written by others, who may replace what is in it")
