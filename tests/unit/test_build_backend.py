"""Building a wheel: what it asks for, what it holds, and what is said where kernels cannot be compiled."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Prints the wheel's name: what a front end of builds calls, in a process of its own.
BUILD = "import sys, build_backend; print(build_backend.build_wheel(sys.argv[1]))"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("SIGMAC_BUILD_KERNELS", raising=False)
    spec = importlib.util.spec_from_file_location("build_backend", ROOT / "build_backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.build_meta, "get_requires_for_build_wheel", lambda _: ["theirs"])
    # What this machine has must not decide.
    monkeypatch.setattr(module, "is_published", lambda: True)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    return module


def copy_of_the_source(folder: Path) -> Path:
    """What a wheel is made of, as it is here, in a folder of its own."""
    for name in ("build_backend.py", "setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        folder.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    skipped = shutil.ignore_patterns("__pycache__", "native")
    for name in ("compiler", "runtime", "sigmac", "templates", "requirements"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=skipped)
    return folder


def built(source: Path, target: Path, **variables: str) -> tuple[Path, str]:
    """The wheel of a source tree, and what the build said on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)],
        cwd=source,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1], done.stderr


def test_a_wheel_asks_for_the_pinned_compiler(backend: ModuleType) -> None:
    first, *more = backend.get_requires_for_build_wheel()
    assert first == "theirs"
    assert [each.partition("==")[0] for each in more] == ["llvmlite", "numba", "numpy", "orjson"]
    pinned = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    assert all(f"\n{each} " in pinned for each in more)


def test_an_editable_installation_and_a_source_archive_ask_for_no_compiler() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    assert [each.partition(">")[0] for each in build["requires"]] == ["setuptools"]
    text = (ROOT / "build_backend.py").read_text(encoding="utf-8")
    for name in ("editable", "sdist"):
        hook = f"get_requires_for_build_{name}"
        assert f"{hook} = build_meta.{hook}\n" in text


@pytest.mark.parametrize("case", ["off", "no linker", "not published"])
def test_where_nothing_can_be_compiled_no_compiler_is_asked_for(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(backend, "COMPILER", ("a_package_that_is_not_here",))
    if case == "off":
        monkeypatch.setenv("SIGMAC_BUILD_KERNELS", "off")
    elif case == "no linker":
        monkeypatch.setattr(backend.shutil, "which", lambda _: None)
    else:
        monkeypatch.setattr(backend, "is_published", lambda: False)
    assert backend.get_requires_for_build_wheel() == ["theirs"]
    reason = {"off": "off", "no linker": "binutils", "not published": "Numba is not published"}
    assert reason[case] in backend.reason_without()


def test_without_a_linker_the_build_says_so_and_gives_a_wheel_for_all(tmp_path: Path) -> None:
    source = copy_of_the_source(tmp_path / "source")
    # Kernels of another build, which cannot be made anew
    native = source / "runtime" / "engine" / "native"
    native.mkdir()
    (native / "kernels-x86-64-v2.so").write_bytes(b"old")
    stale = source / ".cache" / "setuptools" / "lib" / "sigmac" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    empty = tmp_path / "empty"
    empty.mkdir()
    wheel, said = built(source, tmp_path / "first", PATH=str(empty))
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"sigmac/compiler/syntax/condition.lark", "sigmac/runtime/engine/library.py"} <= names
    assert not [name for name in names if "native/" in name or "gone" in name]
    assert "without compiled kernels: there is no linker" in said
    assert "binutils" in said
    assert "many times slower" in said
    assert (native / "kernels-x86-64-v2.so").exists()

    # Another folder, another day: the same bytes
    for file in source.rglob("*.py"):
        os.utime(file, (2e9, 2e9))
    source = source.rename(tmp_path / "elsewhere")
    again, said = built(source, tmp_path / "second", SIGMAC_BUILD_KERNELS="off")
    assert "SIGMAC_BUILD_KERNELS is off" in said
    assert again.read_bytes() == wheel.read_bytes()
