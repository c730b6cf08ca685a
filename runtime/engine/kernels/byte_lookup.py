"""Sixteen bytes as a table, looked up by 64 bytes at once: one instruction on most processors, another on each.

LLVM has no such operation of its own. The kernels call a function that Numba compiles a slow body for; before machine
code is made, its body is replaced by the instructions of the processor.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from llvmlite import ir

NAME = "sigmac_byte_lookup"
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
TABLE, VECTOR = ir.VectorType(_BYTE, 16), ir.VectorType(_BYTE, 64)
# Bytes at once, the intrinsic, and what the processor must have for it; the best first
_WAYS = (
    (64, "llvm.x86.avx512.pshuf.b.512", "avx512bw"),
    (32, "llvm.x86.avx2.pshuf.b", "avx2"),
    (16, "llvm.x86.ssse3.pshuf.b.128", "ssse3"),
    (16, "llvm.aarch64.neon.tbl1.v16i8", "neon"),
)
# What each kind of processor that libraries are made for has
FEATURES = {
    "x86-64-v2": {"ssse3"},
    "x86-64-v3": {"ssse3", "avx2"},
    "x86-64-v4": {"ssse3", "avx2", "avx512bw"},
    "generic": {"neon"},
}


def declare(module: ir.Module) -> ir.Function:
    """The function in a module, with a body that runs anywhere: lane i of the result is `table[index[i]]`."""
    found = module.globals.get(NAME)
    if found is not None:
        return found
    function = ir.Function(module, ir.FunctionType(VECTOR, [TABLE, VECTOR]), NAME)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    table, index = function.args
    result = ir.Constant(VECTOR, ir.Undefined)
    for lane in range(64):
        place = ir.Constant(ir.IntType(32), lane)
        byte = builder.extract_element(table, builder.extract_element(index, place))
        result = builder.insert_element(result, byte, place)
    builder.ret(result)
    return function


def with_instructions(code: str, features: Collection[str]) -> str:
    """The LLVM IR of a module with the body of the function by instructions of a processor that has some features."""
    ways = [(width, name) for width, name, needed in _WAYS if needed in features]
    if not ways:
        return code
    width, intrinsic = ways[0]
    body = re.search(rf"^define [^\n]*@{NAME}\(.*?^}}$", code, re.DOTALL | re.MULTILINE)
    return code if body is None else code.replace(body[0], _definition(width, intrinsic))


def _definition(width: int, intrinsic: str) -> str:
    kind = f"<{width} x i8>"
    lines = [
        f"declare {kind} @{intrinsic}({kind}, {kind})",
        f"define internal <64 x i8> @{NAME}(<16 x i8> %t, <64 x i8> %i) alwaysinline {{",
        f"  %w = shufflevector <16 x i8> %t, <16 x i8> undef, {_mask(lane % 16 for lane in range(width))}",
    ]
    parts = []
    for number, first in enumerate(range(0, 64, width)):
        lanes = _mask(range(first, first + width))
        lines += [
            f"  %i{number} = shufflevector <64 x i8> %i, <64 x i8> undef, {lanes}",
            f"  %r{number} = call {kind} @{intrinsic}({kind} %w, {kind} %i{number})",
        ]
        parts.append(f"%r{number}")
    while len(parts) > 1:
        wide = f"<{2 * width} x i8>"
        joined = []
        for a, b in zip(parts[::2], parts[1::2], strict=True):
            name = f"{a}_{b[1:]}"
            lines.append(
                f"  {name} = shufflevector {kind} {a}, {kind} {b}, {_mask(range(2 * width))}"
            )
            joined.append(name)
        parts, width, kind = joined, 2 * width, wide
    return "\n".join([*lines, f"  ret <64 x i8> {parts[0]}", "}"])


def _mask(lanes: Iterable[int]) -> str:
    numbers = [f"i32 {lane}" for lane in lanes]
    return f"<{len(numbers)} x i32> <{', '.join(numbers)}>"
