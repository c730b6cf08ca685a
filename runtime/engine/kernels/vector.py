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

from sigmac.runtime.engine.kernels import byte_lookup
from sigmac.runtime.engine.layout import WINDOW

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
def _text_masks(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature, args, _VECTOR)
        masks = [
            builder.icmp_unsigned("==", vector, _splat(builder, _BYTE(34))),
            builder.icmp_unsigned("==", vector, _splat(builder, _BYTE(92))),
            builder.icmp_signed("<", vector, _splat(builder, _BYTE(0))),
            builder.icmp_unsigned("<", vector, _splat(builder, _BYTE(32))),
        ]
        words = [builder.bitcast(mask, _WORD) for mask in masks]
        return context.make_tuple(builder, signature.return_type, words)

    return types.UniTuple(types.uint64, 4)(data, at), codegen


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
def _differing(typingctx: Any, one: Any, at: Any, other: Any, start: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        first = context.make_array(kinds[0])(context, builder, args[0])
        second = context.make_array(kinds[2])(context, builder, args[2])
        vectors = [
            builder.load(
                builder.bitcast(builder.gep(array.data, [place]), _VECTOR.as_pointer()), align=1
            )
            for array, place in ((first, args[1]), (second, args[3]))
        ]
        return builder.bitcast(builder.icmp_unsigned("!=", *vectors), _WORD)

    return types.uint64(one, at, other, start), codegen


@intrinsic
def _equal_pairs(typingctx: Any, data: Any, at: Any, one: Any, two: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64 = ir.IntType(64)
        lower = _splat(builder, _BYTE(32))
        masks = []
        for offset, byte in enumerate(args[2:]):
            place = [args[0], builder.add(args[1], i64(offset))]
            vector = builder.or_(_load(context, builder, signature, place, _VECTOR), lower)
            wanted = builder.or_(_splat(builder, builder.trunc(byte, _BYTE)), lower)
            masks.append(builder.icmp_unsigned("==", vector, wanted))
        return builder.bitcast(builder.and_(*masks), _WORD)

    return types.uint64(data, at, types.int64, types.int64), codegen


@intrinsic
def _window_hits(typingctx: Any, data: Any, at: Any, tables: Any, place: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tables_type = signature.args[2]
        low, four = _splat(builder, _BYTE(15)), _splat(builder, _BYTE(4))
        lookup = byte_lookup.declare(builder.module)
        array = context.make_array(tables_type)(context, builder, args[2])
        found = None
        for i in range(WINDOW):
            where = [args[0], builder.add(args[1], _WORD(i))]
            vector = _load(context, builder, signature, where, _VECTOR)
            nibbles = builder.and_(vector, low), builder.lshr(vector, four)
            for j, half in enumerate(nibbles):
                start = builder.add(args[3], _WORD(32 * i + 16 * j))
                address = builder.bitcast(
                    builder.gep(array.data, [start]), byte_lookup.TABLE.as_pointer()
                )
                buckets = builder.call(lookup, [builder.load(address, align=1), half])
                found = buckets if found is None else builder.and_(found, buckets)
        none = _splat(builder, _BYTE(0))
        return builder.bitcast(builder.icmp_unsigned("!=", found, none), _WORD)

    return types.uint64(data, types.int64, tables, types.int64), codegen


@intrinsic
def _load64(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature, args, _WORD)

    return types.uint64(data, at), codegen


@intrinsic
def _prefetch(typingctx: Any, data: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), _BYTE.as_pointer())
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(data, at), codegen


@intrinsic
def _trailing_zeros(typingctx: Any, mask: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.false_bit)

    return types.int64(mask), codegen


@intrinsic
def _count_ones(typingctx: Any, mask: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(mask), codegen


def string_stops(data: Any, at: Any) -> Any:
    """Bit i is set where `data[at + i]` is a quote, a backslash, a control character or not ASCII (uint64)."""
    mask = 0
    for i, byte in enumerate(data[at : at + 64].tolist()):
        if byte in (34, 92) or byte < 32 or byte >= 128:
            mask |= 1 << i
    return np.uint64(mask)


def text_masks(data: Any, at: Any) -> Any:
    """Four masks (uint64), of which bit i is set where `data[at + i]` is a quote, a backslash, not ASCII, below 32."""
    masks = [0, 0, 0, 0]
    for i, byte in enumerate(data[at : at + 64].tolist()):
        for which, holds in enumerate((byte == 34, byte == 92, byte >= 128, byte < 32)):
            masks[which] |= holds << i
    return tuple(map(np.uint64, masks))


def equal_to(data: Any, at: Any, byte: Any) -> Any:
    """Bit i is set where `data[at + i]` is a byte (uint64)."""
    mask = 0
    for i, each in enumerate(data[at : at + 64].tolist()):
        if each == byte:
            mask |= 1 << i
    return np.uint64(mask)


def differing(one: Any, at: Any, other: Any, start: Any) -> Any:
    """Bit i is set where `one[at + i]` and `other[start + i]` differ (uint64); 64 bytes of both are read."""
    mask = 0
    pairs = zip(one[at : at + 64].tolist(), other[start : start + 64].tolist(), strict=True)
    for i, (a, b) in enumerate(pairs):
        mask |= (a != b) << i
    return np.uint64(mask)


def copy64(data: Any, at: Any, to: Any, place: Any) -> None:
    """Copy 64 bytes from `data[at]` on to `to[place]` on."""
    to[place : place + 64] = data[at : at + 64]


def equal_pairs(data: Any, at: Any, one: Any, two: Any) -> Any:
    """Bit i is set where `data[at + i:at + i + 2]` are two bytes (uint64), bit 5 of each aside."""
    mask = 0
    bytes_ = data[at : at + 65].tolist()
    for i in range(64):
        if bytes_[i] | 32 == one | 32 and bytes_[i + 1] | 32 == two | 32:
            mask |= 1 << i
    return np.uint64(mask)


def window_hits(data: Any, at: Any, tables: Any, place: Any) -> Any:
    """Bit i is set where some bucket's bit is in all that `tables` say of the WINDOW bytes from `data[at + i]` on.

    From `tables[place]` on stand, for each of these bytes, 16 bytes for its lower nibble and 16 for its upper one.
    """
    mask = 0
    bytes_ = data[at : at + 64 + WINDOW].tolist()
    said = tables[place : place + 32 * WINDOW].tolist()
    for i in range(64):
        buckets = 255
        for j in range(WINDOW):
            byte = bytes_[i + j]
            buckets &= said[32 * j + (byte & 15)] & said[32 * j + 16 + (byte >> 4)]
        mask |= (buckets != 0) << i
    return np.uint64(mask)


def load64(data: Any, at: Any) -> Any:
    """Eight bytes from `data[at]` on as a little-endian uint64."""
    return np.uint64(int.from_bytes(data[at : at + 8].tobytes(), "little"))


def prefetch(data: Any, at: Any) -> None:
    """Have the processor fetch what is at `data[at]`, which may lie outside of the array; a hint and no access."""


def trailing_zeros(mask: Any) -> Any:
    """The place of the lowest bit that is set in a uint64 (int64); 64 where none is."""
    value = int(mask)
    return (value & -value).bit_length() - 1 if value else 64


def count_ones(mask: Any) -> Any:
    """How many bits of a uint64 are set (int64)."""
    return int(mask).bit_count()


@overload(string_stops)
def _of_string_stops(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _string_stops(data, at)

    return call


@overload(text_masks)
def _of_text_masks(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _text_masks(data, at)

    return call


@overload(equal_to)
def _of_equal_to(data: Any, at: Any, byte: Any) -> Any:
    def call(data: Any, at: Any, byte: Any) -> Any:
        return _equal_to(data, at, byte)

    return call


@overload(differing)
def _of_differing(one: Any, at: Any, other: Any, start: Any) -> Any:
    def call(one: Any, at: Any, other: Any, start: Any) -> Any:
        return _differing(one, at, other, start)

    return call


@overload(copy64)
def _of_copy64(data: Any, at: Any, to: Any, place: Any) -> Any:
    def call(data: Any, at: Any, to: Any, place: Any) -> Any:
        _copy64(data, at, to, place)

    return call


@overload(equal_pairs)
def _of_equal_pairs(data: Any, at: Any, one: Any, two: Any) -> Any:
    def call(data: Any, at: Any, one: Any, two: Any) -> Any:
        return _equal_pairs(data, at, one, two)

    return call


@overload(window_hits)
def _of_window_hits(data: Any, at: Any, tables: Any, place: Any) -> Any:
    def call(data: Any, at: Any, tables: Any, place: Any) -> Any:
        return _window_hits(data, at, tables, place)

    return call


@overload(load64)
def _of_load64(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> Any:
        return _load64(data, at)

    return call


@overload(prefetch)
def _of_prefetch(data: Any, at: Any) -> Any:
    def call(data: Any, at: Any) -> None:
        _prefetch(data, at)

    return call


@overload(trailing_zeros)
def _of_trailing_zeros(mask: Any) -> Any:
    def call(mask: Any) -> Any:
        return _trailing_zeros(mask)

    return call


@overload(count_ones)
def _of_count_ones(mask: Any) -> Any:
    def call(mask: Any) -> Any:
        return _count_ones(mask)

    return call
