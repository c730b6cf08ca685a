"""The kernel's loop: from lines of raw bytes to the rules that match.

For each record: index, scan, kind (the logsource fields), classes of the fields that rules of this kind ask,
candidates, and the programs of these. What is not known is made here; only a new kind needs Python before the record
can go on, and a full cache needs a flush.
"""

from __future__ import annotations

from typing import Any

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
from sigmac.runtime.engine.kernels.json_index import index_record
from sigmac.runtime.engine.kernels.json_scan import scan_record, skip_blanks
from sigmac.runtime.engine.kernels.long_text import is_long
from sigmac.runtime.engine.kernels.piece_search import find_pieces
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
    TAG,
    TOKENS,
    YES,
)

# What became of a record: decided, left to the scalar path, or minus what `evaluate` returns
_DECIDED, _LEFT = 0, 1
_FEW = 64  # instructions of the candidates up to which a long text is asked one question after the other


@kernel
def has_equal_keys(scratch: Any) -> bool:
    """Whether some object of the record may have a key twice."""
    table, used = scratch.key_table, scratch.key_used
    mask = len(table) - 1
    sizes = scratch.sizes
    sizes[EPOCH] += 1
    epoch = sizes[EPOCH]
    n = sizes[KEYS]
    if 2 * n > len(table):
        return True
    for i in range(n):
        h, number = scratch.key_hash[i], scratch.key_object[i]
        slot = np.int64(h >> np.uint64(20)) + number & mask
        while used[slot] == epoch:
            other = table[slot]
            if scratch.key_hash[other] == h and scratch.key_object[other] == number:
                return True
            slot = (slot + 1) & mask
        used[slot] = epoch
        table[slot] = i
    return False


@kernel
def kind_of(
    data: Any,
    automata: Any,
    programs: Any,
    gates: Any,
    pieces: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    searches: Any,
    kinds: Any,
    scratch: Any,
) -> int:
    """The kind of the record whose tokens `scratch` holds; negative as of classes, or -10 - NEW_KIND."""
    sizes = scratch.sizes
    sizes[RECORD] += 1
    record = sizes[RECORD]
    n = 0
    for token in range(sizes[TOKENS]):
        scratch.class_[token] = -1
        if kinds.asked[scratch.field[token]]:
            found = class_of_token(
                data, token, automata, programs, gates, rows, memo, classes, scratch
            )
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
        note_facts(np.int64(scratch.members[i]), automata, classes, scratch)
    rules = len(gates.first_free)
    logsources = len(programs.start) - 1 - rules
    for i in range(logsources):
        kinds.logsources[kind * logsources + i] = decide(
            rules + i,
            data,
            data,
            0,
            0,
            0,
            automata,
            programs,
            pieces,
            memo,
            classes,
            searches,
            scratch,
        )
    sizes[ASKED] = 0
    return -10 - NEW_KIND


