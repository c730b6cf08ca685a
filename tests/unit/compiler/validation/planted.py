"""Faults planted in the compiler and in the kernels, and whether `sigmac build --verify` tells of them.

Run as a module it plants one fault after the other in the kernels' Python twins, with `NUMBA_DISABLE_JIT=1`.
"""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import yaml

from sigmac.compiler.packaging.build import BuildOptions
from sigmac.compiler.validation.comparison import Difference
from sigmac.compiler.validation.verify import verify
from sigmac.runtime.engine.machine_code import choice
from tests.unit.packs import compile_text, rule

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Fault:
    """What a function says wrongly, and the detection of a rule on which that must be told."""

    where: str  # module:function, the module below `compiler` or `runtime`
    was: str
    wrong: str
    detection: str
    unasked: str = ""  # what it is in, where the public rules never ask that

    @property
    def kind(self) -> str:
        """The part of sigmac that has the fault."""
        module = self.where.partition(":")[0]
        for part, kind in KINDS.items():
            if module.startswith(part):
                return kind
        return "code generation"

    def __str__(self) -> str:
        return f"{self.where}: {self.was} -> {self.wrong}"


KINDS = {
    "kernels": "kernels",
    "optimizer": "optimizer",
    "lowering": "lowering",
    "codegen.programs": "decision programs and tables",
    "codegen.tables": "decision programs and tables",
    "codegen.questions": "decision programs and tables",
}


def faults_in(*names: str) -> list[Fault]:
    """The faults of files beside this one."""
    return [
        Fault(*each)
        for name in names
        for each in yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    ]


def compiler_faults() -> list[Fault]:
    """Those in optimizer, lowering, generated code, decision programs and tables."""
    return faults_in("faults.yml")


def kernel_faults() -> list[Fault]:
    """Those in the kernels."""
    return faults_in("kernel_faults.yml")


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Let a function run as if its source said something else, whoever has imported it."""
    function = function_at(fault.where)
    right = function.__code__
    function.__code__ = wrong_function(function, fault).__code__
    try:
        yield
    finally:
        function.__code__ = right


def function_at(where: str) -> FunctionType:
    """The function that a fault is in; of a kernel what Numba compiles."""
    name, _, path = where.partition(":")
    room = "runtime.engine" if name.startswith("kernels.") else "compiler"
    found: Any = import_module(f"sigmac.{room}.{name}")
    for each in path.split("."):
        found = getattr(found, each)
    found = getattr(found, "py_func", found)
    assert isinstance(found, FunctionType)
    return found


def wrong_function(function: FunctionType, fault: Fault) -> FunctionType:
    """A function with a fault, in the same module."""
    source = textwrap.dedent(inspect.getsource(function))
    source = source[source.index("def ") :]  # without decorators
    assert source.count(fault.was) == 1, f"what {fault.where} says has changed: write it anew"
    return function_of(source.replace(fault.was, fault.wrong), function)


def function_of(source: str, function: FunctionType) -> FunctionType:
    """The function of some source that sees what another one sees."""
    made: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{source}", {}, made)
    *_, found = made.values()
    return FunctionType(found.__code__, function.__globals__, found.__name__)


def differences(detection: str, folder: Path) -> list[Difference]:
    """What the verification of a pack of one rule tells."""
    lines = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in yaml.safe_load(detection).items()
    )
    made = compile_text(rule(lines), folder, jobs=1)
    assert made.errors == []
    return verify(made, BuildOptions("test", jobs=1)).differences


def untold_by_twins() -> list[str]:
    """The faults that are not told by the kernels' twins, each on its own rule."""
    from tests.unit.runtime.engine.twins import twin_kernels

    kernels = twin_kernels()
    untold = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "find_kernels", lambda: kernels)
        for i, fault in enumerate(kernel_faults()):
            sound = differences(fault.detection, Path(folder, f"{i}"))
            assert sound == [], sound[0]
            with planted(fault):
                if not differences(fault.detection, Path(folder, f"{i}")):
                    untold.append(str(fault))
    return untold


if __name__ == "__main__":
    np.seterr(over="ignore")  # hashes wrap around
    json.dump(untold_by_twins(), sys.stdout)
