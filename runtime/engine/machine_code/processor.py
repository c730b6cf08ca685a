"""Which kinds of compiled kernels this machine's processor can run."""

from __future__ import annotations

import ctypes
import os
import sys

# The levels of x86-64 (its psABI) as Linux and macOS name their features; a level includes the ones below it.
_LEVELS = {
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
_ON_MACOS = {
    "avx1.0": "avx",
    "lahf": "lahf_lm",
    "lzcnt": "abm",
    "sse3": "pni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
}
_SYSCTLS = (b"machdep.cpu.features", b"machdep.cpu.leaf7_features", b"machdep.cpu.extfeatures")


def architecture() -> str:
    """`x86_64`, `aarch64`, or whatever else the system calls it; empty where it does not say."""
    machine = os.uname().machine if hasattr(os, "uname") and sys.maxsize > 2**32 else ""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def fitting_kinds() -> tuple[str, ...]:
    """The kinds of libraries that run here, best first."""
    machine = architecture()
    if machine == "x86_64":
        return levels_of(_features())
    return ("aarch64",) if machine == "aarch64" else ()


def levels_of(features: str) -> tuple[str, ...]:
    """The levels of x86-64 that a processor with these features reaches, best first; v2 where nothing is known.

    >>> levels_of("sse4_2 ssse3 pni cx16 lahf_lm popcnt sse4_1 avx")
    ('x86-64-v2',)
    """
    have = {_ON_MACOS.get(name, name) for name in features.lower().split()}
    reached: list[str] = []
    for level, wanted in _LEVELS.items():
        if have and not have.issuperset(wanted.split()):
            break
        reached.insert(0, level)
        if not have:
            break
    return tuple(reached)


def _features() -> str:
    if sys.platform == "darwin":
        return " ".join(map(_sysctl, _SYSCTLS))
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next((line.partition(":")[2] for line in file if line.startswith("flags")), "")
    except OSError:
        return ""


def _sysctl(name: bytes) -> str:
    """A text that the macOS kernel tells by name; empty where it does not know it."""
    ask = ctypes.CDLL(None).sysctlbyname
    text = ctypes.create_string_buffer(4096)
    size = ctypes.c_size_t(len(text))
    known = ask(name, text, ctypes.byref(size), None, ctypes.c_size_t(0)) == 0
    return text.value.decode("ascii", "replace") if known else ""
