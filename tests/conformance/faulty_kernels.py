"""The kernels compiled once with all their faults, of which a number chooses one while they run.

To compile them anew for each fault would take a minute each. So every function that has faults becomes one that calls
the right one or a faulty one: "mutant schemata" (Untch, Offutt and Harrold 1993), by functions.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.entry import compile_entries
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.engine.machine_code.jit_cache import load_code, this_machine
from sigmac.runtime.engine.machine_code.object_code import intermediate_code, object_code
from tests.unit.compiler.validation.planted import (
    Fault,
    function_at,
    function_of,
    wrong_function,
)

CHOSEN = np.zeros(1, np.int64)  # the number of the fault that is to be there, from 1; 0: none


@intrinsic  # type: ignore[misc]
def chosen_fault(typing: Any) -> Any:
    """What stands in CHOSEN of this process."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = context.get_constant(types.intp, CHOSEN.ctypes.data)
        return builder.load(builder.inttoptr(address, ir.IntType(64).as_pointer()))

    return types.int64(), generate


def kernels_with(faults: Sequence[Fault]) -> Kernels:
    """Kernels with these faults, compiled now; those of this process are changed by it."""
    by_function: dict[str, list[int]] = defaultdict(list)
    for number, fault in enumerate(faults, 1):
        by_function[fault.where].append(number)
    for where, numbers in by_function.items():
        function = function_at(where)
        name, seen = function.__name__, function.__globals__
        arguments = ", ".join(inspect.signature(function).parameters)
        lines = [f"def {name}({arguments}):", "    fault = chosen_fault()"]
        for number in numbers:
            seen[f"{name}_{number}"] = kernel(wrong_function(function, faults[number - 1]))
            lines += [f"    if fault == {number}:", f"        return {name}_{number}({arguments})"]
        right = function_of(inspect.getsource(function).partition("\n")[2], function)
        seen |= {f"{name}_right": kernel(right), "chosen_fault": chosen_fault}
        lines.append(f"    return {name}_right({arguments})")
        function.__code__ = function_of("\n".join(lines), function).__code__
    llvm, cpu, features, _ = this_machine()
    return load_code(llvm, object_code(intermediate_code(compile_entries()), cpu, features))
