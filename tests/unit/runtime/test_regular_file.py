"""What stands in the place of a file and is none is refused, without waiting for it and within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigmac.runtime.regular_file import OddFile, read_regular


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 20) - 1, 1 << 20])
def test_a_file_is_read_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert read_regular(tmp_path / "file", 1 << 20) == b"x" * size


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OddFile, match="larger than 10 bytes"):
        read_regular(tmp_path / "file", 10)


def test_what_has_no_size_and_no_end_is_bounded() -> None:
    with pytest.raises(OddFile, match="larger than 10 bytes"):
        read_regular("/proc/self/status", 10)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for odd in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OddFile, match="no regular file"):
            read_regular(odd, 100)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 100)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nothing", 100)
