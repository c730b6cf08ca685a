"""What is read of project files, where they are found, and what is told of those that are wrong."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context

from sigmac.cli import app
from sigmac.project.project import Project, ProjectError
from sigmac.project.project_file import read_project
from sigmac.project.project_keys import COMMANDS, SHARED, Kind
from tests.unit.test_docs import code, rows, section

CASES = [*yaml.safe_load_all(Path(__file__).with_name("files.yml").read_text("utf-8"))][1:]


def plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def said_of(project: Project) -> dict[str, Any]:
    """What a project has, but for the file and places."""
    found = {each.name: plain(getattr(project, each.name)) for each in dataclasses.fields(project)}
    return {name: v for name, v in found.items() if v and name not in ("file", "lines")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_case(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sigmac.toml").write_text(case["toml"], encoding="utf-8")
    if mistakes := case.get("mistakes"):
        with pytest.raises(ProjectError) as error:
            read_project(tmp_path)
        assert str(error.value).split("\n") == mistakes
        return
    wanted = yaml.safe_load(re.sub("FOLDER", str(tmp_path), yaml.safe_dump(case["project"])))
    wanted = plain_paths(wanted)
    assert said_of(read_project(tmp_path)) == wanted


def plain_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain_paths(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain_paths(each) for each in value]
    return os.path.normpath(value) if isinstance(value, str) and value.startswith("/") else value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder two below that of a repository."""
    found = tmp_path / "repository" / "rules" / "windows"
    found.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    return found


def write(file: Path, text: str = 'rules = "rules"\n') -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_the_nearest_file_is_read(folder: Path) -> None:
    assert read_project(folder) == Project()
    far = write(folder.parent.parent / "sigmac.toml")
    assert read_project(folder).file == far
    near = write(folder.parent / "sigmac.toml", "")
    assert read_project(folder).file == near
    assert read_project(folder).rules == ()


def test_the_file_may_be_that_of_python(folder: Path) -> None:
    theirs = write(folder / "pyproject.toml", '[project]\nname = "sigmac-rules"\n')
    ours = write(
        folder.parent / "pyproject.toml", "[tool.x]\n[tool.sigmac]\n[tool.sigmac.test]\nrequire=1\n"
    )
    with pytest.raises(ProjectError, match=r"pyproject.toml:4: test.require: this is true or"):
        read_project(folder)
    write(ours, "[tool.sigmac.test]\nrequire = true\n")
    found = read_project(folder)
    assert (found.file, found.options) == (ours, {"test": {"require": True}})
    beside = write(folder.parent / "sigmac.toml", "")
    assert read_project(folder).file == beside
    assert theirs.is_file()


@pytest.mark.parametrize("text", ["tool = {sigmac = 1}", '[[tool.sigmac]]\nrules = "a"'])
def test_what_is_no_table_is_told(text: str, folder: Path) -> None:
    write(folder / "pyproject.toml", text)
    with pytest.raises(ProjectError, match=r"pyproject.toml: `tool.sigmac` is no table"):
        read_project(folder)


def test_the_search_ends_with_the_repository(folder: Path) -> None:
    write(folder.parent.parent.parent / "sigmac.toml")
    assert read_project(folder) == Project()


def test_a_mark_of_the_encoding_and_line_ends_of_windows_are_read(folder: Path) -> None:
    (folder / "sigmac.toml").write_bytes(
        b'\xef\xbb\xbfrules = "rules"\r\n[build]\r\nname = "a"\r\n'
    )
    found = read_project(folder)
    assert found.rules == (folder / "rules",)
    assert found.where("build", "name").endswith("sigmac.toml:3")


def test_the_search_ends_before_a_folder_of_everybody(folder: Path) -> None:
    write(folder.parent / "sigmac.toml")
    folder.parent.chmod(0o777)
    assert read_project(folder) == Project()
    # The current one is read: who is there has chosen it.
    assert read_project(folder.parent).rules


@pytest.mark.parametrize("name", ["sigmac.toml", "pyproject.toml"])
def test_what_cannot_be_read_is_told(name: str, folder: Path) -> None:
    file = folder / name
    file.mkdir()
    with pytest.raises(ProjectError, match=f"{name}: "):
        read_project(folder)
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(ProjectError, match=f"{name}: is no regular file"):
        read_project(folder)
    file.unlink()
    file.symlink_to("nothing")
    with pytest.raises(ProjectError, match=f"{name}: No such file"):
        read_project(folder)
    file.unlink()
    file.write_bytes(b"sigmac\xff")
    with pytest.raises(ProjectError, match=f"{name}: byte 6 is no UTF-8 text"):
        read_project(folder)
    file.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ProjectError, match=f"{name}: is larger than 1,048,576 bytes"):
        read_project(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a = " + "[" * 100_000,
        "a = " + "9" * 10_000,
        "a" + ".a" * 100_000,
        "\n".join(f"[{'a.' * 100}b{n}]" for n in range(2_000)),
        '"' * 300_000,
        "a = 'x'\n" * 3,
    ],
    ids=["tables", "lists", "digits", "dots", "headers", "quotes", "twice"],
)
def test_hostile_files_are_refused(text: str, folder: Path) -> None:
    write(folder / "sigmac.toml", text)
    with pytest.raises(ProjectError) as error:
        read_project(folder)
    assert len(str(error.value)) < 10_000


def test_as_many_mistakes_as_can_be_read_are_told(folder: Path) -> None:
    write(folder / "sigmac.toml", "".join(f"a{n} = 1\n" for n in range(2_000)))
    with pytest.raises(ProjectError) as error:
        read_project(folder)
    lines = str(error.value).split("\n")
    assert (len(lines), lines[-1]) == (51, "and 1,950 more")


def test_a_link_leads_nowhere_that_is_written_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "build").symlink_to(tmp_path / "elsewhere")
    write(folder / "sigmac.toml", '[build]\noutput = "build/pack"\n')
    with pytest.raises(ProjectError, match=r"it must lie below the folder of sigmac.toml"):
        read_project(folder)


def test_the_keys_of_commands_are_their_options() -> None:
    for name, keys in COMMANDS.items():
        command = app.get_command(Context(app), name)
        assert command is not None
        for key, kind in keys.items():
            if (name, key) == ("diff", "base"):
                continue  # an argument
            (option,) = (each for each in command.params if f"--{key}" in each.opts)
            several = getattr(option, "multiple", False)
            assert several == (kind in (Kind.TEXTS, Kind.PATHS)), (name, key)
            # Without an opposite the command line could not win.
            assert bool(option.secondary_opts) == (kind is Kind.FLAG), (name, key)


def test_the_page_lists_every_key() -> None:
    tables = rows(section("docs/project.md", "Keys"))
    listed = {code(first)[0]: second for first, second, *_ in tables}
    assert {name for name in listed if not name.startswith("[")} == SHARED.keys()
    assert {f"[{name}]": {*keys} for name, keys in COMMANDS.items()} == {
        name: {each for each in code(second) if not each.startswith("git:")}
        for name, second in listed.items()
        if name.startswith("[")
    }
