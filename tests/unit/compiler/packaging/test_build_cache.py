"""The build's cache: what is stored comes back whole or not at all."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest

from sigmac.compiler.packaging.build_cache import MAX_FILES, Cache, compiler_digest, default_folder

CONTENT = {"a": [1, "x", None], "b": {"c": 1.5}}


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep" / "folder")
    assert cache.load("k") == {}
    cache.store("k", CONTENT)
    assert Cache(tmp_path / "deep" / "folder").load("k") == CONTENT
    assert [path.name for path in (tmp_path / "deep" / "folder").iterdir()] == ["k.json"]


def test_without_a_folder_nothing_is_kept() -> None:
    cache = Cache(None)
    cache.store("k", CONTENT)
    assert cache.load("k") == {}


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("k", CONTENT)
    whole = (tmp_path / "k.json").read_bytes()
    for damaged in (b"", b"x", whole[:-1], whole[:70], whole + b" ", b"0" * 64 + whole[64:]):
        (tmp_path / "k.json").write_bytes(damaged)
        assert cache.load("k") == {}
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 1
        (tmp_path / "k.json").write_bytes(changed)
        assert cache.load("k") == {}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        cache = Cache(folder)
        cache.store("k", CONTENT)
        assert cache.load("k") == {}


def test_the_least_recently_used_files_are_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(MAX_FILES):
        cache.store(f"k{number}", CONTENT)
        os.utime(tmp_path / f"k{number}.json", (number, number))
    assert cache.load("k0") == CONTENT  # used, so k1 is the oldest now
    cache.store("new", CONTENT)
    assert len(list(tmp_path.glob("*.json"))) == MAX_FILES
    assert cache.load("k0") == cache.load("new") == CONTENT
    assert cache.load("k1") == {}


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_folder() == Path("/x/sigmac")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home")
    assert default_folder() == Path("/home/.cache/sigmac")


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        pwd, "getpwuid", {}.__getitem__
    )  # as in a container with a number for a user
    assert default_folder() is None


def test_the_digest_of_the_compiler_is_stable() -> None:
    digest = compiler_digest()
    compiler_digest.cache_clear()
    assert compiler_digest() == digest


def test_another_formatter_is_another_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = compiler_digest.__wrapped__()
    monkeypatch.setattr("importlib.metadata.version", {"ruff": "99"}.get)
    assert compiler_digest.__wrapped__() != digest


def test_what_a_killed_build_left_is_removed_in_time(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for name, age in ((".sigmac-old", 4000), (".sigmac-young", 10)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.store("k", CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".sigmac-young", "k.json"]
