"""Whether a rule holds of a record, by its program and what the classes of its values say.

Three answers: yes, no, or that only the values can tell. A program is run as if every question that is not known had
the worse answer, and where that is not enough as if it had the better one (Kleene's logic of three values).
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compare_fields import compare_fields
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.factor_search import find_factor
from sigmac.runtime.engine.kernels.long_text import answer_of_long_text
from sigmac.runtime.engine.kernels.memo import is_remembered
from sigmac.runtime.engine.kernels.vector import equal_to, trailing_zeros
from sigmac.runtime.engine.layout import (
    ADDRESS_UNKNOWN,
    ASKED,
    EXOTIC,
    FIRST_FACTOR,
    FIRST_VALUE,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_ADDRESS,
    IS_ODD_NUMBER,
    IS_SEARCHED,
    KEYWORDS_FIELD,
    MOST_ASKED,
    NETWORKS,
    NO,
    NOTED_BITS,
    NULLISH,
    NUMBER_UNKNOWN,
    NUMERIC,
    ODD_NUMBER,
    ODD_TEXT,
    OUTLANDISH_TEXT,
    PRESENT,
    RECORD,
    SPECIAL,
    TEXTUAL,
    TOKENS,
    UNKNOWN,
    UNREAD,
    VALUED,
    YES,
    Bytes,
    Scratch,
    State,
)
from sigmac.runtime.engine.layout import ODD as FORM_ODD
from sigmac.runtime.engine.layout import TEXT as FORM_TEXT
from sigmac.runtime.engine.programs import (
    ADDRESS,
    COMPARE,
    CONSTANT,
    EXISTS,
    NEGATED,
    NULL,
    SAME,
    TEXT,
    VALUE,
    WIDTH,
)
from sigmac.runtime.engine.programs import TEXTUAL as SOME_TEXT
from sigmac.runtime.engine.programs import TRUE as END_TRUE

_NOTED = (1 << NOTED_BITS) - 1


@kernel
def note_facts(class_: int, state: State) -> None:
    """Note what a class says of a value of its field in this record."""
    scratch, classes = state.scratch, state.classes
    sizes = scratch.sizes
    record, special = sizes[RECORD], sizes[SPECIAL]
    field = np.int64(classes.field[class_])
    first_number = np.int64(state.automata.number[field])
    bits = PRESENT | VALUED | TEXTUAL
    position = -1
    for at in range(classes.start[class_], classes.start[class_ + 1]):
        member = np.int64(classes.members[at])
        scratch.fact[member] = record
        which = member - special
        if which >= 0:
            if which == IS_NULL:
                bits = PRESENT | NULLISH
            elif which == IS_OBJECT:
                bits = PRESENT | VALUED
            elif which == IS_EMPTY:
                bits = PRESENT
            elif which == IS_ODD:
                bits |= ODD_TEXT | NUMBER_UNKNOWN
            elif which == IS_ODD_NUMBER:
                bits |= NUMBER_UNKNOWN
            elif which == IS_ODD_ADDRESS:
                bits |= ADDRESS_UNKNOWN
            elif which in (IS_SEARCHED, IS_DEFERRED):
                bits |= UNREAD
            elif member < sizes[NETWORKS]:
                position = member - first_number
    old = noted_of(field, scratch)
    if position >= 0:
        bits |= NUMERIC
        known = old & NUMERIC != 0
        scratch.low[field] = min(scratch.low[field], position) if known else position
        scratch.high[field] = max(scratch.high[field], position) if known else position
    scratch.only[field] = class_ if old == 0 else -1
    scratch.noted[field] = record << NOTED_BITS | old | bits


@kernel
def noted_of(field: int, scratch: Scratch) -> int:
    """What is noted of a field in this record."""
    noted = scratch.noted[field]
    return noted & _NOTED if noted >> NOTED_BITS == scratch.sizes[RECORD] else 0


@kernel
def decide(program: int, text: Bytes, start: int, stop: int, which: int, state: State) -> int:
    """NO, UNKNOWN or YES of a program; `text[start:stop]` is the record as the search `which` was looked for."""
    programs = state.programs
    code = programs.code
    begin = np.int64(programs.start[program])
    unsure = False
    for hopeful in range(2):
        row = 0
        while row >= 0:
            at = (begin + row) * WIDTH
            some = np.int64(programs.alternatives_at[begin + row]) - 1
            if some >= 0:
                answer = answer_of_alternatives(some, state)
                if answer != UNKNOWN:
                    row = np.int64(
                        code[at + 2] if answer == YES else programs.alternatives_after[some]
                    )
                    continue
            kind = np.int64(code[at])
            answer = answer_of(
                kind & ~NEGATED, np.int64(code[at + 1]), text, start, stop, which, state
            )
            if answer == UNKNOWN:
                unsure = True
                # The worse answer of a question under an odd number of Nots is yes.
                answer = YES if (kind & NEGATED != 0) != (hopeful == 1) else NO
            row = np.int64(code[at + 2] if answer == YES else code[at + 3])
        if row == END_TRUE:
            return UNKNOWN if hopeful == 1 else YES
        if not unsure:
            return NO
    return NO


@kernel
def answer_of(
    kind: int, argument: int, text: Bytes, start: int, stop: int, which: int, state: State
) -> int:
    """NO, UNKNOWN or YES of one question."""
    programs, scratch = state.programs, state.scratch
    sizes = scratch.sizes
    record = sizes[RECORD]
    if kind == TEXT:
        if scratch.fact[argument] == record:
            return YES
        literal = argument >> 2
        field = np.int64(programs.field[literal])
        if field == KEYWORDS_FIELD:
            return answer_of_keyword(literal, text, start, stop, which, state)
        noted = noted_of(field, scratch)
        # Candidates that are alike ask the same: what a text has said is noted, a no as the record's negative.
        if noted & UNREAD != 0 and scratch.fact[argument] != -record:
            if answer_of_long_text(argument, field, state) == YES:
                scratch.fact[argument] = record
                return YES
            scratch.fact[argument] = -record
        odd = programs.in_number[literal] != 0 and noted & ODD_TEXT != 0
        return UNKNOWN if odd else NO
    if kind == COMPARE:
        field = np.int64(programs.comparisons[3 * argument])
        low = np.int64(programs.comparisons[3 * argument + 1])
        high = np.int64(programs.comparisons[3 * argument + 2])
        noted = noted_of(field, scratch)
        if low == high:
            if scratch.fact[state.automata.number[field] + low] == record:
                return YES
        elif noted & NUMERIC != 0 and scratch.low[field] <= high and scratch.high[field] >= low:
            return YES
        return UNKNOWN if noted & NUMBER_UNKNOWN != 0 else NO
    if kind == ADDRESS:
        if scratch.fact[sizes[NETWORKS] + argument] == record:
            return YES
        field = np.int64(programs.network_field[argument])
        if noted_of(field, scratch) & ADDRESS_UNKNOWN == 0:
            return NO
        return answer_of_value(np.int64(programs.network_value[argument]), field, state)
    if kind == VALUE:
        field = np.int64(programs.value_field[argument])
        return answer_of_value(argument, field, state)
    if kind in (EXISTS, NULL, SOME_TEXT):
        field = np.int64(programs.fields[argument])
        if field == KEYWORDS_FIELD:
            return UNKNOWN
        noted = noted_of(field, scratch)
        if kind == EXISTS:
            return YES if noted & PRESENT != 0 else NO
        if kind == SOME_TEXT:
            return YES if noted & TEXTUAL != 0 else NO
        return YES if noted & NULLISH != 0 or noted & VALUED == 0 else NO
    if kind == SAME:
        at = 3 * argument
        return compare_fields(
            np.int64(programs.pairs[at]),
            np.int64(programs.pairs[at + 1]),
            np.int64(programs.pairs[at + 2]),
            state,
        )
    if kind == CONSTANT:
        return YES if argument != 0 else NO
    return UNKNOWN


@kernel
def answer_of_alternatives(some: int, state: State) -> int:
    """NO or YES: whether some of the alternatives is true of the only value of their field; else UNKNOWN."""
    programs, classes = state.programs, state.classes
    first = np.int64(programs.alternatives_start[some])
    last = np.int64(programs.alternatives_start[some + 1])
    field = np.int64(programs.field[programs.alternatives_of[first] >> 2])
    noted = noted_of(field, state.scratch)
    if noted == 0:
        return NO
    class_ = np.int64(state.scratch.only[field])
    if class_ < 0 or noted & (UNREAD | ODD_TEXT) != 0:
        return UNKNOWN
    for at in range(classes.start[class_], classes.start[class_ + 1]):
        member = classes.members[at]
        low, high = first, last
        while low < high:
            middle = (low + high) // 2
            if programs.alternatives_of[middle] < member:
                low = middle + 1
            else:
                high = middle
        if low < last and programs.alternatives_of[low] == member:
            return YES
    return NO


@kernel
def answer_of_value(question: int, field: int, state: State) -> int:
    """NO, UNKNOWN or YES of what only Python can answer; it is asked where the answer will be remembered."""
    scratch, classes = state.scratch, state.classes
    sizes = scratch.sizes
    answered = sizes[FIRST_VALUE] + 2 * question
    if scratch.fact[answered + 1] == sizes[RECORD]:
        return YES
    answer = NO
    for token in range(sizes[TOKENS]):
        if scratch.field[token] == field and (
            scratch.form[token] == FORM_TEXT or scratch.form[token] == FORM_ODD
        ):
            class_ = np.int64(scratch.class_[token])
            known = False
            if class_ >= 0:
                for at in range(classes.start[class_], classes.start[class_ + 1]):
                    known = known or classes.members[at] == answered
            if not known and may_be(token, question, state):
                answer = UNKNOWN
                if class_ >= 0 and scratch.form[token] == FORM_TEXT:
                    ask(token, field, question, state)
    return answer


@kernel
def may_be(token: int, question: int, state: State) -> bool:
    """Whether a token has what it must have for a question about its value to be answered with yes."""
    programs, scratch = state.programs, state.scratch
    if scratch.form[token] != FORM_TEXT:
        return True
    start, stop = scratch.start[token], scratch.stop[token]
    # A character takes one byte or more.
    if stop - start < programs.value_least[question]:
        return False
    byte = np.int64(programs.value_byte[question])
    if byte == 0 or scratch.sizes[EXOTIC] & OUTLANDISH_TEXT != 0:
        return True
    at = start
    while at < stop:
        found = equal_to(state.records.data, at, byte)
        if found != 0:
            return at + trailing_zeros(found) < stop
        at += 64
    return False


@kernel
def ask(token: int, field: int, question: int, state: State) -> None:
    """Have Python answer a question of a value, if the answer will be remembered and there is room to ask."""
    scratch = state.scratch
    sizes, asked = scratch.sizes, scratch.asked
    start, stop, count = scratch.start[token], scratch.stop[token], sizes[ASKED]
    if count == MOST_ASKED or not is_remembered(field, stop - start, state.memo):
        return
    for i in range(count):
        if asked[4 * i] == start and asked[4 * i + 2] == field and asked[4 * i + 3] == question:
            return
    asked[4 * count] = start
    asked[4 * count + 1] = stop
    asked[4 * count + 2] = field
    asked[4 * count + 3] = question
    sizes[ASKED] = count + 1


@kernel
def answer_of_keyword(
    literal: int, text: Bytes, start: int, stop: int, which: int, state: State
) -> int:
    """NO, UNKNOWN or YES: some value of the record contains a literal, for which none or not enough was found yet."""
    factors = state.factors
    sizes = state.scratch.sizes
    factor = np.int64(factors.of[literal])
    if factor < 0 or state.scratch.fact[sizes[FIRST_FACTOR] + factor] == sizes[RECORD]:
        return UNKNOWN
    if state.searches.has[which * len(factors.start) + factor] == 0:
        found = find_factor(text, start, stop, factor, state)
        if found != NO:
            return found if factors.predicate[factor] < sizes[FIRST_FACTOR] else UNKNOWN
    odd = state.programs.in_number[literal] != 0 and sizes[EXOTIC] & ODD_NUMBER != 0
    return UNKNOWN if odd else NO
