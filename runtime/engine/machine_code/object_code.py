"""Kernels → LLVM's intermediate code → an object file for a processor.

Numba gives the optimized LLVM IR of an entry point, llvmlite compiles it again as position-independent code. A kernel
raises nothing, so what is left of Python in it (the error path of Numba's wrapper) becomes a trap: the code needs
neither Python nor Numba nor LLVM, and no C library but for `memcpy` and its kin.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any

from sigmac.runtime.engine.machine_code.processor import architecture

_LIBC = {"memcpy", "memset", "memmove", "memcmp"}


def compiler_versions() -> str:
    """Numba's and llvmlite's versions; neither is imported."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numba", "llvmlite"))


def intermediate_code(compiled: Mapping[str, Any]) -> str:
    """The optimized LLVM IR of entry points, each named `sigmac_` and its name; nothing else can be called."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly("")
    entries = {f"sigmac_{name}": each for name, each in compiled.items()}
    for name, each in entries.items():
        text = each.inspect_llvm().replace(each.native_name, name)
        module.link_in(_without_python(llvm, text))
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name not in entries:
            each.linkage = "internal"
    return str(module)


def _without_python(llvm: Any, text: str) -> Any:
    """The module of some LLVM IR, with a body that traps for every outside function, a value for every variable."""
    module = llvm.parse_assembly(text)
    lines = text.splitlines()
    stubs = ["declare void @llvm.trap()"]
    for function in module.functions:
        name = function.name
        if function.is_declaration and not name.startswith("llvm.") and name not in _LIBC:
            line = next(
                line for line in lines if line.startswith("declare") and f"@{name}(" in line
            )
            head = re.sub(r" #\d+$", "", line).replace("declare", "define weak_odr", 1)
            stubs.append(f"{head} {{\n  call void @llvm.trap()\n  unreachable\n}}")
    for variable in module.global_variables:
        if variable.is_declaration:
            line = next(line for line in lines if line.startswith(f"@{variable.name} = "))
            stubs.append(
                re.sub(
                    r"external (local_unnamed_addr )?global (.*?)(,.*)?$",
                    r"weak_odr global \2 zeroinitializer",
                    line,
                )
            )
    module.link_in(llvm.parse_assembly("\n".join(stubs)))
    return module


def object_code(code: str, cpu: str, features: str = "", machine: str | None = None) -> bytes:
    """An object file of LLVM IR for a processor of an architecture, by default this machine's.

    `features` are LLVM's, as `+avx2,-avx512f`; of the kinds of `byte_lookup.FEATURES` they are known.
    """
    import llvmlite.binding as llvm

    from sigmac.runtime.engine.kernels.byte_lookup import FEATURES, with_instructions

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    given = {each[1:] for each in features.split(",") if each.startswith("+")}
    has = given or FEATURES.get(cpu, set())
    module = llvm.parse_assembly(with_instructions(code, has))
    if machine is not None and machine != architecture():
        module.triple = re.sub(r"^[^-]*", machine, llvm.get_process_triple())
    target = llvm.Target.from_triple(module.triple or llvm.get_process_triple())
    compiler = target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small"
    )
    module.data_layout = str(compiler.target_data)
    # Numba has optimized each function by itself, and for another processor.
    passes = llvm.create_pass_builder(compiler, llvm.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(module, passes)
    return bytes(compiler.emit_object(module))
