"""Characters in raw JSON strings: UTF-8 sequences and escapes."""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.layout import Bytes


@kernel
def utf8_length(data: Bytes, at: int) -> int:
    """Bytes of the well-formed UTF-8 sequence of two to four bytes at `at`; 0 where it is none (RFC 3629)."""
    a, b = data[at], data[at + 1]
    if a < 0xC2 or a > 0xF4 or (b & 0xC0) != 0x80:
        return 0
    if a < 0xE0:
        return 2
    if (data[at + 2] & 0xC0) != 0x80:
        return 0
    if a < 0xF0:
        if (a == 0xE0 and b < 0xA0) or (a == 0xED and b >= 0xA0):
            return 0
        return 3
    if (data[at + 3] & 0xC0) != 0x80 or (a == 0xF0 and b < 0x90) or (a == 0xF4 and b >= 0x90):
        return 0
    return 4


@kernel
def hexadecimal(data: Bytes, at: int) -> int:
    """The value of four hexadecimal digits; -1 where they are none."""
    value = 0
    for i in range(4):
        c = data[at + i]
        if 48 <= c <= 57:
            digit = c - 48
        elif 65 <= c <= 70:
            digit = c - 55
        elif 97 <= c <= 102:
            digit = c - 87
        else:
            return -1
        value = value * 16 + digit
    return value


@kernel
def escape_length(data: Bytes, at: int) -> int:
    r"""Bytes of the escape whose backslash is at `at`, a pair of surrogates as one; 0 where it is none."""
    c = data[at + 1]
    if c == 92 or c == 114 or c == 110 or c == 116 or c == 34 or c == 47 or c == 98 or c == 102:
        return 2
    return unicode_escape_length(data, at) if c == 117 else 0


@kernel
def unicode_escape_length(data: Bytes, at: int) -> int:
    r"""Bytes of the escape `\uXXXX` at `at`, or of two that are a pair of surrogates; 0 where it is none."""
    unit = hexadecimal(data, at + 2)
    if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
        return 0
    if unit < 0xD800 or unit > 0xDFFF:
        return 6
    if data[at + 6] != 92 or data[at + 7] != 117:
        return 0
    low = hexadecimal(data, at + 8)
    return 12 if 0xDC00 <= low <= 0xDFFF else 0


@kernel
def code_of_escape(data: Bytes, at: int) -> int:
    r"""The code point of the escape `\uXXXX` at `at`, or of two that are a pair of surrogates."""
    code = hexadecimal(data, at + 2)
    if 0xD800 <= code <= 0xDBFF:
        code = 0x10000 + ((code - 0xD800) << 10) + hexadecimal(data, at + 8) - 0xDC00
    return code


@kernel
def code_of_sequence(data: Bytes, at: int) -> int:
    """The code point of the well-formed UTF-8 sequence of two to four bytes at `at`."""
    a = np.int64(data[at])
    b = np.int64(data[at + 1] & 0x3F)
    if a < 0xE0:
        return (a & 0x1F) << 6 | b
    c = np.int64(data[at + 2] & 0x3F)
    if a < 0xF0:
        return (a & 0x0F) << 12 | b << 6 | c
    return (a & 0x07) << 18 | b << 12 | c << 6 | np.int64(data[at + 3] & 0x3F)
