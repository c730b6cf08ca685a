"""The kernels compiled by Numba for this very processor, and kept for the next process as an object file.

A kept file is machine code, so it is read only from a folder that belongs to this user and that nobody else may enter,
and only with the digest it was written with. Processes that start together wait for the one that compiles. Where
nothing can be kept, every process compiles for itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sigmac.runtime.engine.library import Kernels, KernelsError, log, sources_digest
from sigmac.runtime.engine.machine_code.object_code import compiler_versions

MAX_FILES = 8  # of other versions and processors
_DIGEST = 64  # hexadecimal digits before the object file


def load_compiled() -> Kernels:
    """The kernels by way of Numba: from the cache, or compiled now, which takes about a minute and is announced.

    Raises `KernelsError` where Numba is missing or does not work.
    """
    if importlib.util.find_spec("numba") is None:
        raise KernelsError("Numba is not installed (`pip install 'sigmac[jit]'`)")
    try:
        import llvmlite.binding as llvm
    except (ImportError, OSError) as error:
        raise KernelsError(f"llvmlite does not load: {error}") from None
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    made_of = (sources_digest(), compiler_versions(), llvm.get_process_triple(), cpu, features)
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    folder = _folder()
    code = _recall(folder, key)
    if code is None:
        with _alone(folder):
            code = _recall(folder, key)  # another process may have made it meanwhile
            if code is None:
                code = _compile(cpu, features)
                _keep(folder, key, code)
    return _load(llvm, code)


def _compile(cpu: str, features: str) -> bytes:
    log.warning("sigmac compiles its kernels for this machine: about a minute, once")
    try:
        import numba

        from sigmac.runtime.engine.machine_code.object_code import intermediate_code, object_code
    except ImportError as error:  # Numba refuses versions of NumPy that it does not know
        raise KernelsError(f"Numba does not load: {error}") from None
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba sets it at run time
        raise KernelsError("NUMBA_DISABLE_JIT is set")
    return object_code(intermediate_code(), cpu, features)


def _load(llvm: Any, code: bytes) -> Kernels:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    build, evaluate = (
        prototype(engine.get_function_address(f"sigmac_{name}")) for name in ("build", "evaluate")
    )
    return Kernels("jit", build, evaluate, engine)


# The cache


def _folder() -> Path | None:
    """The folder of kept files, made where it is missing; None where there is none that can be trusted."""
    if os.name != "posix":
        return None
    try:
        base = os.environ.get("SIGMAC_CACHE_DIR")
        if not base:
            base = os.path.join(
                os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sigmac"
            )
        folder = Path(base) / "kernels"
        with suppress(FileExistsError):
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where this user's home is
        log.info("compiled kernels cannot be kept: %s", error)
        return None
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not private or status.st_uid != os.geteuid():
        log.warning("%s is not used: it must be a folder of this user alone (mode 700)", folder)
        return None
    return folder


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.kernels"


def _recall(folder: Path | None, key: str) -> bytes | None:
    if folder is None:
        return None
    try:
        data = _path(folder, key).read_bytes()
    except OSError:
        return None
    code = data[_DIGEST:]
    return code if _sealed(code) == data else None


def _sealed(code: bytes) -> bytes:
    return hashlib.sha256(code).hexdigest().encode() + code


def _keep(folder: Path | None, key: str, code: bytes) -> None:
    if folder is None:
        return
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_sealed(code))
            os.replace(name, _path(folder, key))
        except OSError:
            os.unlink(name)
            raise
        by_age = sorted(folder.glob("*.kernels"), key=lambda path: path.stat().st_mtime)
        for path in by_age[:-MAX_FILES]:
            path.unlink()
    except OSError as error:
        log.warning("compiled kernels cannot be kept, the next process compiles again: %s", error)


@contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    """While one process is in here the others of this user wait, where the folder can be written."""
    if folder is None:
        yield
        return
    import fcntl

    try:
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("another process compiles sigmac's kernels; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
