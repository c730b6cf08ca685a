"""Which files a build reads, and what they are called."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime.errors import InputError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = ("rules/b.yml", "rules/a/c.YAML", "rules/.git/x.yml", "rules/.y.yml", "rules/z.txt")
    for name in (*names, "other/b.yml", "empty/readme.md", "notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def test_rule_files_below_a_folder_sorted_and_hidden_ones_left_out(tree: Path) -> None:
    found = find_sources([tree / "rules"])
    assert [each.source for each in found] == ["rules/a/c.YAML", "rules/b.yml"]
    assert found[0].file == str(tree / "rules" / "a" / "c.YAML")
    assert found[1].read() == b"rules/b.yml"


def test_the_name_in_the_pack_does_not_depend_on_the_current_folder(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [each.source for each in find_sources([tree / "rules"])]
    monkeypatch.chdir(tree / "rules")
    assert [each.source for each in find_sources(["."])] == names
    assert [each.file for each in find_sources(["b.yml"])] == ["b.yml"]


def test_a_file_given_twice_is_read_once_and_one_of_any_suffix_is_taken(tree: Path) -> None:
    given = [tree / "rules" / "b.yml", tree / "rules", tree / "notes.txt"]
    assert len(find_sources(given)) == 3


def test_names_that_two_files_share_are_told_apart_whatever_the_order(tree: Path) -> None:
    one, other = tree / "rules" / "b.yml", tree / "other" / "b.yml"
    found = {each.file: each.source for each in find_sources([one, other])}
    assert sorted(found.values()) == ["2/b.yml", "b.yml"]
    assert found == {each.file: each.source for each in find_sources([other, one])}


@pytest.mark.parametrize(
    ("path", "says"), [("missing", "no such file"), ("empty", "holds no .yml")]
)
def test_paths_without_rules(tree: Path, path: str, says: str) -> None:
    with pytest.raises(InputError, match=f"{path}: .*{says}"):
        find_sources([tree / path])


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tree: Path) -> None:
    (tree / "rules" / "again").symlink_to(tree / "rules")
    (tree / "rules" / "a" / "up").symlink_to(tree)
    (tree / "rules" / "more").symlink_to(tree / "other")
    (tree / "rules" / "broken").symlink_to(tree / "nowhere")
    found = find_sources([tree / "rules"])
    assert sorted(each.read() for each in found) == [
        b"other/b.yml",
        b"rules/a/c.YAML",
        b"rules/b.yml",
    ]


def test_a_folder_that_cannot_be_read_is_an_error(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def closed(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match="rules/a: Permission denied"):
        find_sources([tree / "rules"])


def test_a_file_that_cannot_be_read(tree: Path) -> None:
    (source,) = find_sources([tree / "notes.txt"])
    (tree / "notes.txt").unlink()
    with pytest.raises(InputError, match=r"notes\.txt: No such file"):
        source.read()
