"""Puts a folder or file in place of another in one step: whoever looks finds all of the old or all of the new.

The new folder is made beside the old one, locked for as long as its process lives. A process that is killed leaves it
behind without a lock, and the next one removes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".sigmac-"  # how the names of files begin that a killed process left


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of the one that is there; all of it or nothing. Raises `OSError` that names it."""
    try:
        new = path.parent / f"{UNFINISHED}{secrets.token_hex(8)}"
        # Who may read it is what the user's umask says.
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(new, path)
        except OSError:
            os.unlink(new)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` at the end; with an exception nothing has changed.

    Raises `OSError` where it cannot be written. Two processes may replace one folder: the last one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Short enough for a file name, whatever the folder is called.
    prefix = f".{folder.name[:50]}.sigmac-"
    _remove_abandoned(folder, prefix)
    new, lock = _make(folder.parent, prefix)
    try:
        yield new
        _put_in_place(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        os.close(lock)


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and the handle that holds its lock."""
    while True:
        new = parent / f"{prefix}{secrets.token_hex(8)}"
        new.mkdir(mode=0o777)  # less what the umask takes
        try:
            lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # removed by another process, to which it looked abandoned
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = new.exists()
        except BlockingIOError:
            ours = False
        except OSError:
            ours = True  # a file system without locks: nobody removes anything there
        if ours:
            return new, lock
        os.close(lock)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    for name in os.listdir(folder.parent):
        # What `_exchange` has set aside is all there is of the old folder until the new one is in place.
        if not name.startswith(prefix) or (name.endswith("-old") and not folder.exists()):
            continue
        with contextlib.suppress(OSError):
            lock = os.open(folder.parent / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder.parent / name, ignore_errors=True)
            finally:
                os.close(lock)


def _put_in_place(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)  # there is none, or an empty one
    except OSError:
        if not folder.exists():
            raise
        _exchange(new, folder)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders: in one step where the system can, else with a moment in which neither is in place."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        at_cwd, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)
        swap = getattr(libc, "renameat2", None)
        if swap and swap(at_cwd, os.fsencode(new), at_cwd, os.fsencode(old), exchange) == 0:
            return
    aside = new.with_name(f"{new.name}-old")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)
