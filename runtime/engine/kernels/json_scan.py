"""One record of raw JSON, checked strictly and cut into the values that rules look at.

What the scan accepts is JSON to the letter (RFC 8259, UTF-8, no lone surrogates). What it does not accept may still be:
the caller hands that record to a full parser, which decides. So the scan only ever has to be sure when it says yes.
The bytes of strings were checked before, by `json_index.py`.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.automaton import EXACT_DIGITS
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import key_hash, same_bytes
from sigmac.runtime.engine.kernels.vector import equal_to, trailing_zeros
from sigmac.runtime.engine.layout import (
    COLLECT_KEYS,
    DEPTH,
    EMPTY,
    ENTRY_TAG,
    EXOTIC,
    KEYS,
    MOST_ENTRIES,
    MOST_VALUES,
    NULL,
    OBJECT,
    OBJECTS,
    ODD,
    ODD_NUMBER,
    OUTLANDISH_TEXT,
    RECORD,
    TEXT,
    TOKENS,
    Bytes,
    Names,
    State,
)

_KEY, _KEY_OR_END, _VALUE, _VALUE_OR_END, _AFTER = 0, 1, 2, 3, 4
_FRAME = 5  # numbers on the stack for each open container
_HALF, _TAG, _ENTRY = np.uint64(32), np.uint64(ENTRY_TAG), np.uint64(MOST_ENTRIES)
_LONGEST_NUMBER = 40


@kernel
def fits(data: Bytes, at: int) -> bool:
    """Whether the 19 digits at `at` say a number up to 2**63."""
    high, low = 0, 0
    for i in range(10):
        high = high * 10 + (data[at + i] - 48)
    for i in range(10, 19):
        low = low * 10 + (data[at + i] - 48)
    return high < 9223372036 or (high == 9223372036 and low <= 854775808)


@kernel
def number_end(data: Bytes, at: int) -> tuple[int, int, int]:
    """The place after the number at `at` (-1: it is none, or too long to be sure), the end of its text, its form.

    The form is TEXT where Python writes the number's value as the characters up to the end of its text (1 for 1.0,
    0.5 for 0.50), else ODD.
    """
    start = at
    form = TEXT
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
        if digits + at - fraction > EXACT_DIGITS or small:
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
def skip_blanks(data: Bytes, at: int) -> int:
    """The place of the next byte that is no blank, tab or carriage return."""
    while data[at] == 32 or data[at] == 9 or data[at] == 13:
        at += 1
    return at


@kernel
def find_entry(data: Bytes, at: int, length: int, node: int, names: Names) -> int:
    """The entry of a key in a node of the trie; -1 where no rule looks at it."""
    slots = names.slots
    mask = len(slots) - 1
    h = key_hash(data, at, length, node)
    tag = h >> _HALF & _TAG
    slot = np.int64(h) & mask
    while True:
        found = np.uint64(slots[slot])
        if found == 0:
            return -1
        if found & _TAG == tag:
            entry = np.int64(found & _ENTRY) - 1
            # With the quote behind it a key is no part of another.
            if same_bytes(data, at, names.text, np.int64(names.start[entry]), length + 1):
                return entry
        slot = (slot + 1) & mask


@kernel
def has_backslash(data: Bytes, at: int, stop: int) -> bool:
    """Whether `data[at:stop]` holds a backslash."""
    while at < stop:
        found = equal_to(data, at, 92)
        if found != 0 and at + trailing_zeros(found) < stop:
            return True
        at += 64
    return False


@kernel
def scan_record(at: int, end: int, state: State) -> bool:
    """Whether `data[at:end]`, indexed and trimmed, is surely a JSON object; its values are then listed in `scratch`.

    A token is a scalar, an object or an empty array that is a value of a field (`field`, `start`, `stop`, `form`).
    With `sizes[COLLECT_KEYS]` hashes of all keys with the numbers of their objects are listed as well, and always where
    the record is spelled again, after which it cannot be scanned any more.
    """
    data = state.records.data
    scratch, names = state.scratch, state.names
    sizes, stack, quotes = scratch.sizes, scratch.stack, scratch.quotes
    token_field, token_start, token_stop = scratch.field, scratch.start, scratch.stop
    token_form = scratch.form
    record = sizes[RECORD]
    n_tokens, n_keys, n_values, exotic = 0, 0, 0, sizes[EXOTIC]
    collect = sizes[COLLECT_KEYS] != 0 or exotic & OUTLANDISH_TEXT != 0
    most_tokens, most_keys = len(token_field), len(scratch.key_hash)
    if data[at] != 123:
        return False
    sizes[OBJECTS] += 1
    # The container that is open: its node, its number (objects), and for its elements (arrays) field and node.
    depth, in_object, node, number, field, child = 0, 1, 0, sizes[OBJECTS], -1, -1
    quote = 0  # the next one: outside strings `data[at]` is a quote only where this one is
    value_field, value_child = -1, -1
    at += 1
    mode = _KEY_OR_END
    while True:
        c = data[at]
        if c <= 32:
            at = skip_blanks(data, at)
            c = data[at]
        if mode == _AFTER and c == 44:
            at = skip_blanks(data, at + 1)
            c = data[at]
            if in_object == 1:
                mode = _KEY
            else:
                mode = _VALUE
                value_field, value_child = field, child
        if mode == _KEY or (mode == _KEY_OR_END and c != 125):
            if c != 34:
                return False
            start, stop = at + 1, quotes[quote + 1]
            quote += 2
            value_field, value_child = -1, -1
            if node >= 0:
                entry = find_entry(data, start, stop - start, node, names)
                if entry >= 0:
                    # The last of equal keys counts: a full parser sorts that out.
                    if scratch.entry_object[entry] == number:
                        return False
                    scratch.entry_object[entry] = number
                    value_field = np.int64(names.field[entry])
                    value_child = np.int64(names.child[entry])
                    if value_field >= 0:
                        # So it does where the dotted name is a key as well as a path.
                        if (
                            scratch.field_record[value_field] == record
                            and scratch.field_entry[value_field] != entry
                        ):
                            return False
                        scratch.field_record[value_field] = record
                        scratch.field_entry[value_field] = entry
                elif has_backslash(data, start, stop):
                    return False  # an escape may stand for any character
            if collect:
                if n_keys == most_keys or has_backslash(data, start, stop):
                    return False
                scratch.key_hash[n_keys] = key_hash(data, start, stop - start, 0)
                scratch.key_object[n_keys] = number
                n_keys += 1
            at = stop + 1
            if data[at] != 58:
                at = skip_blanks(data, at)
                if data[at] != 58:
                    return False
            at += 1
            c = data[at]
            if c <= 32:
                at = skip_blanks(data, at)
                c = data[at]
        elif (c == 125 and in_object == 1 and mode != _VALUE) or (
            c == 93 and in_object == 0 and mode != _VALUE
        ):
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
            field, child = stack[frame + 3], stack[frame + 4]
            mode = _AFTER
            continue
        elif mode == _AFTER:
            return False
        # A value
        n_values += 1
        start, stop, form = at, at, TEXT
        if c == 34:
            start, stop = at + 1, quotes[quote + 1]
            quote += 2
            at = stop + 1
        elif c == 123 or c == 91:
            if depth == DEPTH:
                return False
            frame = depth * _FRAME
            stack[frame], stack[frame + 1], stack[frame + 2] = in_object, node, number
            stack[frame + 3], stack[frame + 4] = field, child
            depth += 1
            at += 1
            if c == 91:
                in_object, field, child = 0, value_field, value_child
                mode = _VALUE_OR_END
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
        if value_field > 0:
            if n_tokens == most_tokens:
                return False
            token_field[n_tokens] = value_field
            token_start[n_tokens] = start
            token_stop[n_tokens] = stop
            token_form[n_tokens] = form
            n_tokens += 1
        mode = _AFTER
    if n_values > sizes[MOST_VALUES]:
        return False
    sizes[EXOTIC] = exotic
    sizes[TOKENS] = n_tokens
    sizes[KEYS] = n_keys if collect else -1
    return skip_blanks(data, at) == end
