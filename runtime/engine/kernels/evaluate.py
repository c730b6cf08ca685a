"""The kernel's loop: from lines of raw bytes to the rules that match.

For each record: index, scan, kind (the logsource fields), classes of the fields that rules of this kind ask,
candidates, and the programs of these. What is not known is made here; only a new kind needs Python before the record
can go on, and a full cache needs a flush.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.automaton import set_hash
from sigmac.runtime.engine.kernels.candidates import (
    candidates_of,
    classes_of_record,
    include,
    instructions_of,
    mark_needed,
)
from sigmac.runtime.engine.kernels.classes import (
    NO_CLASSES,
    NO_MEMO,
    NO_ROWS,
    TOO_LONG,
    class_of_set,
    class_of_special,
    class_of_token,
)
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.decide import decide, note_facts
from sigmac.runtime.engine.kernels.factor_search import find_factors
from sigmac.runtime.engine.kernels.hashing import mix
from sigmac.runtime.engine.kernels.json_index import index_record
from sigmac.runtime.engine.kernels.json_scan import scan_record, skip_blanks
from sigmac.runtime.engine.kernels.long_text import is_long
from sigmac.runtime.engine.kernels.sets import add_set, find_set
from sigmac.runtime.engine.kernels.value_text import spell_again
from sigmac.runtime.engine.layout import (
    ASK,
    ASKED,
    BLANK,
    COLLECT_KEYS,
    DONE,
    END,
    EPOCH,
    EXOTIC,
    FOLDED_TOKEN,
    FOUND,
    FULL_CLASSES,
    FULL_FOUND,
    FULL_MEMO,
    FULL_ROWS,
    IS_ODD,
    KEYS,
    KEYWORDS_FIELD,
    LEFT,
    LINE,
    N_FIELDS,
    NEW_KIND,
    NO,
    NOT_KNOWN,
    ODD_NUMBER,
    OUTLANDISH_TEXT,
    POSITION,
    QUOTES,
    RECORD,
    RECORD_LEFT,
    REPLIED,
    SEED,
    TAG,
    TOKENS,
    YES,
    Bytes,
    Ints,
    Records,
    Scratch,
    State,
)

# What became of a record: decided, left to the scalar path, or minus what `evaluate` returns
_DECIDED, _LEFT = 0, 1
# Instructions of the candidates up to which a long text is asked one question after the other: a question costs a
# fiftieth of the automaton's pass, and a third of the instructions are run.
_FEW = 192


@kernel
def has_equal_keys(scratch: Scratch) -> bool:
    """Whether some object of the record may have a key twice."""
    table, used = scratch.key_table, scratch.key_used
    mask = len(table) - 1
    sizes = scratch.sizes
    sizes[EPOCH] += 1
    epoch = sizes[EPOCH]
    n = sizes[KEYS]
    if 2 * n > len(table):
        return True
    # Keys can be chosen that agree where a known hash would put them.
    seed = np.uint64(sizes[SEED])
    for i in range(n):
        h, number = scratch.key_hash[i], scratch.key_object[i]
        slot = np.int64(mix(h + np.uint64(number), seed) >> np.uint64(20)) & mask
        while used[slot] == epoch:
            other = table[slot]
            if scratch.key_hash[other] == h and scratch.key_object[other] == number:
                return True
            slot = (slot + 1) & mask
        used[slot] = epoch
        table[slot] = i
    return False


@kernel
def kind_of(state: State) -> int:
    """The kind of the record whose tokens `scratch` holds; negative as of classes, or -10 - NEW_KIND."""
    scratch, kinds = state.scratch, state.kinds
    sizes = scratch.sizes
    sizes[RECORD] += 1
    record = sizes[RECORD]
    n = 0
    for token in range(sizes[TOKENS]):
        scratch.class_[token] = -1
        if kinds.asked[scratch.field[token]]:
            found = class_of_token(token, np.uint64(0), state)
            if found < 0:
                return found
            scratch.class_[token] = found
            n = include(found, n, scratch, record)
    key = sizes[TAG]
    h = set_hash(scratch.members, n, key)
    kind = find_set(kinds, kinds.key, h, key, n, scratch.class_seen, record)
    if kind >= 0:
        return kind
    kind = add_set(kinds, kinds.key, h, key, scratch.members, n)
    if kind < 0:
        return NO_CLASSES
    # What logsource conditions say of it; Python draws the conclusions. Nothing can be asked of values here.
    for i in range(n):
        note_facts(np.int64(scratch.members[i]), state)
    rules = len(state.gates.first_free)
    logsources = len(state.programs.start) - 1 - rules
    for i in range(logsources):
        kinds.logsources[kind * logsources + i] = decide(
            rules + i, state.records.data, 0, 0, 0, state
        )
    sizes[ASKED] = 0
    return -10 - NEW_KIND


@kernel
def find_matches(start: int, stop: int, state: State) -> int:
    """Decide the record `data[start:stop]`, whose tokens `scratch` holds, and list what was found."""
    data, scratch = state.records.data, state.scratch
    sizes = scratch.sizes
    tokens = sizes[TOKENS]
    kind = kind_of(state)
    if kind < 0:
        return _stop(kind)
    active = kind * sizes[N_FIELDS]
    search = np.int64(state.kinds.active[active + KEYWORDS_FIELD])
    if search == NOT_KNOWN:
        return _LEFT
    # Keywords first: what is in the record at all.
    text, text_start, text_stop, which = data, start, stop, search - 1
    keyword_class = odd_class = np.int64(-1)
    if search != 0:
        if sizes[EXOTIC] & OUTLANDISH_TEXT != 0:
            text = scratch.spelled
            text_start, text_stop = 0, spell_again(data, start, stop, state.automata.fold, text)
            if text_stop < 0:
                return _LEFT
            exotic = sizes[EXOTIC]
            index_record(text, 0, text_stop, scratch)
            sizes[EXOTIC] = exotic
            if sizes[QUOTES] < 0:
                return _LEFT
        n = find_factors(text, text_start, text_stop, True, which, state)
        if n > 0:
            keyword_class = class_of_set(KEYWORDS_FIELD, n, state)
            if keyword_class < 0:
                return _stop(keyword_class)
        if sizes[EXOTIC] & ODD_NUMBER != 0:
            # How Python spells it may hold a keyword of digits.
            odd_class = class_of_special(KEYWORDS_FIELD, IS_ODD, state)
            if odd_class < 0:
                return _stop(odd_class)
    # Then the candidates: rules of the kind whose gates are open
    needed = np.int64(-1)  # the record's number under which fields are marked that candidates ask
    while True:
        sizes[RECORD] += 1
        record = sizes[RECORD]
        n = 0
        if keyword_class >= 0:
            n = include(keyword_class, n, scratch, record)
        if odd_class >= 0:
            n = include(odd_class, n, scratch, record)
        n = classes_of_record(active, needed, n, state)
        if n < 0:
            return _stop(n)
        count = candidates_of(n, kind, state)
        if count == 0:
            return _DECIDED
        mark_needed(count, state)
        again = False
        for token in range(tokens):
            field = np.int64(scratch.field[token])
            if (
                scratch.class_[token] < 0
                and scratch.field_needed[field] == record
                and state.kinds.active[active + field] != 0
                and not (is_long(token, field, state) and instructions_of(count, state) <= _FEW)
            ):
                again = True
        if not again:
            break
        needed = record
    # Where a key occurs twice the last one counts, and what keywords found may be of the first.
    if scratch.field_needed[KEYWORDS_FIELD] == record:
        sizes[COLLECT_KEYS] = 1  # of the next records too
        if sizes[KEYS] < 0 and not scan_record(start, stop, state):
            return _LEFT
        if has_equal_keys(scratch):
            return _LEFT
    else:
        sizes[COLLECT_KEYS] = 0
    sort(scratch.candidates, count)
    if count > len(state.records.rule) - state.records.sizes[FOUND]:
        return -FULL_FOUND
    for i in range(n):
        note_facts(np.int64(scratch.members[i]), state)
    return decide_candidates(count, start, stop, text, text_start, text_stop, which, state)


@kernel
def decide_candidates(
    count: int,
    start: int,
    stop: int,
    text: Bytes,
    text_start: int,
    text_stop: int,
    which: int,
    state: State,
) -> int:
    """Run the programs of the candidates and list what matches or is left; -ASK where Python must answer first."""
    records = state.records
    sizes = state.scratch.sizes
    sizes[FOLDED_TOKEN] = -1
    found_before, left_before = records.sizes[FOUND], records.sizes[LEFT]
    for i in range(count):
        rule = np.int64(state.scratch.candidates[i])
        answer = decide(rule, text, text_start, text_stop, which, state)
        if answer == YES:
            list_found(rule, start, stop, records)
        elif answer != NO:
            list_found(-1 - rule, start, stop, records)
    if sizes[ASKED] > 0:
        # Once Python has answered, the record is decided again.
        records.sizes[FOUND], records.sizes[LEFT] = found_before, left_before
        return -ASK
    return _DECIDED


@kernel
def list_found(rule: int, start: int, stop: int, records: Records) -> None:
    """List what was found in the record `data[start:stop]`; there is room."""
    sizes = records.sizes
    at = sizes[FOUND]
    records.line[at] = sizes[LINE]
    records.rule[at] = rule
    if rule < 0:
        records.start[at] = start
        records.stop[at] = stop
        sizes[LEFT] += 1
    sizes[FOUND] = at + 1


@kernel
def sort(numbers: Ints, count: int) -> None:
    """Put the first few of some numbers in order."""
    for i in range(1, count):
        number = numbers[i]
        at = i
        while at > 0 and numbers[at - 1] > number:
            numbers[at] = numbers[at - 1]
            at -= 1
        numbers[at] = number


@kernel
def _stop(found: int) -> int:
    """What becomes of a record of which a class, or the kind, is not known."""
    if found == TOO_LONG:
        return _LEFT
    if found == NO_ROWS:
        return -FULL_ROWS
    if found == NO_MEMO:
        return -FULL_MEMO
    return -FULL_CLASSES if found == NO_CLASSES else found + 10


@kernel
def evaluate(state: State) -> int:
    """Go on with the lines of `records` from `sizes[POSITION]` and `sizes[LINE]`; says why it stopped.

    DONE at `sizes[END]`; NEW_KIND where the newest must be described before the same record is tried again, ASK where
    questions must be answered; FULL_… where a cache must be flushed, or what was found taken.
    """
    scratch, records = state.scratch, state.records
    sizes = records.sizes
    data = records.data
    end = sizes[END]
    while sizes[POSITION] < end:
        if sizes[FOUND] == len(records.rule):
            return FULL_FOUND
        start = sizes[POSITION]
        stop = index_record(data, start, end, scratch)
        first = skip_blanks(data, start)
        if first >= stop:
            sizes[BLANK] += 1
        else:
            scratch.sizes[RECORD] += 1
            result = _LEFT
            if scratch.sizes[QUOTES] >= 0 and scan_record(first, stop, state):
                result = find_matches(first, stop, state)
            if result < 0:
                return -result
            if result == _LEFT:
                list_found(RECORD_LEFT, start, stop, records)
        sizes[POSITION] = stop + 1
        sizes[LINE] += 1
        scratch.sizes[REPLIED] = 0
    return DONE
