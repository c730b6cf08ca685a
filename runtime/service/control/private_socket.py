"""The Unix socket of the control plane: for this user's programs alone, by who owns its folder and who may enter it.

A program that reaches the socket runs as this user, who may read the configuration and the packs anyway: no token says
more. What is there already is replaced where nobody answers, as a service that was killed leaves its socket behind.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sigmac.runtime.errors import StreamError
from sigmac.runtime.private_folder import private_folder

_MODE = 0o600


def bind_privately(path: Path, bind: Callable[[str], int]) -> Callable[[], None]:
    """Have `bind` listen at the address of a socket that only this user reaches; the function that removes it.

    The folder is made where it is missing, and then removed with the socket. Raises `StreamError` where others may
    enter the folder, something else lies at `path`, or another service answers there.
    """
    made_folder = not path.parent.exists()
    try:
        with private_folder(path.parent):
            _make_room(path)
            if not bind(f"unix:{path}"):
                raise StreamError(f"control: {path} cannot be bound")
            path.chmod(_MODE)
            own = path.lstat().st_ino
    except OSError as error:
        raise StreamError(f"control: {path}: {error.strerror or error}") from None

    def remove() -> None:
        # Another service may have begun to serve there.
        with suppress(FileNotFoundError):
            if path.lstat().st_ino == own:
                path.unlink()
        if made_folder:
            with suppress(OSError):  # not empty
                path.parent.rmdir()

    return remove


def _make_room(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise StreamError(f"control: {path} is there already, and is no socket of this user")
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise StreamError(f"control: {path} is in use by another service; give each its own socket")
