"""The layout of the project: where files lie, what they are called, and who may import whom."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("compiler", "runtime", "templates")
CODE = (*ROOMS, "sigmac", "tests", "bench")
# Folders that hold what was made, not what was written.
MADE = re.compile(r"\.(?!ci$).*|build|dist|__pycache__|.*\.egg-info")
# Each room, and the rooms that it may import from, as a table that people read
ARROWS = yaml.safe_load((Path(__file__).parent / "arrows.yml").read_text(encoding="utf-8"))
MOST_FILES = 15  # of a room that is not a plain list
MOST_LINES = 500
PLAIN_LISTS = ("compiler/optimizer", "runtime/engine/kernels", "sigmac/cli")
# File names that stand twice, without their `s`, as they are one thing on two sides
ONE_THING = {"build", "correlation_module", "field", "format", "program", "statu"}
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


def source_files() -> list[Path]:
    return python_files("compiler", "runtime", "sigmac")


def name_of(file: Path) -> str:
    """The dotted name of a module, of a package that of its folder."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    full = parts if parts[0] == "sigmac" else ("sigmac", *parts)
    return ".".join(full[:-1] if full[-1] == "__init__" else full)


def modules() -> dict[str, Path]:
    return {name_of(file): file for file in source_files()}


def imported_modules(file: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports, inside functions and for the type checker too."""
    found = {
        name if name in known else name.rpartition(".")[0]
        for _, name in imports_of(file)
        if name.startswith("sigmac.")
    }
    return {name for name in found if name in known} - {name_of(file)}


def room_of(file: Path) -> str:
    return file.parent.relative_to(ROOT).as_posix()


def is_face(file: Path) -> bool:
    """Whether a file only passes names on: `import sigmac` and what generated packs import."""
    return name_of(file) in ("sigmac", "sigmac.runtime")


def test_every_room_imports_from_where_the_table_says() -> None:
    known = modules()
    drawn: dict[str, set[str]] = {room_of(file): set() for file in known.values()}
    for file in known.values():
        if not is_face(file) and file.name != "__main__.py":
            rooms = {room_of(known[name]) for name in imported_modules(file, known)}
            drawn[room_of(file)] |= rooms - {room_of(file), "sigmac"}
    assert {room: set(arrows or ()) for room, arrows in ARROWS.items()} == drawn


def test_no_arrow_leads_back() -> None:
    for graph in (ARROWS, {n: imported_modules(f, modules()) for n, f in modules().items()}):
        try:
            TopologicalSorter({k: v or () for k, v in graph.items()}).prepare()
        except CycleError as error:
            pytest.fail(f"a circle: {' → '.join(error.args[1])}")


def test_dependencies_point_one_way() -> None:
    for room, arrows in ARROWS.items():
        side = room.partition("/")[0]
        assert side != "runtime" or all(each.startswith("runtime") for each in arrows or ())
        assert side != "compiler" or all(not each.startswith("sigmac") for each in arrows or ())


def test_rooms_and_files_are_of_a_size_to_look_through() -> None:
    files = defaultdict(list)
    for file in source_files():
        if file.name != "__init__.py" and "_pb2" not in file.name:
            files[room_of(file)].append(file)
    full = {room: len(held) for room, held in files.items() if len(held) > MOST_FILES}
    assert {room for room in full if room not in PLAIN_LISTS} == set(), full
    lines = {file: file.read_bytes().count(b"\n") for held in files.values() for file in held}
    assert [str(file) for file, count in lines.items() if count > MOST_LINES] == []


def test_no_two_files_are_told_apart_by_a_letter() -> None:
    stems: dict[str, list[str]] = defaultdict(list)
    for file in source_files():
        if not file.stem.startswith("__"):
            stems[file.stem.removesuffix("s")].append(file.relative_to(ROOT).as_posix())
    alike = {stem: names for stem, names in stems.items() if len(names) > 1}
    assert {stem: names for stem, names in alike.items() if stem not in ONE_THING} == {}


def test_every_room_says_what_it_holds() -> None:
    for room in ARROWS:
        text = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), room


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


PINS = sorted([*(ROOT / "requirements").iterdir(), ROOT / "deploy" / "requirements.txt"])
# These are installed in environments of their own.
APART = ("cluster.txt", "deploy.txt", "pins.txt", "stubs.txt")
INSTALLING = (".ci/run", "Makefile", "deploy/Dockerfile", "deploy/install.sh")


def pins(name: str) -> dict[str, str]:
    """The pinned version of every package in a file of requirements/."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE))


def test_every_dependency_has_its_reason_and_its_pin() -> None:
    file = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = file["project"]["optional-dependencies"], file["dependency-groups"]
    wanted = {"Core:": (file["project"]["dependencies"], "dev.txt")}
    wanted |= {f"`sigmac[{extra}]`": (extras[extra], "dev.txt") for extra in extras}
    wanted["`sigmac[cluster]`"] = (extras["cluster"], "cluster.txt")
    wanted |= {f"Group `{group}`:": (groups[group], f"{group}.txt") for group in groups}
    wanted["Group `test`:"] = (groups["test"], "dev.txt")
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("\n## ")
    for heading, (requirements, pinned) in wanted.items():
        names = {re.split(r"[<>=~!\[]", text)[0] for text in requirements} - {"sigmac"}
        (section,) = [text for text in reasons if text.startswith(heading)]
        assert set(re.findall(r"^\| (\w[\w.-]*) \| \S", section, re.MULTILINE)) == names | (
            {"package"} if names else set()
        )
        assert {name.lower().replace(".", "-") for name in names} <= pins(pinned).keys()
    assert {file.name for file in (ROOT / "requirements").iterdir()} == {
        "consumer.txt",
        *(pinned for _, pinned in wanted.values()),
    }


def test_what_is_installed_together_has_one_version() -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for file in PINS:
        if file.name not in APART:
            for name, version in pins(str(file)).items():
                versions[name].add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    assert pins("consumer.txt").items() <= pins("dev.txt").items()


@pytest.mark.parametrize("file", PINS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_pin_has_its_digests(file: Path) -> None:
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    assert lines
    pin = re.compile(r"[\w-]+==[\w.]+( ;[^\\]*?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+")
    assert [line for line in lines if not pin.fullmatch(line)] == []


def test_nothing_is_installed_from_an_index_without_a_digest() -> None:
    commands = [
        f"{name}: {command}"
        for name in INSTALLING
        for command in re.findall(
            r"pip install\b([^&|;\n]*)",
            (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " "),
        )
    ]
    assert len(commands) >= 4
    local = re.compile(r" (-e \.|--no-index) ")
    assert [
        command
        for command in commands
        if "--no-deps" not in command
        or not ("--require-hashes" in command or local.search(f"{command} "))
    ] == []
