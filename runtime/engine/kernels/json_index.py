r"""Where the strings of a record begin and end, and whether their bytes are JSON's; the first of two passes.

All of a record is looked at 64 bytes at a time, so that the second pass (`json_scan.py`) never searches: it takes the
quotes one after the other. The idea is simdjson's (Langdale and Lemire, 2019).
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.characters import escape_length, utf8_length
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import (
    count_ones,
    equal_to,
    prefetch,
    text_masks,
    trailing_zeros,
)
from sigmac.runtime.engine.layout import EXOTIC, OUTLANDISH_TEXT, QUOTES, Bytes, Scratch

_ONE, _LAST = np.uint64(1), np.uint64(63)
_ODD_PLACES = np.uint64(0xAAAAAAAAAAAAAAAA)
_AHEAD = 8192  # bytes
_AT_ONCE = 8  # quotes written without a look at how many there are


@kernel
def index_record(data: Bytes, start: int, end: int, scratch: Scratch) -> int:
    r"""The place of the newline that ends the record at `start`, or `end`; its quotes are then in `scratch`.

    `sizes[QUOTES]` says how many there are that no backslash escapes; -1 where some string is not JSON, or where they
    are too many. `sizes[EXOTIC]` says whether ASCII may be written in other bytes than it mostly is (`\u0041`, `\/`,
    the Kelvin sign).
    """
    quotes = scratch.quotes
    most = len(quotes) - 64
    count, exotic = 0, 0
    good = True
    sequence = escape = start  # up to here they are checked
    escaped_first = np.uint64(0)  # bit 0: the first byte of the block follows a backslash
    at = start
    while True:
        prefetch(data, at + _AHEAD)
        found, backslashes, high, control = text_masks(data, at)
        weird = np.uint64(0)
        if (backslashes | escaped_first) != 0:
            # Of each run of backslashes every second one escapes: the subtraction carries through the run.
            starts = backslashes & ~escaped_first
            escapes = (((starts << _ONE) | _ODD_PLACES) - starts) ^ _ODD_PLACES
            escaped = escapes ^ (backslashes | escaped_first)
            short = equal_to(data, at, 110) | equal_to(data, at, 114) | equal_to(data, at, 116)
            weird = escaped & ~(short | found | backslashes)
            found &= ~escaped
            escaped_first = (escapes & backslashes) >> _LAST
        stop = 64
        if (control | high | weird) != 0:
            while control != 0:
                i = trailing_zeros(control)
                c = data[at + i]
                before = (_ONE << np.uint64(i)) - _ONE
                if c == 10 or at + i >= end:
                    stop = i
                    found &= before
                    high &= before
                    weird &= before
                    break
                # Between strings tabs and carriage returns are blanks.
                if (c != 9 and c != 13) or (count + count_ones(found & before)) & 1 != 0:
                    good = False
                control &= control - _ONE
            while high != 0:
                place = at + trailing_zeros(high)
                if place >= sequence:
                    length = utf8_length(data, place)
                    good = good and length != 0
                    sequence = place + length
                    # The long s and the Kelvin sign fold to ASCII.
                    if (data[place] == 0xC5 and data[place + 1] == 0xBF) or (
                        data[place] == 0xE2 and data[place + 1] == 0x84 and data[place + 2] == 0xAA
                    ):
                        exotic = OUTLANDISH_TEXT
                high &= high - _ONE
            while weird != 0:
                place = at + trailing_zeros(weird) - 1
                if place >= escape:
                    length = escape_length(data, place)
                    good = good and length != 0
                    escape = place + length
                    if length > 2 or data[place + 1] == 47:
                        exotic = OUTLANDISH_TEXT
                weird &= weird - _ONE
        if found != 0:
            if count > most:
                good, count = False, 0
            all_of_them = count + count_ones(found)
            for i in range(_AT_ONCE):
                quotes[count + i] = at + trailing_zeros(found)
                found &= found - _ONE
            count += _AT_ONCE
            while count < all_of_them:
                quotes[count] = at + trailing_zeros(found)
                found &= found - _ONE
                count += 1
            count = all_of_them
        if stop < 64:
            scratch.sizes[QUOTES] = count if good and count & 1 == 0 else -1
            scratch.sizes[EXOTIC] = exotic
            return at + stop
        at += 64
