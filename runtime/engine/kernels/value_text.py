"""Raw JSON strings as folded text."""

from __future__ import annotations

from sigmac.runtime.engine.kernels.characters import (
    code_of_escape,
    code_of_sequence,
    escape_length,
    utf8_length,
)
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import PADDING, copy64, string_stops, trailing_zeros
from sigmac.runtime.engine.layout import Bytes, Words


@kernel
def put_folded(code: int, fold: Words, text: Bytes, at: int) -> int:
    """Write a code point, folded, as UTF-8 from `text[at]` on; returns the place after it. ASCII keeps its case."""
    if 128 <= code < len(fold):
        code = fold[code]
    if code < 128:
        text[at] = code
        return at + 1
    if code < 0x800:
        text[at] = 0xC0 | code >> 6
        text[at + 1] = 0x80 | code & 0x3F
        return at + 2
    if code < 0x10000:
        text[at] = 0xE0 | code >> 12
        text[at + 1] = 0x80 | code >> 6 & 0x3F
        text[at + 2] = 0x80 | code & 0x3F
        return at + 3
    text[at] = 0xF0 | code >> 18
    text[at + 1] = 0x80 | code >> 12 & 0x3F
    text[at + 2] = 0x80 | code >> 6 & 0x3F
    text[at + 3] = 0x80 | code & 0x3F
    return at + 4


@kernel
def unescaped(c: int) -> int:
    """The character of a two-byte escape."""
    if c == 110:
        return 10
    if c == 114:
        return 13
    if c == 116:
        return 9
    if c == 98:
        return 8
    if c == 102:
        return 12
    return c


@kernel
def is_complex(data: Bytes, start: int, stop: int) -> bool:
    """Whether `data[start:stop]` is not all ASCII or holds a backslash."""
    at = start
    while at < stop:
        stops = string_stops(data, at)
        if stops != 0 and at + trailing_zeros(stops) < stop:
            return True
        at += 64
    return False


@kernel
def fold_text(data: Bytes, start: int, stop: int, fold: Words, text: Bytes, n: int) -> int:
    r"""Write a string of checked JSON, unescaped and folded, from `text[n]` on; returns the place after.

    ASCII letters keep their case: automata read both. A byte becomes at most two (`text` must have room, and PADDING
    more): two bytes of UTF-8 fold to three at most, and an escape is longer than what it stands for.
    """
    at = start
    while at < stop:
        # What is plain is most of a text.
        stops = string_stops(data, at)
        plain = min(at + (trailing_zeros(stops) if stops != 0 else 64), stop)
        copy64(data, at, text, n)
        n += plain - at
        at = plain
        if at == stop or stops == 0:
            continue
        c = data[at]
        if c == 92:
            c = data[at + 1]
            if c != 117:
                text[n] = unescaped(c)
                n += 1
                at += 2
                continue
            n = put_folded(code_of_escape(data, at), fold, text, n)
            at += escape_length(data, at)
        else:
            n = put_folded(code_of_sequence(data, at), fold, text, n)
            at += utf8_length(data, at)
    return n


@kernel
def is_same_text(one: Bytes, at: int, other: Bytes, start: int, length: int) -> bool:
    """Whether two folded texts are equal, the letter case of ASCII aside."""
    for i in range(length):
        a, b = one[at + i], other[start + i]
        if a != b and (a | 32 != b | 32 or not 97 <= a | 32 <= 122):
            return False
    return True


@kernel
def spell_again(data: Bytes, start: int, stop: int, fold: Words, text: Bytes) -> int:
    r"""Write a record with every string folded and spelled as most are; returns its bytes, -1: no room.

    Of all ways to write a character only the shortest is left: no `\u0041`, no `\/`. The record is checked JSON, with
    no backslash outside of strings.
    """
    at, n = start, 0
    while at < stop:
        if n + 2 * PADDING > len(text):
            return -1
        stops = string_stops(data, at)
        plain = min(at + (trailing_zeros(stops) if stops != 0 else 64), stop)
        copy64(data, at, text, n)
        n += plain - at
        at = plain
        if at == stop or stops == 0:
            continue
        c = data[at]
        if c == 92:
            length = escape_length(data, at)
            if length == 2:
                if data[at + 1] != 47:
                    text[n] = 92
                    n += 1
                text[n] = data[at + 1]
                n += 1
            else:
                n = put_spelled(code_of_escape(data, at), fold, text, n)
            at += length
        elif c >= 128:
            n = put_folded(code_of_sequence(data, at), fold, text, n)
            at += utf8_length(data, at)
        else:
            text[n] = c
            n += 1
            at += 1
    for i in range(n, n + PADDING):
        text[i] = 0
    return n


@kernel
def put_spelled(code: int, fold: Words, text: Bytes, n: int) -> int:
    r"""Write a code point as a JSON string has it: only what has no short escape becomes `\u0000`."""
    if code == 34 or code == 92:
        text[n] = 92
        text[n + 1] = code
        return n + 2
    if code < 32:
        short = 0
        if code == 8:
            short = 98
        elif code == 9:
            short = 116
        elif code == 10:
            short = 110
        elif code == 12:
            short = 102
        elif code == 13:
            short = 114
        text[n] = 92
        if short == 0:
            text[n + 1] = 117
            text[n + 2] = text[n + 3] = 48
            text[n + 4] = 48 + (code >> 4)
            text[n + 5] = 48 + (code & 15) if (code & 15) < 10 else 87 + (code & 15)
            return n + 6
        text[n + 1] = short
        return n + 2
    return put_folded(code, fold, text, n)
