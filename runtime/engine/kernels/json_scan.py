"""One record of raw JSON, checked strictly and cut into the values that rules look at.

What the scan accepts is JSON to the letter (RFC 8259, UTF-8, no lone surrogates). What it does not accept may still be:
the caller hands that record to a full parser, which decides. So the scan only ever has to be sure when it says yes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import hash_bytes, same_bytes
from sigmac.runtime.engine.kernels.vector import (
    copy64,
    equal_to,
    string_stops,
    trailing_zeros,
)
from sigmac.runtime.engine.layout import (
    COMPLEX,
    DEPTH,
    EMPTY,
    EXOTIC,
    GUESS_BYTES,
    GUESSES,
    KEYS,
    LEAVES,
    NULL,
    OBJECT,
    OBJECTS,
    ODD,
    ODD_NUMBER,
    OUTLANDISH,
    OUTLANDISH_TEXT,
    PLAIN,
    RECORD,
    TOKENS,
)

_KEY, _KEY_OR_END, _VALUE, _VALUE_OR_END, _AFTER = 0, 1, 2, 3, 4
_FRAME = 7  # numbers on the stack for each open container
_LONGEST_NUMBER = 40
_EXACT_DIGITS = 15  # of a float that is written as Python would
_ONE, _LAST = np.uint64(1), np.uint64(63)
_ODD_PLACES = np.uint64(0xAAAAAAAAAAAAAAAA)


@kernel
def utf8_length(data: Any, at: int) -> int:
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
def hexadecimal(data: Any, at: int) -> int:
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
def escape_length(data: Any, at: int) -> int:
    r"""Bytes of the escape whose backslash is at `at`, a pair of surrogates as one; 0 where it is none."""
    c = data[at + 1]
    if c == 92 or c == 114 or c == 110 or c == 116 or c == 34 or c == 47 or c == 98 or c == 102:
        return 2
    return unicode_escape_length(data, at) if c == 117 else 0


@kernel
def unicode_escape_length(data: Any, at: int) -> int:
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
def string_end(data: Any, at: int) -> tuple[int, int]:
    r"""The place of the quote that ends the string whose first byte is at `at` (-1: it is none), and its form.

    The form is PLAIN for ASCII without escapes; OUTLANDISH where ASCII may be written in other bytes than it mostly is
    (`\u0041`, `\/`, the Kelvin sign); else COMPLEX. A newline is a control character, so that the search
    never leaves the record; the padding ends the last one.
    """
    form = PLAIN
    escaped_first = np.uint64(0)  # bit 0: the first byte of the block follows a backslash
    while True:
        # 64 bytes at once, as long as nothing is in them but ASCII and the escapes of two bytes that logs have.
        quotes, backslashes = equal_to(data, at, 34), equal_to(data, at, 92)
        # Of each run of backslashes every second one escapes: the subtraction carries through the run.
        starts = backslashes & ~escaped_first
        escapes = (((starts << _ONE) | _ODD_PLACES) - starts) ^ _ODD_PLACES
        escaped = escapes ^ (backslashes | escaped_first)
        ends = quotes & ~escaped
        short = equal_to(data, at, 110) | equal_to(data, at, 114) | equal_to(data, at, 116)
        odd = string_stops(data, at) & ~(quotes | backslashes)
        odd |= escaped & ~(short | quotes | backslashes)
        before = (ends - _ONE) & ~ends  # all, where there is no end
        if odd & before:
            at -= np.int64(escaped_first)
            break
        if backslashes & before:
            form = COMPLEX
        if ends != 0:
            return at + trailing_zeros(ends), form
        escaped_first = (escapes & backslashes) >> _LAST
        at += 64
    while True:
        stops = string_stops(data, at)
        ahead = 64
        while stops != 0:
            i = trailing_zeros(stops)
            c = data[at + i]
            if c == 34:
                return at + i, form
            form = max(form, COMPLEX)
            if c == 92:
                c = data[at + i + 1]
                if c == 92 or c == 110 or c == 114 or c == 116 or c == 34:
                    length = 2
                else:
                    length = escape_length(data, at + i)
                    if length > 2 or c == 47:
                        form = OUTLANDISH
            elif c >= 128:
                length = utf8_length(data, at + i)
                # The long s and the Kelvin sign fold to ASCII.
                if (c == 0xC5 and data[at + i + 1] == 0xBF) or (
                    c == 0xE2 and data[at + i + 1] == 0x84 and data[at + i + 2] == 0xAA
                ):
                    form = OUTLANDISH
            else:
                length = 0
            if length == 0:
                return -1, form
            i += length
            if i >= 64:
                ahead = i
                break
            stops = stops >> np.uint64(i) << np.uint64(i)
        at += ahead


@kernel
def fits(data: Any, at: int) -> bool:
    """Whether the 19 digits at `at` say a number up to 2**63."""
    high, low = 0, 0
    for i in range(10):
        high = high * 10 + (data[at + i] - 48)
    for i in range(10, 19):
        low = low * 10 + (data[at + i] - 48)
    return high < 9223372036 or (high == 9223372036 and low <= 854775808)


@kernel
def number_end(data: Any, at: int) -> tuple[int, int, int]:
    """The place after the number at `at` (-1: it is none, or too long to be sure), the end of its text, its form.

    The form is PLAIN where Python writes the number's value as the characters up to the end of its text (1 for 1.0,
    0.5 for 0.50), else ODD.
    """
    start = at
    form = PLAIN
    if data[at] == 45:
        at += 1
    first = at
    if data[at] == 48:
        at += 1
    elif 49 <= data[at] <= 57:
        while 48 <= data[at] <= 57:
            at += 1
    else:
        return -1, at, form
    digits = at - first
    # Whole numbers are exact from -2**63 to 2**64 - 1.
    if digits > 19 or (digits == 19 and first != start and not fits(data, first)):
        form = ODD
    text = at
    if data[at] == 46:
        at += 1
        fraction = at
        while 48 <= data[at] <= 57:
            at += 1
        if at == fraction:
            return -1, at, form
        text = at
        while data[text - 1] == 48:
            text -= 1
        if data[text - 1] == 46:
            text -= 1
        small = data[first] == 48 and text > fraction + 4
        if small:
            for i in range(fraction, fraction + 4):
                small = small and data[i] == 48
        if digits + at - fraction > _EXACT_DIGITS or small:
            form = ODD
    if first != start and text == first + 1 and data[first] == 48:
        form = ODD  # minus zero
    if data[at] == 69 or data[at] == 101:
        form = ODD
        at += 1
        if data[at] == 43 or data[at] == 45:
            at += 1
        power = at
        while 48 <= data[at] <= 57:
            at += 1
        if at == power or at - power > 2:
            return -1, at, form
    if at - start > _LONGEST_NUMBER:
        return -1, at, form
    return at, text, form


@kernel
def skip_blanks(data: Any, at: int) -> int:
    """The place of the next byte that is no blank, tab or carriage return."""
    while data[at] == 32 or data[at] == 9 or data[at] == 13:
        at += 1
    return at


@kernel
def find_entry(data: Any, at: int, length: int, node: int, h: Any, names: Any) -> int:
    """The entry of a key in a node of the trie; -1 where no rule looks at it."""
    mask = len(names.slots) - 1
    slot = (h + node) & mask
    while True:
        entry = names.slots[slot]
        if entry < 0:
            return -1
        if (
            names.hash[entry] == h
            and names.node[entry] == node
            and names.length[entry] == length
            and same_bytes(data, at, names.text, names.start[entry], length)
        ):
            return entry
        slot = (slot + 1) & mask


@kernel
def learn_key(
    data: Any, at: int, stop: int, node: int, h: Any, entry: int, last: int, scratch: Any
) -> int:
    """Remember a plain key, to be guessed after the key `last` next time; returns its place, `last` if too long."""
    length = stop + 1 - at  # with its quote
    if length > GUESS_BYTES:
        return last
    key = np.int64(h >> np.uint64(20)) + node & (GUESSES - 1)
    copy64(data, at, scratch.guess_text, key * GUESS_BYTES)
    scratch.guess_length[key] = length
    scratch.guess_node[key] = node
    scratch.guess_hash[key] = h
    scratch.guess_entry[key] = entry
    scratch.guess_next[last] = key
    return key


@kernel
def scan_record(data: Any, at: int, end: int, names: Any, scratch: Any) -> bool:
    """Whether `data[at:end]`, trimmed, is surely a JSON object; its values are then listed in `scratch`.

    A token is a scalar, an object or an empty array that is a value of a field (`field`, `start`, `stop`, `form`);
    with `sizes[LEAVES]` every other scalar is listed too, as one of the field 0.
    """
    sizes, stack = scratch.sizes, scratch.stack
    token_field, token_start, token_stop = scratch.field, scratch.start, scratch.stop
    token_form = scratch.form
    record = sizes[RECORD]
    leaves = sizes[LEAVES] != 0
    n_tokens, n_keys, exotic = 0, 0, 0
    most_tokens, most_keys = len(token_field), len(scratch.key_hash)
    other = 0 if leaves else -1
    if data[at] != 123:
        return False
    sizes[OBJECTS] += 1
    # The container that is open: its node, its number (objects), and for its elements (arrays) field and node.
    depth, in_object, node, number, field, child, count = 0, 1, 0, sizes[OBJECTS], -1, -1, 0
    last_key = GUESSES  # what stands for the begin of a record
    value_field, value_child = -1, -1
    at += 1
    mode = _KEY_OR_END
    while True:
        at = skip_blanks(data, at)
        c = data[at]
        if mode == _AFTER:
            if c == 44:
                at += 1
                count += 1
                if in_object == 1:
                    mode = _KEY
                else:
                    mode = _VALUE
                    value_field, value_child = field, child
                continue
            if c != (125 if in_object == 1 else 93):
                return False
        if mode == _KEY or (mode == _KEY_OR_END and c != 125):
            if c != 34:
                return False
            at += 1
            value_field, value_child = other, -1
            # Records resemble each other: mostly the key is the one that followed the last key before.
            key = np.int64(scratch.guess_next[last_key])
            length = np.int64(scratch.guess_length[key])
            if (
                length > 0
                and scratch.guess_node[key] == node
                and same_bytes(data, at, scratch.guess_text, key * GUESS_BYTES, length)
            ):
                stop = at + length - 1
                h, entry = scratch.guess_hash[key], np.int64(scratch.guess_entry[key])
                last_key = key
            else:
                # Nearly every key is plain and ends within 64 bytes.
                stops = string_stops(data, at)
                stop, form = at + (trailing_zeros(stops) if stops != 0 else 0), PLAIN
                if data[stop] != 34:
                    stop, form = string_end(data, at)
                    if stop < 0:
                        return False
                h, entry = np.uint64(0), -1
                if node >= 0 or leaves:
                    h = hash_bytes(data, at, stop - at)
                    if form != PLAIN:
                        # An escape may stand for any character, a key in other bytes is still a key.
                        for i in range(at, stop):
                            if data[i] == 92:
                                return False
                    if node >= 0:
                        entry = find_entry(data, at, stop - at, node, h, names)
                    if form == PLAIN:
                        last_key = learn_key(data, at, stop, node, h, entry, last_key, scratch)
            if entry >= 0:
                # The last of equal keys counts: a full parser sorts that out.
                if scratch.entry_object[entry] == number:
                    return False
                scratch.entry_object[entry] = number
                value_field, value_child = names.field[entry], names.child[entry]
                if value_field >= 0:
                    # So it does where the dotted name is a key as well as a path.
                    if (
                        scratch.field_record[value_field] == record
                        and scratch.field_entry[value_field] != entry
                    ):
                        return False
                    scratch.field_record[value_field] = record
                    scratch.field_entry[value_field] = entry
                else:
                    value_field = other
            if leaves:
                if n_keys == most_keys:
                    return False
                scratch.key_hash[n_keys] = h
                scratch.key_object[n_keys] = number
                n_keys += 1
            at = skip_blanks(data, stop + 1)
            if data[at] != 58:
                return False
            at += 1
            mode = _VALUE
            continue
        if mode in (_KEY_OR_END, _AFTER) or (mode == _VALUE_OR_END and c == 93):
            # A container ends.
            at += 1
            if depth == 0:
                break
            if in_object == 0 and mode == _VALUE_OR_END and field > 0:
                if n_tokens == most_tokens:
                    return False
                token_field[n_tokens] = field
                token_form[n_tokens] = EMPTY
                n_tokens += 1
            depth -= 1
            frame = depth * _FRAME
            in_object, node, number = stack[frame], stack[frame + 1], stack[frame + 2]
            field, child, count = stack[frame + 3], stack[frame + 4], stack[frame + 5]
            mode = _AFTER
            continue
        # A value
        start, stop, form = at, at, PLAIN
        if c == 34:
            start = at + 1
            stops = string_stops(data, start)
            stop = start + (trailing_zeros(stops) if stops != 0 else 0)
            if data[stop] != 34:
                stop, form = string_end(data, start)
                if stop < 0:
                    return False
            if form == OUTLANDISH:
                exotic, form = exotic | OUTLANDISH_TEXT, COMPLEX
            at = stop + 1
        elif c == 123 or c == 91:
            if depth == DEPTH:
                return False
            frame = depth * _FRAME
            stack[frame], stack[frame + 1], stack[frame + 2] = in_object, node, number
            stack[frame + 3], stack[frame + 4], stack[frame + 5] = field, child, count
            depth += 1
            count = 0
            at += 1
            if c == 91:
                in_object, field, child = 0, value_field, value_child
                mode = _VALUE_OR_END
                value_field, value_child = field, child
                continue
            if value_field > 0:
                if n_tokens == most_tokens:
                    return False
                token_field[n_tokens] = value_field
                token_form[n_tokens] = OBJECT
                n_tokens += 1
            sizes[OBJECTS] += 1
            in_object, node, number, field, child = 1, value_child, sizes[OBJECTS], -1, -1
            mode = _KEY_OR_END
            continue
        elif c == 45 or 48 <= c <= 57:
            at, stop, form = number_end(data, at)
            if at < 0:
                return False
            if form == ODD:
                exotic |= ODD_NUMBER
        elif c == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
            at = stop = at + 4
        elif (
            c == 102
            and data[at + 1] == 97
            and data[at + 2] == 108
            and data[at + 3] == 115
            and data[at + 4] == 101
        ):
            at = stop = at + 5
        elif c == 110 and data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108:
            at = stop = at + 4
            form = NULL
        else:
            return False
        if value_field > 0 or (value_field == 0 and form != NULL):
            if n_tokens == most_tokens:
                return False
            token_field[n_tokens] = value_field
            token_start[n_tokens] = start
            token_stop[n_tokens] = stop
            token_form[n_tokens] = form
            n_tokens += 1
        mode = _AFTER
    sizes[TOKENS], sizes[KEYS], sizes[EXOTIC] = n_tokens, n_keys, exotic
    return skip_blanks(data, at) == end
