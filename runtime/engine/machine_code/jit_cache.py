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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sigmac.runtime.engine.library import ENTRIES, Kernels, KernelsError, log, sources_digest
from sigmac.runtime.engine.machine_code.object_code import compiler_versions
from sigmac.runtime.private_folder import NotPrivate, PrivateFolder

MAX_FILES = 8  # of other versions and processors
_DIGEST = 64  # hexadecimal digits before the object file
_SUFFIX = ".kernels"
_MAX_BYTES = 64 << 20  # of an object file, which has less than one MiB


def load_compiled() -> Kernels:
    """The kernels by way of Numba: from the cache, or compiled now, which takes about a minute and is announced.

    Raises `KernelsError` where Numba is missing or does not work.
    """
    llvm, cpu, features, key = this_machine()
    folder = _folder()
    try:
        code = _code(folder, cpu, features, key)
    finally:
        if folder is not None:
            folder.close()
    return load_code(llvm, code)


def keep_compiled() -> bool:
    """See that the next process finds the kernels in the cache; False, at once, where nothing can be kept there.

    Raises `KernelsError` where Numba is missing or does not work.
    """
    _, cpu, features, key = this_machine()
    folder = _folder()
    if folder is None:
        return False
    try:
        if _recall(folder, key) is None:
            folder.write("room", b"", ".")  # better told now than in a minute
            folder.remove("room")
            _code(folder, cpu, features, key)
        return _recall(folder, key) is not None
    except OSError as error:
        log.info("compiled kernels cannot be kept: %s", error)
        return False
    finally:
        folder.close()


def this_machine() -> tuple[Any, str, str, str]:
    """LLVM, this processor and what it can do, and the name of what is compiled for it."""
    if importlib.util.find_spec("numba") is None:
        raise KernelsError("Numba is not installed (`pip install 'sigmac[jit]'`)")
    try:
        import llvmlite.binding as llvm
    except (ImportError, OSError) as error:
        raise KernelsError(f"llvmlite does not load: {error}") from None
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    made_of = (sources_digest(), compiler_versions(), llvm.get_process_triple(), cpu, features)
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    return llvm, cpu, features, key


def _code(folder: PrivateFolder | None, cpu: str, features: str, key: str) -> bytes:
    code = _recall(folder, key)
    if code is None:
        with _alone(folder):
            code = _recall(folder, key)  # another process may have made it meanwhile
            if code is None:
                code = _compile(cpu, features)
                _keep(folder, key, code)
    return code


def _compile(cpu: str, features: str) -> bytes:
    log.warning("sigmac compiles its kernels for this machine: about a minute, once")
    try:
        import numba

        from sigmac.runtime.engine.kernels.entry import compile_entries
        from sigmac.runtime.engine.machine_code.object_code import intermediate_code, object_code
    except ImportError as error:  # Numba refuses versions of NumPy that it does not know
        raise KernelsError(f"Numba does not load: {error}") from None
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba sets it at run time
        raise KernelsError("NUMBA_DISABLE_JIT is set")
    return object_code(intermediate_code(compile_entries()), cpu, features)


def load_code(llvm: Any, code: bytes) -> Kernels:
    """The kernels of an object file that was compiled for this machine."""
    functions, engine = load_entries(llvm, code, ENTRIES)
    return Kernels("jit", *functions, owner=engine)


def load_entries(
    llvm: Any, code: bytes, names: Iterable[str]
) -> tuple[list[Callable[[int], int]], Any]:
    """Entry points of an object file that was compiled for this machine, and what must live as long as they."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    return [prototype(engine.get_function_address(f"sigmac_{name}")) for name in names], engine


# The cache


def _folder() -> PrivateFolder | None:
    """The folder of kept files, made where it is missing; None where there is none that can be trusted."""
    if os.name != "posix":
        return None
    try:
        base = os.environ.get("SIGMAC_CACHE_DIR")
        if not base:
            base = os.path.join(
                os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sigmac"
            )
        Path(base).mkdir(parents=True, exist_ok=True, mode=0o700)
        return PrivateFolder(Path(base) / "kernels")
    except NotPrivate as error:
        log.warning("compiled kernels are not kept: %s", error)
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where this user's home is
        log.info("compiled kernels cannot be kept: %s", error)
    return None


def _recall(folder: PrivateFolder | None, key: str) -> bytes | None:
    if folder is None:
        return None
    try:
        data = folder.read(f"{key}{_SUFFIX}", _MAX_BYTES)
    except OSError:
        return None
    code = data[_DIGEST:]
    return code if _sealed(code) == data else None


def _sealed(code: bytes) -> bytes:
    return hashlib.sha256(code).hexdigest().encode() + code


def _keep(folder: PrivateFolder | None, key: str, code: bytes) -> None:
    if folder is None:
        return
    try:
        folder.write(f"{key}{_SUFFIX}", _sealed(code), ".")
        kept = [name for name in folder.names_by_age() if name.endswith(_SUFFIX)]
        for name in kept[:-MAX_FILES]:
            folder.remove(name)
    except OSError as error:
        log.warning("compiled kernels cannot be kept, the next process compiles again: %s", error)


@contextmanager
def _alone(folder: PrivateFolder | None) -> Iterator[None]:
    """While one process is in here the others of this user wait, where the folder can be written."""
    if folder is None:
        yield
        return
    import fcntl

    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open("lock", flags, 0o600, dir_fd=folder.descriptor)
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
