"""Raw JSON strings as folded text."""

from __future__ import annotations

from typing import Any

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.json_scan import hexadecimal, utf8_length
from sigmac.runtime.engine.kernels.vector import copy64, string_stops, trailing_zeros


@kernel
def put_folded(code: int, fold: Any, text: Any, at: int) -> int:
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
def fold_text(data: Any, start: int, stop: int, fold: Any, text: Any) -> int:
    r"""Write the string `data[start:stop]`, checked JSON, unescaped and folded to `text`; returns its bytes.

    ASCII letters keep their case: automata read both. A byte becomes at most two (`text` must have room, and PADDING
    more): two bytes of UTF-8 fold to three at most, and an escape is longer than what it stands for.
    """
    at, n = start, 0
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
            code = hexadecimal(data, at + 2)
            at += 6
            if 0xD800 <= code <= 0xDBFF:
                code = 0x10000 + ((code - 0xD800) << 10) + hexadecimal(data, at + 2) - 0xDC00
                at += 6
            n = put_folded(code, fold, text, n)
        else:
            length = utf8_length(data, at)
            if length == 2:
                code = (c & 0x1F) << 6 | data[at + 1] & 0x3F
            elif length == 3:
                code = (c & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | data[at + 2] & 0x3F
            else:
                code = (
                    (c & 0x07) << 18
                    | (data[at + 1] & 0x3F) << 12
                    | (data[at + 2] & 0x3F) << 6
                    | data[at + 3] & 0x3F
                )
            n = put_folded(code, fold, text, n)
            at += length
    return n
