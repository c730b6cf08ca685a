"""Compares of 64 bytes at once, and loads of 8, as LLVM vector code.

LLVM lowers `<64 x i8>` to AVX-512, two AVX2, four SSE2 or NEON instructions, so that no C is needed. Each function
reads up to 64 bytes from `data[at]` on: whoever calls pads its buffer by `PADDING`. The Python bodies are the meaning,
the overloads are what Numba compiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

PADDING = 128  # bytes that may be read past the last one
_BYTE = ir.IntType(8)
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, 64)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
_ZEROS = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)


def _load(context: Any, builder: Any, signature: Any, args: Any, kind: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    address = builder.gep(array.data, [args[1]])
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=1)


def _splat(builder: Any, byte: Any) -> Any:
    one = builder.insert_element(_UNDEFINED, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, _UNDEFINED, _ZEROS)


@intrinsic
def _string_stops(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature, args, _VECTOR)
        quote = builder.icmp_unsigned("==", vector, _splat(builder, _BYTE(34)))
        backslash = builder.icmp_unsigned("==", vector, _splat(builder, _BYTE(92)))
        # As signed bytes, control characters and all that is not ASCII are below the blank.
        odd = builder.icmp_signed("<", vector, _splat(builder, _BYTE(32)))
        return builder.bitcast(builder.or_(builder.or_(quote, backslash), odd), _WORD)

    return types.uint64(data, at), codegen


@intrinsic
def _equal_to(typingctx: Any, data: Any, at: Any, byte: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature, args, _VECTOR)
        equal = builder.icmp_unsigned("==", vector, _splat(builder, builder.trunc(args[2], _BYTE)))
        return builder.bitcast(equal, _WORD)

    return types.uint64(data, at, types.int64), codegen


@intrinsic
def _copy64(typingctx: Any, data: Any, at: Any, to: Any, place: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature, args, _VECTOR)
        array = context.make_array(signature.args[2])(context, builder, args[2])
        address = builder.gep(array.data, [args[3]])
        builder.store(vector, builder.bitcast(address, _VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, at, to, place), codegen


@intrinsic
def _newlines(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature, args, _VECTOR)
        return builder.bitcast(
            builder.icmp_unsigned("==", vector, _splat(builder, _BYTE(10))), _WORD
        )

    return types.uint64(data, at), codegen


@intrinsic
def _load64(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature, args, _WORD)

    return types.uint64(data, at), codegen


@intrinsic
def _trailing_zeros(typingctx: Any, mask: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

    return types.int64(mask), codegen


def string_stops(data: Any, at: Any) -> Any:
    """Bit i is set where `data[at + i]` is a quote, a backslash, a control character or not ASCII (uint64)."""
    mask = 0
    for i, byte in enumerate(data[at : at + 64].tolist()):
        if byte in (34, 92) or byte < 32 or byte >= 128:
            mask |= 1 << i
    return np.uint64(mask)


def equal_to(data: Any, at: Any, byte: Any) -> Any:
    """Bit i is set where `data[at + i]` is a byte (uint64)."""
    mask = 0
    for i, each in enumerate(data[at : at + 64].tolist()):
        if each == byte:
            mask |= 1 << i
    return np.uint64(mask)


def copy64(data: Any, at: Any, to: Any, place: Any) -> None:
    """Copy 64 bytes from `data[at]` on to `to[place]` on."""
    to[place : place + 64] = data[at : at + 64]


def newlines(data: Any, at: Any) -> Any:
    """Bit i is set where `data[at + i]` is a newline (uint64)."""
    mask = 0
    for i, byte in enumerate(data[at : at + 64].tolist()):
        if byte == 10:
            mask |= 1 << i
    return np.uint64(mask)


def load64(data: Any, at: Any) -> Any:
    """Eight bytes from `data[at]` on as a little-endian uint64."""
    return np.uint64(int.from_bytes(data[at : at + 8].tobytes(), "little"))


def trailing_zeros(mask: Any) -> Any:
    """The place of the lowest bit that is set in a uint64 other than 0 (int64)."""
    value = int(mask)
    return (value & -value).bit_length() - 1


@overload(string_stops)
def _of_string_stops(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _string_stops(data, at)

    return call


@overload(equal_to)
def _of_equal_to(data: Any, at: Any, byte: Any) -> Any:
    def call(data: Any, at: Any, byte: Any) -> Any:
        return _equal_to(data, at, byte)

    return call


@overload(copy64)
def _of_copy64(data: Any, at: Any, to: Any, place: Any) -> Any:
    def call(data: Any, at: Any, to: Any, place: Any) -> Any:
        _copy64(data, at, to, place)

    return call


@overload(newlines)
def _of_newlines(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _newlines(data, at)

    return call


@overload(load64)
def _of_load64(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _load64(data, at)

    return call


@overload(trailing_zeros)
def _of_trailing_zeros(mask: Any) -> Any:
    def call(mask: Any) -> Any:
        return _trailing_zeros(mask)

    return call
