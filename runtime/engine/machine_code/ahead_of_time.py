"""The kernels compiled ahead of time: a small shared library for each kind of processor.

    python -m sigmac.runtime.engine.machine_code.ahead_of_time

writes a library for each kind of processor that a linker can be found for to `runtime/engine/native/`, where they are
not up to date. The same sources, Numba, llvmlite and linker give the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Container
from pathlib import Path

import orjson

from sigmac.runtime.engine.library import NATIVE, library_path, note_path, sources_digest
from sigmac.runtime.engine.machine_code.object_code import (
    compiler_versions,
    intermediate_code,
    object_code,
)
from sigmac.runtime.engine.machine_code.processor import architecture

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
# Kind of processor → architecture and LLVM's name for the least such processor
KINDS = {**{level: ("x86_64", level) for level in LEVELS}, "aarch64": ("aarch64", "generic")}
# What Numba optimizes for, so that its output does not depend on the machine it runs on
_NUMBA_CPU = {"x86_64": "x86-64-v3"}


def linker(machine: str | None = None) -> list[str] | None:
    """The command that links shared libraries of an architecture (default: this machine's); None: there is none."""
    native = machine in (None, architecture())
    if sys.platform != "linux":
        return ["cc", "-shared"] if native and shutil.which("cc") else None
    flags = ["-shared", "--strip-all", "--build-id=none", "-z", "noexecstack"]
    for name in ("ld" if native else f"{machine}-linux-gnu-ld", "ld.lld"):
        if shutil.which(name):
            return [name, *flags]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "ld.lld", *flags]
    return None


def shared_library(code: bytes, path: Path, command: list[str]) -> None:
    """Link an object file to a shared library at `path`, with its note beside it.

    Raises `subprocess.CalledProcessError` where the linker fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        part, made, note = (Path(folder) / name for name in ("kernels.o", path.name, "note"))
        part.write_bytes(code)
        subprocess.run(
            [*command, "-o", made, part],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        content = {
            "sources": sources_digest(),
            "compiler": compiler_versions(),
            "sha256": hashlib.sha256(made.read_bytes()).hexdigest(),
        }
        note.write_bytes(
            orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        os.replace(made, path)
        os.replace(note, note_path(path))


def _is_current(kind: str) -> bool:
    path = library_path(kind)
    try:
        note = orjson.loads(note_path(path).read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return False
    return bool(
        note == {"sources": sources_digest(), "compiler": compiler_versions(), "sha256": digest}
    )


def main() -> None:
    """Bring the libraries up to date, and say on standard error what is done and what is left out."""
    if importlib.util.find_spec("numba") is None:
        _say("Numba is not installed: no kernels are compiled ahead of time.")
        _remove(())
        return
    linkers = {kind: linker(machine) for kind, (machine, _) in KINDS.items()}
    wanted = {kind: command for kind, command in linkers.items() if command}
    _remove(wanted.keys())
    if all(map(_is_current, wanted)):
        if not wanted:
            _say("There is no linker: the kernels are compiled when they are first used.")
        return
    _say(
        "Compiling the kernels of the batch engine; it takes about a minute, and again only when they change."
    )
    started = time.perf_counter()
    os.environ["NUMBA_CPU_NAME"] = _NUMBA_CPU.get(architecture(), "generic")
    os.environ["NUMBA_CPU_FEATURES"] = ""
    # Numba is imported only now, as it reads these when it is.
    from sigmac.runtime.engine.kernels.entry import compile_entries

    code = intermediate_code(compile_entries())
    for kind, (machine, cpu) in KINDS.items():
        if kind in wanted:
            path = library_path(kind)
            try:
                shared_library(object_code(code, cpu, "", machine), path, wanted[kind])
            except subprocess.CalledProcessError as error:
                _say(
                    f"  {kind}: {error.cmd[0]} failed: {error.stderr.decode(errors='replace').strip()}"
                )
            else:
                _say(
                    f"  {kind}: {path.stat().st_size >> 10} kB after {time.perf_counter() - started:.0f} s"
                )
        else:
            _say(f"  {kind}: left out, there is no linker for it (`pip install ziglang` has one)")


def _remove(kept: Container[str]) -> None:
    """Remove libraries that cannot be made anew here: a wheel would carry them on."""
    for path in NATIVE.glob("kernels-*"):
        if path.stem.removeprefix("kernels-") not in kept:
            path.unlink()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
