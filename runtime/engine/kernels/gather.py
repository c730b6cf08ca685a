"""Records that lie anywhere in memory, as a C library keeps them: what it says of each, and their texts in one buffer.

The only kernel that follows addresses which are not those of arrays: whoever calls it answers for them.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import equal_to
from sigmac.runtime.engine.layout import Gathering

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
WIDTH = 64  # bytes that are compared at once
_LINE_FEED, _BOM = 10, (0xEF, 0xBB, 0xBF)


@intrinsic
def _word_at(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _WORD.as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic
def _copy(typingctx: Any, address: Any, size: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[2])(context, builder, args[2])
        source = builder.inttoptr(args[0], _BYTE.as_pointer())
        target = builder.gep(array.data, [args[3]])
        cgutils.raw_memcpy(builder, target, source, args[1], 1)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, data, types.int64), codegen


@intrinsic
def _call(typingctx: Any, function: Any, argument: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_WORD])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def word_at(address: int) -> int:
    """The 64 bits at an address."""
    return ctypes.c_int64.from_address(address).value


def copy(address: int, size: int, data: Any, at: int) -> None:
    """Copy bytes from an address to `data[at]` on."""
    if size:
        data[at : at + size] = np.frombuffer(ctypes.string_at(address, size), np.uint8)


def call(function: int, argument: int) -> None:
    """Call the C function `void f(void *)` that stands at an address."""
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)(argument)


@overload(word_at)
def _of_word_at(address: Any) -> Any:
    def made(address: Any) -> Any:
        return _word_at(address)

    return made


@overload(copy)
def _of_copy(address: Any, size: Any, data: Any, at: Any) -> Any:
    def made(address: Any, size: Any, data: Any, at: Any) -> Any:
        _copy(address, size, data, at)

    return made


@overload(call)
def _of_call(function: Any, argument: Any) -> Any:
    def made(function: Any, argument: Any) -> Any:
        _call(function, argument)

    return made


@kernel
def gather(group: Gathering) -> int:
    """Do what `sizes[0]` says with the first `sizes[1]` of `addresses`; see `layout.Gathering`."""
    wanted = group.sizes[0]
    if wanted == layout.TELL:
        return _tell(group)
    if wanted == layout.JOIN:
        return _join(group)
    return _release(group)


@kernel
def _tell(group: Gathering) -> int:
    count = group.sizes[1]
    for i in range(count):
        for j in range(layout.TOLD):
            group.told[j * count + i] = word_at(group.addresses[i] + 8 * j)
    return 0


@kernel
def _join(group: Gathering) -> int:
    at = 0
    unlike = 0
    for i in range(group.sizes[1]):
        start, size = group.addresses[i], group.told[i]
        if start == 0:
            unlike += 1
        copy(start, size, group.data, at)
        end = at + size
        j = at
        found = False
        while j + WIDTH <= end:
            found |= equal_to(group.data, j, _LINE_FEED) != 0
            j += WIDTH
        while j < end:
            found |= group.data[j] == _LINE_FEED
            j += 1
        if size >= 3 and group.data[at] == _BOM[0]:
            found |= group.data[at + 1] == _BOM[1] and group.data[at + 2] == _BOM[2]
        unlike += found
        at = end
        group.data[at] = _LINE_FEED
        at += 1
        group.ends[i] = at
    return unlike


@kernel
def _release(group: Gathering) -> int:
    for i in range(group.sizes[1]):
        call(group.sizes[2], group.addresses[i])
    return 0
