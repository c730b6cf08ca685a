"""The layout of the project: where files lie, what they are called, and who may import whom."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("compiler", "runtime", "templates")
CODE = (*ROOMS, "sigmac", "tests", "bench")
# Folders that hold what was made, not what was written.
MADE = re.compile(r"\.(?!ci$).*|build|dist|__pycache__|.*\.egg-info")
# Dependencies point one way: cli → compiler → runtime.
FORBIDDEN = {
    "compiler": ("sigmac.cli",),
    "runtime": ("sigmac.cli", "sigmac.compiler", "sigmac.templates"),
}
# Events and rules speak of the paths of attacked machines; everything else speaks of none.
ABOUT_MACHINES = ("rules", "tests")
MACHINE_PATH = re.compile(r"(?<![\w.$}>~-])/(?:home|Users|root|work|workspace|mnt)/\w[^\s\"'`)]*")


def files_under(folder: Path) -> Iterator[Path]:
    """Every written file under `folder`; symlinked folders are not entered."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not MADE.fullmatch(name))
        yield from (Path(parent, name) for name in sorted(names))


def python_files(*folders: str) -> list[Path]:
    return [
        file for folder in folders for file in files_under(ROOT / folder) if file.suffix == ".py"
    ]


def project_files() -> list[Path]:
    """What git tracks; in an unpacked source archive, or before the first commit, everything."""
    names = ""
    if (ROOT / ".git").exists():
        names = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    tracked = [ROOT / name for name in names.split("\0") if name]
    return [file for file in tracked or files_under(ROOT) if file.is_file()]


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that `file` imports, anywhere in it."""
    package = list(file.relative_to(ROOT).parent.parts)
    if package and package[0] in ROOMS:
        package.insert(0, "sigmac")
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def imports_from(files: list[Path], packages: tuple[str, ...]) -> list[str]:
    """The places in `files` that import one of `packages` or something inside one."""
    return [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in files
        for line, name in imports_of(file)
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_the_package_links_to_the_folders_of_the_top_level(room: str) -> None:
    link = ROOT / "sigmac" / room
    assert link.is_symlink()
    assert os.readlink(link) == f"../{room}"
    assert link.is_dir()


@pytest.mark.parametrize("room", FORBIDDEN)
def test_dependencies_point_one_way(room: str) -> None:
    files = python_files(room)
    assert files
    assert imports_from(files, FORBIDDEN[room]) == []


def test_every_module_is_imported_under_its_one_name() -> None:
    assert imports_from(python_files(*CODE), ROOMS) == []


def test_the_runtime_loads_nothing_that_only_the_compiler_needs() -> None:
    program = """if True:
        import sys
        import sigmac.runtime
        unwanted = ("sigmac.compiler", "jinja2", "lark", "numba", "yaml")
        print(*(n for n in sys.modules if n.startswith(unwanted)))
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")


def test_no_python_file_lies_directly_in_build() -> None:
    assert (ROOT / "build" / "README.md").is_file()
    assert list((ROOT / "build").glob("*.py")) == []


def test_every_file_has_a_name_that_says_something() -> None:
    empty = re.compile(r"(^|_)(utils?|helpers?|common|misc|managers?)(_|$)")
    named = [file.relative_to(ROOT) for folder in CODE for file in files_under(ROOT / folder)]
    assert named
    assert [
        str(name) for name in named if any(empty.search(Path(part).stem) for part in name.parts)
    ] == []


def test_no_file_names_a_path_of_a_machine() -> None:
    found = []
    for file in project_files():
        name = file.relative_to(ROOT)
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # not a text file
            continue
        if f"{ROOT}{os.sep}" in text:
            found.append(f"{name}: {ROOT}")
        if name.parts[0] not in ABOUT_MACHINES:
            found += [f"{name}: {path}" for path in MACHINE_PATH.findall(text)]
    assert found == []


def pins(name: str) -> dict[str, str]:
    """The pinned version of every package in a file of requirements/."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE))


def test_every_dependency_has_its_reason_and_its_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {"Core:": project["dependencies"]}
    wanted |= {f"`sigmac[{extra}]`": extras[extra] for extra in extras}
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("\n## ")
    for heading, requirements in wanted.items():
        names = {re.split(r"[<>=~!\[]", text)[0] for text in requirements} - {"sigmac"}
        (section,) = [text for text in reasons if text.startswith(heading)]
        assert set(re.findall(r"^\| (\w[\w.-]*) \| \S", section, re.MULTILINE)) == names | (
            {"package"} if names else set()
        )
        assert {name.lower().replace(".", "-") for name in names} <= pins("dev.txt").keys()
    assert pins("consumer.txt").items() <= pins("dev.txt").items()
