"""Builds the package: setuptools, and before a wheel the kernels of the batch engine, compiled ahead of time.

So an installation from source runs at full speed without Numba, which only the build needs: in the versions that
`requirements/build.txt` pins, so that the same sources give the same bytes. What compiles nothing need not fetch it:
source archives, editable installations, machines that have no linker or that Numba publishes nothing for, and
`SIGMAC_BUILD_KERNELS=off`. Then the wheel is pure Python.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent
CHOICE = "SIGMAC_BUILD_KERNELS"  # environment variable: `off` leaves the kernels out; setup.py reads it too
COMPILER = ("llvmlite", "numba", "numpy", "orjson")
COMPILES = "sigmac.runtime.engine.machine_code.ahead_of_time"
LINKERS = ("ld", "ld.lld") if sys.platform == "linux" else ("cc",)
# What Numba and NumPy publish wheels for, in the pinned versions; their sources need LLVM's.
PYTHONS = range(11, 15)
GLIBC = (2, 28)
MACHINES = {"linux": ("x86_64", "aarch64"), "darwin": ("arm64",)}
# A wheel's files are of the same day whenever they were checked out: this one, as other build backends have it.
DAY = "1580601600"

build_editable = build_meta.build_editable
build_sdist = build_meta.build_sdist
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


def get_requires_for_build_wheel(settings: dict[str, Any] | None = None) -> list[str]:
    """What building a wheel here needs besides setuptools."""
    wanted = build_meta.get_requires_for_build_wheel(settings)
    return wanted if reason_without() else [*wanted, *pinned()]


def build_wheel(
    folder: str, settings: dict[str, Any] | None = None, metadata: str | None = None
) -> str:
    """Compile the kernels where that can be done, and build a wheel that holds them; its file name."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", DAY)
    # A module that is gone from the source would stay in the wheel if the old build folder stayed.
    shutil.rmtree(ROOT / ".cache" / "setuptools", ignore_errors=True)
    reason = reason_without() or reason_without_compiler()
    if reason:
        os.environ[CHOICE] = "off"
        say(f"sigmac is built without compiled kernels: {reason}.")
        say(
            "Where it is installed, Numba compiles them at the first use (a minute) if it is there;"
        )
        say("without Numba each event is evaluated by itself, which is many times slower.")
    else:
        compile_kernels()
    return build_meta.build_wheel(folder, settings, metadata)


def reason_without() -> str:
    """Why kernels are not compiled on this machine, whatever could be installed; empty where they are."""
    if os.environ.get(CHOICE) == "off":
        return f"{CHOICE} is off"
    if not any(map(shutil.which, LINKERS)):
        return f"there is no linker (Debian's package binutils has one), not {' or '.join(LINKERS)}"
    if not is_published() and reason_without_compiler():
        return f"Numba is not published for {platform.python_version()} on {platform.platform()}"
    return ""


def is_published() -> bool:
    """Whether this Python on this machine is one of those that the compiler has wheels for."""
    libc, version = platform.libc_ver()
    return (
        sys.implementation.name == "cpython"
        and sys.version_info.minor in PYTHONS
        and platform.machine() in MACHINES.get(sys.platform, ())
        and (
            sys.platform != "linux"
            or (libc == "glibc" and tuple(map(int, version.split("."))) >= GLIBC)
        )
    )


def reason_without_compiler() -> str:
    """What is not installed that compiles kernels, where the build is not isolated; empty where all is."""
    missing = [name for name in COMPILER if importlib.util.find_spec(name) is None]
    return (
        f"not installed: {', '.join(missing)} (requirements/build.txt has them)" if missing else ""
    )


def pinned() -> list[str]:
    """The requirements of what compiles the kernels, each with its version."""
    text = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
    return [f"{name}=={found[name]}" for name in COMPILER]


def compile_kernels() -> None:
    """Bring `runtime/engine/native/` up to date; raises `SystemExit` where that fails."""
    done = subprocess.run([sys.executable, "-m", COMPILES], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(
            f"The kernels could not be compiled (status {done.returncode}); {CHOICE}=off builds without them."
        )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
