"""From values to their classes: what the memo remembers, else what the automata find.

A class is the set of predicates that are true of a value; which rules' gates it opens is noted when it is new.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.automaton import (
    note,
    scan_address,
    scan_number,
    scan_text,
    set_hash,
)
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.factor_search import find_factors
from sigmac.runtime.engine.kernels.memo import (
    correct,
    is_remembered,
    recall,
    remember,
    value_hash,
)
from sigmac.runtime.engine.kernels.sets import add_set, find_set
from sigmac.runtime.engine.kernels.value_text import fold_text, is_complex
from sigmac.runtime.engine.kernels.vector import PADDING
from sigmac.runtime.engine.layout import (
    DEFER,
    EMPTY,
    EPOCH,
    EXOTIC,
    FIELD_LISTS,
    FIRST_VALUE,
    FORGET,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_NUMBER,
    IS_SEARCHED,
    JUDGED,
    LONG_TEXT,
    NULL,
    OBJECT,
    OUTLANDISH_TEXT,
    REPLIED,
    SCANNED,
    SPECIAL,
    TEXT,
    Bytes,
    State,
)

# Why the class of a value is not known; as negative numbers
NO_ROWS, NO_CLASSES, NO_MEMO, TOO_LONG = -1, -2, -3, -4
_RARE, _LONG, _SAMPLE = 0.3, 200, 1024


@kernel
def list_rules(which: int, used: int, state: State, epoch: int) -> int:
    """Add a list of rules to the gates of the class at hand, each once; returns the room used, or -1: no room."""
    gates = state.gates
    for at in range(gates.ends[which], gates.ends[which + 1]):
        rule = gates.rules[at]
        if state.scratch.described[rule] != epoch:
            state.scratch.described[rule] = epoch
            if used == len(state.classes.gates):
                return -1
            state.classes.gates[used] = rule
            used += 1
    return used


@kernel
def describe_class(class_: int, state: State) -> bool:
    """Say which gates a new class opens; False where there is no room."""
    classes = state.classes
    sizes = state.scratch.sizes
    lists = sizes[FIELD_LISTS] + 4 * np.int64(classes.field[class_])
    used = np.int64(classes.first[class_])
    for which in range(2):
        sizes[EPOCH] += 1
        epoch = sizes[EPOCH]
        used = list_rules(lists + which, used, state, epoch)
        for at in range(classes.start[class_], classes.start[class_ + 1]):
            member = np.int64(classes.members[at])
            special = member - sizes[SPECIAL]
            chosen = 2 * member + which
            # What the value may be, Python decides.
            if special in (IS_ODD, IS_ODD_NUMBER):
                chosen = lists + 2
            elif special == IS_DEFERRED:
                chosen = lists + 3
            if used >= 0:
                used = list_rules(chosen, used, state, epoch)
        if used < 0:
            return False
        if which == 0:
            classes.second[class_] = used
    classes.first[class_ + 1] = used
    return True


@kernel
def class_of_set(field: int, n: int, state: State) -> int:
    """The class of the predicates that `scratch` holds; `NO_CLASSES` where there is no room for a new one."""
    classes, scratch = state.classes, state.scratch
    h = set_hash(scratch.predicates, n, field)
    epoch = scratch.sizes[EPOCH]
    found = find_set(classes, classes.field, h, field, n, scratch.predicate_seen, epoch)
    if found < 0:
        found = add_set(classes, classes.field, h, field, scratch.predicates, n)
        if found < 0 or not describe_class(found, state):
            return NO_CLASSES
    return found


@kernel
def class_of_special(field: int, predicate: int, state: State) -> int:
    """The class of a value that is no text: null, an object, an empty array, an odd number."""
    sizes = state.scratch.sizes
    sizes[EPOCH] += 1
    n = note(sizes[SPECIAL] + predicate, 0, state.scratch, sizes[EPOCH])
    return class_of_set(field, n, state)


@kernel
def judge(field: int, state: State) -> None:
    """Have a field's values forgotten where they are long and hardly repeat."""
    memo = state.memo
    if memo.found[field] < memo.looked[field] * _RARE and memo.read[field] > _LONG * _SAMPLE:
        memo.policy[field] = DEFER | FORGET
        state.scratch.sizes[JUDGED] += 1
    memo.sizes[2] += memo.looked[field]
    memo.sizes[3] += memo.found[field]
    memo.looked[field] = memo.found[field] = memo.read[field] = 0


