"""A folder is used only where nobody else can have written into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigmac.runtime.private_folder import NotPrivate, PrivateFolder, private_folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with private_folder(tmp_path / "deep" / "folder") as folder:
        folder.write("name", b"one", ".")
        folder.write("name", b"two", ".")
        assert folder.read("name", 10) == b"two"
        assert folder.names_by_age() == ["name"]
        with pytest.raises(OSError, match="larger"):
            folder.read("name", 2)
    assert (tmp_path / "deep" / "folder").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "deep" / "folder" / "name").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o701, 0o704, 0o720, 0o755, 0o777, 0o1777])
def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(mode)
    with pytest.raises(NotPrivate, match="of this user alone"):
        PrivateFolder(tmp_path / "folder")


@pytest.mark.parametrize(
    ("mode", "good"), [(0o755, True), (0o1777, True), (0o777, False), (0o775, False)]
)
def test_a_folder_below_one_that_others_may_write_is_refused(
    tmp_path: Path, mode: int, good: bool
) -> None:
    (tmp_path / "shared" / "mine").mkdir(parents=True, mode=0o700)
    (tmp_path / "shared").chmod(mode)
    if good:
        PrivateFolder(tmp_path / "shared" / "mine").close()
        return
    with pytest.raises(NotPrivate, match="replace what is in it"):
        PrivateFolder(tmp_path / "shared" / "mine")


def test_a_folder_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real" / "below").mkdir(parents=True, mode=0o700)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(NotPrivate, match="is a link"):
        PrivateFolder(tmp_path / "link")
    PrivateFolder(tmp_path / "link" / "below").close()  # what the link names is looked at


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("owned", ["shared", "shared/mine"])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, owned: str) -> None:
    (tmp_path / "shared" / "mine").mkdir(parents=True, mode=0o700)
    os.chown(tmp_path / owned, 12345, 12345)
    with pytest.raises(NotPrivate, match="belongs to somebody else"):
        PrivateFolder(tmp_path / "shared" / "mine")


def test_a_folder_that_is_swapped_while_it_is_open_is_not_followed(tmp_path: Path) -> None:
    with private_folder(tmp_path / "mine") as folder:
        folder.write("code", b"mine", ".")
        (tmp_path / "mine").rename(tmp_path / "aside")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "code").write_bytes(b"theirs")
        assert folder.read("code", 100) == b"mine"


def test_no_link_and_no_pipe_is_read_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    with private_folder(tmp_path / "mine") as folder:
        (tmp_path / "mine" / "link").symlink_to(tmp_path / "secret")
        os.mkfifo(tmp_path / "mine" / "pipe")
        for name in ("link", "pipe", "missing"):
            with pytest.raises(OSError):  # noqa: PT011
                folder.read(name, 100)
