"""Whether a value of one field is that of another, or contains, starts or ends with it."""

from __future__ import annotations

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import same_bytes
from sigmac.runtime.engine.kernels.value_text import fold_text, is_same_text
from sigmac.runtime.engine.kernels.vector import PADDING
from sigmac.runtime.engine.layout import NO, ODD, TEXT, TOKENS, UNKNOWN, YES, Bytes, State
from sigmac.runtime.engine.programs import CASED

_EQUALS, _CONTAINS, _STARTSWITH = 0, 1, 2
_MOST = 1 << 18  # steps that a search for one text in another may take


@kernel
def compare_fields(field: int, other: int, how: int, state: State) -> int:
    """YES where some pair of values compares so, else UNKNOWN where that is not known of some pair."""
    scratch = state.scratch
    answer = NO
    tokens = scratch.sizes[TOKENS]
    for one in range(tokens):
        if scratch.field[one] == field:
            for two in range(tokens):
                if scratch.field[two] == other:
                    answer = max(answer, compare(one, two, how, state))
                    if answer == YES:
                        return YES
    return answer


@kernel
def compare(one: int, two: int, how: int, state: State) -> int:
    """How two tokens compare; see `Event.same`."""
    data, scratch, fold = state.records.data, state.scratch, state.automata.fold
    form, other_form = scratch.form[one], scratch.form[two]
    if form == ODD or other_form == ODD:
        return UNKNOWN
    if form != TEXT or other_form != TEXT:
        return NO
    start, begin = scratch.start[one], scratch.start[two]
    size, length = scratch.stop[one] - start, scratch.stop[two] - begin
    if size == length and same_bytes(data, start, data, begin, size):
        return YES
    text = scratch.text
    half = len(text) // 2
    if how >= CASED or 2 * max(size, length) + PADDING > half:
        return UNKNOWN
    size = fold_text(data, start, start + size, fold, text, 0)
    length = fold_text(data, begin, begin + length, fold, text, half) - half
    if how == _EQUALS:
        if size == length and is_same_text(text, 0, text, half, length):
            return YES
        # Numbers may be equal in other words.
        return UNKNOWN if may_be_number(text, 0, size) and may_be_number(text, half, length) else NO
    if length > size:
        return NO
    if how == _STARTSWITH:
        return YES if is_same_text(text, 0, text, half, length) else NO
    if how != _CONTAINS:
        return YES if is_same_text(text, size - length, text, half, length) else NO
    if size * length > _MOST:
        return UNKNOWN
    for at in range(size - length + 1):
        if is_same_text(text, at, text, half, length):
            return YES
    return NO


@kernel
def may_be_number(text: Bytes, at: int, length: int) -> bool:
    """Whether a text begins as a number does."""
    if length == 0:
        return False
    c = text[at]
    return 48 <= c <= 57 or c == 43 or c == 45
