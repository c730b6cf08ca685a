"""Files that somebody else may have put there: read where they are files, and no more of them than is expected."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class OddFile(OSError):
    """What stands in the place of a file is none (a pipe, a device, a folder), or is too large."""

    def __init__(self, why: str):
        super().__init__(why)
        self.strerror = why


def read_regular(path: str | Path, limit: int, *, folder: int | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; never waits, as a pipe would make it.

    `folder` is the descriptor of the folder that the path is relative to; the file is no link then. Raises `OSError`
    with a `strerror`, `OddFile` where this is no such file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if folder is None else os.O_NOFOLLOW)
    with open(os.open(path, flags, dir_fd=folder), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OddFile("is no regular file")
        if status.st_size > limit:
            raise OddFile(f"is larger than {limit:,} bytes")
        pieces, left = [], limit + 1  # it may grow while it is read
        while left > 0 and (piece := file.read(min(left, max(status.st_size + 1, 1 << 16)))):
            pieces.append(piece)
            left -= len(piece)
    if left <= 0:
        raise OddFile(f"is larger than {limit:,} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
