"""Questions to a long text that is looked at only once, answered one by one instead of all at once by an automaton."""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.value_text import fold_text, is_same_text
from sigmac.runtime.engine.kernels.vector import PADDING, equal_pairs, equal_to, trailing_zeros
from sigmac.runtime.engine.layout import (
    EXOTIC,
    FOLDED_SIZE,
    FOLDED_TOKEN,
    FORGET,
    LONG_TEXT,
    NO,
    OUTLANDISH_TEXT,
    TEXT,
    TOKENS,
    YES,
    Bytes,
    State,
)

_ONE = np.uint64(1)
_EQUALS, _STARTSWITH, _ENDSWITH = 0, 1, 2


@kernel
def is_long(token: int, field: int, state: State) -> bool:
    """Whether a token is a text that questions are put to one by one."""
    scratch = state.scratch
    size = scratch.stop[token] - scratch.start[token]
    return (
        state.memo.policy[field] & FORGET != 0
        and scratch.form[token] == TEXT
        and size >= LONG_TEXT
        and 2 * size + PADDING <= len(scratch.spelled)
        and scratch.sizes[EXOTIC] & OUTLANDISH_TEXT == 0
        and state.automata.number[field] < 0
        and state.programs.first[field] == state.programs.last[field]
    )


@kernel
def answer_of_long_text(question: int, field: int, state: State) -> int:
    """NO or YES: whether what a question asks is true of some text of a field whose class is not known."""
    scratch = state.scratch
    for token in range(scratch.sizes[TOKENS]):
        if (
            scratch.field[token] == field
            and scratch.class_[token] < 0
            and scratch.form[token] == TEXT
            and holds(token, question, state)
        ):
            return YES
    return NO


@kernel
def holds(token: int, question: int, state: State) -> bool:
    """Whether a token's text equals, starts with, ends with or contains a literal."""
    programs, scratch = state.programs, state.scratch
    sizes, text = scratch.sizes, scratch.spelled
    if sizes[FOLDED_TOKEN] != token:
        start, stop = scratch.start[token], scratch.stop[token]
        sizes[FOLDED_SIZE] = fold_text(
            state.records.data, start, stop, state.automata.fold, text, 0
        )
        sizes[FOLDED_TOKEN] = token
    size = sizes[FOLDED_SIZE]
    literal = question >> 2
    length = np.int64(state.automata.size[literal])
    first = programs.strings_start[literal]
    how = question & 3
    if length > size or (how == _EQUALS and length != size):
        return False
    if length == 0:
        return True
    if how in (_EQUALS, _STARTSWITH):
        return is_same_text(text, 0, programs.strings, first, length)
    if how == _ENDSWITH:
        return is_same_text(text, size - length, programs.strings, first, length)
    return contains(text, size, programs.strings, first, length)


@kernel
def contains(text: Bytes, size: int, strings: Bytes, first: int, length: int) -> bool:
    """Whether `text[:size]`, folded but for the case of ASCII letters, contains `strings[first:first + length]`."""
    one = np.int64(strings[first])
    two = np.int64(strings[first + 1]) if length > 1 else np.int64(0)
    at = 0
    while at <= size - length:
        found = equal_pairs(text, at, one, two) if length > 1 else equal_to(text, at, one)
        if length == 1 and 97 <= one <= 122:
            found |= equal_to(text, at, one - 32)
        while found != 0:
            place = at + trailing_zeros(found)
            if place > size - length:
                return False
            if is_same_text(text, place, strings, first, length):
                return True
            found &= found - _ONE
        at += 64
    return False