@kernel
def predicates_of(text: Bytes, start: int, stop: int, field: int, state: State) -> int:
    """Collect what is true of a text that is unescaped and folded; returns how many predicates, -1: no room."""
    n = scan_text(text, start, stop, field, state)
    if n >= 0 and state.automata.number[field] >= 0:
        n = scan_number(text, start, stop, field, state, n)
    if n >= 0 and state.programs.first[field] < state.programs.last[field]:
        n = scan_address(text, start, stop, field, state, n)
    return n


@kernel
def class_of_text(start: int, stop: int, field: int, h: np.uint64, state: State) -> int:
    """The class of a text, remembered or found by the automaton; a negative number says what there is no room for.

    `h` is the hash of the value (uint64), 0 where it is still to be made.
    """
    data = state.records.data
    memo, scratch = state.memo, state.scratch
    length = stop - start
    keep = is_remembered(field, length, memo)
    if keep:
        memo.read[field] += length
        memo.looked[field] += 1
        if h == 0:
            h = value_hash(data, start, length, field, scratch)
        known = recall(data, start, length, field, h, memo)
        if known >= 0:
            memo.found[field] += 1
            if scratch.sizes[REPLIED] == 0:
                return known
            replied = with_replies(known, start, field, state)
            if replied >= 0 and replied != known:
                correct(data, start, length, field, h, replied, memo)
            return replied
        if memo.looked[field] >= _SAMPLE:
            judge(field, state)
    scratch.sizes[SCANNED] += length
    if is_complex(data, start, stop):
        if length * 2 + PADDING > len(scratch.text):
            return TOO_LONG
        size = fold_text(data, start, stop, state.automata.fold, scratch.text, 0)
        n = predicates_of(scratch.text, 0, size, field, state)
    else:
        n = predicates_of(data, start, stop, field, state)
    if n < 0:
        return NO_ROWS
    found = class_of_set(field, n, state)
    if found >= 0 and scratch.sizes[REPLIED] > 0:
        found = with_replies(found, start, field, state)
    if keep and found >= 0 and not remember(data, start, length, field, h, found, memo):
        return NO_MEMO
    return found


@kernel
def with_replies(class_: int, start: int, field: int, state: State) -> int:
    """The class of the value that begins at `start` with what Python has answered of it."""
    scratch, classes = state.scratch, state.classes
    sizes, asked = scratch.sizes, scratch.asked
    n = 0
    # Replies are in the order of the values that they are of.
    first, last = 0, sizes[REPLIED]
    while first < last:
        middle = (first + last) // 2
        if asked[4 * middle] < start:
            first = middle + 1
        else:
            last = middle
    for i in range(first, sizes[REPLIED]):
        if asked[4 * i] != start:
            break
        yes = asked[4 * i + 2] == field
        if yes or asked[4 * i + 2] == ~field:
            if n == 0:
                sizes[EPOCH] += 1
                for at in range(classes.start[class_], classes.start[class_ + 1]):
                    n = note(np.int64(classes.members[at]), n, scratch, sizes[EPOCH])
            answered = sizes[FIRST_VALUE] + 2 * asked[4 * i + 3]
            n = note(answered, n, scratch, sizes[EPOCH])
            if yes:
                n = note(answered + 1, n, scratch, sizes[EPOCH])
    return class_of_set(field, n, state) if n > 0 else class_


@kernel
def class_of_token(token: int, h: np.uint64, state: State) -> int:
    """The class of a token; `h` is the hash of its value, 0 where it is still to be made."""
    scratch = state.scratch
    form, field = scratch.form[token], np.int64(scratch.field[token])
    if form == TEXT:
        return class_of_text(scratch.start[token], scratch.stop[token], field, h, state)
    special = IS_ODD
    if form == NULL:
        special = IS_NULL
    elif form == OBJECT:
        special = IS_OBJECT
    elif form == EMPTY:
        special = IS_EMPTY
    return class_of_special(field, special, state)


@kernel
def is_searched(token: int, field: int, state: State) -> bool:
    """Whether a text is searched for literals that open gates, which is all that its class must tell."""
    scratch = state.scratch
    return (
        state.searches.of_field[field] > 0
        and scratch.stop[token] - scratch.start[token] >= LONG_TEXT
        and scratch.sizes[EXOTIC] & OUTLANDISH_TEXT == 0
    )


@kernel
def class_of_search(token: int, field: int, state: State) -> int:
    """The class of a text of which only this is known: which literals that open gates may be in it."""
    scratch = state.scratch
    sizes = scratch.sizes
    start, stop = scratch.start[token], scratch.stop[token]
    which = np.int64(state.searches.of_field[field]) - 1
    n = find_factors(state.records.data, start, stop, False, which, state)
    n = note(sizes[SPECIAL] + IS_SEARCHED, n, scratch, sizes[EPOCH])
    return class_of_set(field, n, state)