@kernel
def find_matches(
    data: Any,
    start: int,
    stop: int,
    names: Any,
    automata: Any,
    programs: Any,
    gates: Any,
    pieces: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    searches: Any,
    kinds: Any,
    scratch: Any,
    records: Any,
) -> int:
    """Decide the record `data[start:stop]`, whose tokens `scratch` holds, and list what was found."""
    sizes = scratch.sizes
    tokens = sizes[TOKENS]
    kind = kind_of(
        data, automata, programs, gates, pieces, rows, memo, classes, searches, kinds, scratch
    )
    if kind < 0:
        return _stop(kind)
    active = kind * sizes[N_FIELDS]
    search = np.int64(kinds.active[active + KEYWORDS_FIELD])
    if search == NOT_KNOWN:
        return _LEFT
    # Keywords first: what is in the record at all.
    text, text_start, text_stop, which = data, start, stop, search - 1
    keyword_class = odd_class = np.int64(-1)
    if search != 0:
        if sizes[EXOTIC] & OUTLANDISH_TEXT != 0:
            text = scratch.spelled
            text_start, text_stop = 0, spell_again(data, start, stop, automata.fold, text)
            if text_stop < 0:
                return _LEFT
            exotic = sizes[EXOTIC]
            index_record(text, 0, text_stop, scratch)
            sizes[EXOTIC] = exotic
            if sizes[QUOTES] < 0:
                return _LEFT
        n = find_pieces(text, text_start, text_stop, True, which, searches, pieces, scratch)
        if n > 0:
            keyword_class = class_of_set(KEYWORDS_FIELD, n, gates, classes, scratch)
            if keyword_class < 0:
                return _stop(keyword_class)
        if sizes[EXOTIC] & ODD_NUMBER != 0:
            # How Python spells it may hold a keyword of digits.
            odd_class = class_of_special(KEYWORDS_FIELD, IS_ODD, gates, classes, scratch)
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
        n = classes_of_record(
            data,
            active,
            needed,
            n,
            automata,
            programs,
            gates,
            pieces,
            rows,
            memo,
            classes,
            searches,
            kinds,
            scratch,
        )
        if n < 0:
            return _stop(n)
        count = candidates_of(n, kind, classes, gates, kinds, scratch)
        if count == 0:
            return _DECIDED
        mark_needed(count, gates, scratch)
        again = False
        for token in range(tokens):
            field = np.int64(scratch.field[token])
            if (
                scratch.class_[token] < 0
                and scratch.field_needed[field] == record
                and kinds.active[active + field] != 0
                and not (
                    is_long(token, field, automata, programs, memo, scratch)
                    and instructions_of(count, programs, scratch) <= _FEW
                )
            ):
                again = True
        if not again:
            break
        needed = record
    # Where a key occurs twice the last one counts, and what keywords found may be of the first.
    if scratch.field_needed[KEYWORDS_FIELD] == record:
        sizes[COLLECT_KEYS] = 1  # of the next records too
        if sizes[KEYS] < 0 and not scan_record(data, start, stop, names, scratch):
            return _LEFT
        if has_equal_keys(scratch):
            return _LEFT
    else:
        sizes[COLLECT_KEYS] = 0
    sort(scratch.candidates, count)
    if count > len(records.rule) - records.sizes[FOUND]:
        return -FULL_FOUND
    for i in range(n):
        note_facts(np.int64(scratch.members[i]), automata, classes, scratch)
    return decide_candidates(
        count,
        data,
        start,
        stop,
        text,
        text_start,
        text_stop,
        which,
        automata,
        programs,
        pieces,
        memo,
        classes,
        searches,
        scratch,
        records,
    )


@kernel
def decide_candidates(
    count: int,
    data: Any,
    start: int,
    stop: int,
    text: Any,
    text_start: int,
    text_stop: int,
    which: int,
    automata: Any,
    programs: Any,
    pieces: Any,
    memo: Any,
    classes: Any,
    searches: Any,
    scratch: Any,
    records: Any,
) -> int:
    """Run the programs of the candidates and list what matches or is left; -ASK where Python must answer first."""
    sizes = scratch.sizes
    sizes[FOLDED_TOKEN] = -1
    found_before, left_before = records.sizes[FOUND], records.sizes[LEFT]
    for i in range(count):
        rule = np.int64(scratch.candidates[i])
        answer = decide(
            rule,
            data,
            text,
            text_start,
            text_stop,
            which,
            automata,
            programs,
            pieces,
            memo,
            classes,
            searches,
            scratch,
        )
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
def list_found(rule: int, start: int, stop: int, records: Any) -> None:
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
def sort(numbers: Any, count: int) -> None:
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
def evaluate(
    names: Any,
    automata: Any,
    gates: Any,
    programs: Any,
    pieces: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    searches: Any,
    kinds: Any,
    scratch: Any,
    records: Any,
) -> int:
    """Go on with the lines of `records` from `sizes[POSITION]` and `sizes[LINE]`; says why it stopped.

    DONE at `sizes[END]`; NEW_KIND where the newest must be described before the same record is tried again, ASK where
    questions must be answered; FULL_… where a cache must be flushed, or what was found taken.
    """
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
            if scratch.sizes[QUOTES] >= 0 and scan_record(data, first, stop, names, scratch):
                result = find_matches(
                    data,
                    first,
                    stop,
                    names,
                    automata,
                    programs,
                    gates,
                    pieces,
                    rows,
                    memo,
                    classes,
                    searches,
                    kinds,
                    scratch,
                    records,
                )
            if result < 0:
                return -result
            if result == _LEFT:
                list_found(RECORD_LEFT, start, stop, records)
        sizes[POSITION] = stop + 1
        sizes[LINE] += 1
        scratch.sizes[REPLIED] = 0
    return DONE
