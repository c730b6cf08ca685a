"""The kernel's loop: from lines of raw bytes to the rules that match.

For each record: index, scan, kind (the logsource fields), classes of the fields that rules of this kind ask,
candidates, and the programs of these. What is not known is made here; only a new kind needs Python before the record
can go on, and a full cache needs a flush.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.automaton import (
    note,
    scan_address,
    scan_number,
    scan_text,
    set_hash,
)
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.decide import decide, note_facts
from sigmac.runtime.engine.kernels.json_index import index_record
from sigmac.runtime.engine.kernels.json_scan import scan_record, skip_blanks
from sigmac.runtime.engine.kernels.long_text import is_long
from sigmac.runtime.engine.kernels.memo import (
    correct,
    is_remembered,
    recall,
    remember,
    value_hash,
)
from sigmac.runtime.engine.kernels.piece_search import find_pieces
from sigmac.runtime.engine.kernels.sets import add_set, find_set
from sigmac.runtime.engine.kernels.text import fold_text, is_complex, spell_again
from sigmac.runtime.engine.kernels.vector import PADDING
from sigmac.runtime.engine.layout import (
    ASK,
    ASKED,
    BLANK,
    COLLECT_KEYS,
    DEFER,
    DONE,
    EMPTY,
    END,
    EPOCH,
    EXOTIC,
    FIELD_LISTS,
    FIRST_VALUE,
    FOLDED_TOKEN,
    FORGET,
    FOUND,
    FULL_CLASSES,
    FULL_FOUND,
    FULL_MEMO,
    FULL_ROWS,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_NUMBER,
    IS_SEARCHED,
    JUDGED,
    KEYS,
    KEYWORDS_FIELD,
    LEFT,
    LINE,
    LONG_TEXT,
    N_FIELDS,
    NEW_KIND,
    NO,
    NOT_KNOWN,
    NULL,
    OBJECT,
    ODD_NUMBER,
    OUTLANDISH_TEXT,
    POSITION,
    QUOTES,
    RECORD,
    RECORD_LEFT,
    REPLIED,
    SCANNED,
    SPECIAL,
    TAG,
    TEXT,
    TOKENS,
    YES,
)

# Why the class of a value is not known; as negative numbers
_NO_ROWS, _NO_CLASSES, _NO_MEMO, _TOO_LONG = -1, -2, -3, -4
# What became of a record: decided, left to the scalar path, or minus what `evaluate` returns
_DECIDED, _LEFT = 0, 1
_RARE, _LONG, _SAMPLE = 0.3, 200, 1024
_FEW = 64  # instructions of the candidates up to which a long text is asked one question after the other


@kernel
def list_rules(which: int, used: int, gates: Any, classes: Any, scratch: Any, epoch: int) -> int:
    """Add a list of rules to the gates of the class at hand, each once; returns the room used, or -1: no room."""
    for at in range(gates.ends[which], gates.ends[which + 1]):
        rule = gates.rules[at]
        if scratch.described[rule] != epoch:
            scratch.described[rule] = epoch
            if used == len(classes.gates):
                return -1
            classes.gates[used] = rule
            used += 1
    return used


@kernel
def describe_class(class_: int, gates: Any, classes: Any, scratch: Any) -> bool:
    """Say which gates a new class opens; False where there is no room."""
    sizes = scratch.sizes
    lists = sizes[FIELD_LISTS] + 4 * np.int64(classes.field[class_])
    used = np.int64(classes.first[class_])
    for which in range(2):
        sizes[EPOCH] += 1
        epoch = sizes[EPOCH]
        used = list_rules(lists + which, used, gates, classes, scratch, epoch)
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
                used = list_rules(chosen, used, gates, classes, scratch, epoch)
        if used < 0:
            return False
        if which == 0:
            classes.second[class_] = used
    classes.first[class_ + 1] = used
    return True


@kernel
def class_of_set(field: int, n: int, gates: Any, classes: Any, scratch: Any) -> int:
    """The class of the predicates that `scratch` holds; `_NO_CLASSES` where there is no room for a new one."""
    h = set_hash(scratch.predicates, n, field)
    epoch = scratch.sizes[EPOCH]
    found = find_set(classes, classes.field, h, field, n, scratch.predicate_seen, epoch)
    if found < 0:
        found = add_set(classes, classes.field, h, field, scratch.predicates, n)
        if found < 0 or not describe_class(found, gates, classes, scratch):
            return _NO_CLASSES
    return found


@kernel
def class_of_special(field: int, predicate: int, gates: Any, classes: Any, scratch: Any) -> int:
    """The class of a value that is no text: null, an object, an empty array, an odd number."""
    sizes = scratch.sizes
    sizes[EPOCH] += 1
    n = note(sizes[SPECIAL] + predicate, 0, scratch, sizes[EPOCH])
    return class_of_set(field, n, gates, classes, scratch)


@kernel
def judge(field: int, memo: Any, scratch: Any) -> None:
    """Have a field's values forgotten where they are long and hardly repeat."""
    if memo.found[field] < memo.looked[field] * _RARE and memo.read[field] > _LONG * _SAMPLE:
        memo.policy[field] = DEFER | FORGET
        scratch.sizes[JUDGED] += 1
    memo.sizes[2] += memo.looked[field]
    memo.sizes[3] += memo.found[field]
    memo.looked[field] = memo.found[field] = memo.read[field] = 0


@kernel
def predicates_of(
    text: Any,
    start: int,
    stop: int,
    field: int,
    automata: Any,
    programs: Any,
    rows: Any,
    scratch: Any,
) -> int:
    """Collect what is true of a text that is unescaped and folded; returns how many predicates, -1: no room."""
    n = scan_text(text, start, stop, field, automata, rows, scratch)
    if n >= 0 and automata.number[field] >= 0:
        n = scan_number(text, start, stop, field, automata, scratch, n)
    if n >= 0 and programs.first[field] < programs.last[field]:
        n = scan_address(text, start, stop, field, programs, scratch, n)
    return n


@kernel
def class_of_text(
    data: Any,
    start: int,
    stop: int,
    field: int,
    automata: Any,
    programs: Any,
    gates: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    scratch: Any,
) -> int:
    """The class of a text, remembered or found by the automaton; a negative number says what there is no room for."""
    length = stop - start
    h = np.uint64(0)
    keep = is_remembered(field, length, memo)
    if keep:
        memo.read[field] += length
        memo.looked[field] += 1
        h = value_hash(data, start, length, field, scratch)
        known = recall(data, start, length, field, h, memo)
        if known >= 0:
            memo.found[field] += 1
            if scratch.sizes[REPLIED] == 0:
                return known
            replied = with_replies(known, start, field, gates, classes, scratch)
            if replied >= 0 and replied != known:
                correct(data, start, length, field, h, replied, memo)
            return replied
        if memo.looked[field] >= _SAMPLE:
            judge(field, memo, scratch)
    scratch.sizes[SCANNED] += length
    if is_complex(data, start, stop):
        if length * 2 + PADDING > len(scratch.text):
            return _TOO_LONG
        size = fold_text(data, start, stop, automata.fold, scratch.text, 0)
        n = predicates_of(scratch.text, 0, size, field, automata, programs, rows, scratch)
    else:
        n = predicates_of(data, start, stop, field, automata, programs, rows, scratch)
    if n < 0:
        return _NO_ROWS
    found = class_of_set(field, n, gates, classes, scratch)
    if found >= 0 and scratch.sizes[REPLIED] > 0:
        found = with_replies(found, start, field, gates, classes, scratch)
    if keep and found >= 0 and not remember(data, start, length, field, h, found, memo):
        return _NO_MEMO
    return found


@kernel
def with_replies(
    class_: int, start: int, field: int, gates: Any, classes: Any, scratch: Any
) -> int:
    """The class of the value that begins at `start` with what Python has answered of it."""
    sizes, asked = scratch.sizes, scratch.asked
    n = 0
    for i in range(sizes[REPLIED]):
        yes = asked[4 * i + 2] == field
        if asked[4 * i] == start and (yes or asked[4 * i + 2] == ~field):
            if n == 0:
                sizes[EPOCH] += 1
                for at in range(classes.start[class_], classes.start[class_ + 1]):
                    n = note(np.int64(classes.members[at]), n, scratch, sizes[EPOCH])
            answered = sizes[FIRST_VALUE] + 2 * asked[4 * i + 3]
            n = note(answered, n, scratch, sizes[EPOCH])
            if yes:
                n = note(answered + 1, n, scratch, sizes[EPOCH])
    return class_of_set(field, n, gates, classes, scratch) if n > 0 else class_


@kernel
def class_of_token(
    data: Any,
    token: int,
    automata: Any,
    programs: Any,
    gates: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    scratch: Any,
) -> int:
    """The class of a token."""
    form, field = scratch.form[token], np.int64(scratch.field[token])
    if form == TEXT:
        return class_of_text(
            data,
            scratch.start[token],
            scratch.stop[token],
            field,
            automata,
            programs,
            gates,
            rows,
            memo,
            classes,
            scratch,
        )
    special = IS_ODD
    if form == NULL:
        special = IS_NULL
    elif form == OBJECT:
        special = IS_OBJECT
    elif form == EMPTY:
        special = IS_EMPTY
    return class_of_special(field, special, gates, classes, scratch)


@kernel
def is_searched(token: int, field: int, searches: Any, scratch: Any) -> bool:
    """Whether a text is searched for literals that open gates, which is all that its class must tell."""
    return (
        searches.of_field[field] > 0
        and scratch.stop[token] - scratch.start[token] >= LONG_TEXT
        and scratch.sizes[EXOTIC] & OUTLANDISH_TEXT == 0
    )


@kernel
def class_of_search(
    data: Any,
    token: int,
    field: int,
    searches: Any,
    pieces: Any,
    gates: Any,
    classes: Any,
    scratch: Any,
) -> int:
    """The class of a text of which only this is known: which literals that open gates may be in it."""
    sizes = scratch.sizes
    start, stop = scratch.start[token], scratch.stop[token]
    which = np.int64(searches.of_field[field]) - 1
    n = find_pieces(data, start, stop, False, which, searches, pieces, scratch)
    n = note(sizes[SPECIAL] + IS_SEARCHED, n, scratch, sizes[EPOCH])
    return class_of_set(field, n, gates, classes, scratch)


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
def include(class_: int, n: int, scratch: Any, epoch: int) -> int:
    """Add a class to the set at hand; returns how many it has."""
    if scratch.class_seen[class_] != epoch:
        scratch.class_seen[class_] = epoch
        scratch.members[n] = class_
        n += 1
    return n


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
        return _NO_CLASSES
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
        for token in range(tokens):
            field = np.int64(scratch.field[token])
            if kinds.active[active + field] != 0:
                found = np.int64(scratch.class_[token])
                if found < 0:
                    defer = (
                        memo.policy[field] & DEFER != 0
                        and scratch.form[token] == TEXT
                        and scratch.field_needed[field] != needed
                    )
                    if defer and is_searched(token, field, searches, scratch):
                        found = class_of_search(
                            data, token, field, searches, pieces, gates, classes, scratch
                        )
                    elif defer:
                        found = class_of_special(field, IS_DEFERRED, gates, classes, scratch)
                    else:
                        found = class_of_token(
                            data, token, automata, programs, gates, rows, memo, classes, scratch
                        )
                        scratch.class_[token] = found
                    if found < 0:
                        return _stop(found)
                n = include(found, n, scratch, record)
        count = candidates_of(n, kind, classes, gates, kinds, scratch)
        if count == 0:
            return _DECIDED
        for i in range(count):
            rule = scratch.candidates[i]
            for at in range(gates.start[rule], gates.start[rule + 1]):
                scratch.field_needed[gates.fields[at]] = record
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
    sizes[FOLDED_TOKEN] = -1
    found_before, left_before = records.sizes[FOUND], records.sizes[LEFT]
    for i in range(n):
        note_facts(np.int64(scratch.members[i]), automata, classes, scratch)
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
def instructions_of(count: int, programs: Any, scratch: Any) -> int:
    """How many instructions the programs of all candidates have."""
    total = 0
    for i in range(count):
        rule = np.int64(scratch.candidates[i])
        total += programs.start[rule + 1] - programs.start[rule]
    return total


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
def candidates_of(n: int, kind: int, classes: Any, gates: Any, kinds: Any, scratch: Any) -> int:
    """List the rules of a kind whose two gates the `n` classes in `scratch.members` open; returns how many."""
    sizes = scratch.sizes
    record = sizes[RECORD]
    opened, listed, found = scratch.opened, scratch.listed, scratch.candidates
    first_free, second_free, active = gates.first_free, gates.second_free, kinds.rules
    base = kind * len(first_free)
    count = 0
    for i in range(n):
        class_ = scratch.members[i]
        for at in range(classes.first[class_], classes.second[class_]):
            rule = classes.gates[at]
            if active[base + rule] != 0 and opened[rule] != record:
                opened[rule] = record
                if second_free[rule] != 0:
                    listed[rule] = record
                    found[count] = rule
                    count += 1
    for i in range(n):
        class_ = scratch.members[i]
        for at in range(classes.second[class_], classes.first[class_ + 1]):
            rule = classes.gates[at]
            opens = opened[rule] == record or first_free[rule] != 0
            if opens and listed[rule] != record and active[base + rule] != 0:
                listed[rule] = record
                found[count] = rule
                count += 1
    for i in range(len(gates.free)):
        rule = gates.free[i]
        # Some class may have listed it too.
        if active[base + rule] != 0 and listed[rule] != record:
            found[count] = rule
            count += 1
    return count


@kernel
def _stop(found: int) -> int:
    """What becomes of a record of which a class, or the kind, is not known."""
    if found == _TOO_LONG:
        return _LEFT
    if found == _NO_ROWS:
        return -FULL_ROWS
    if found == _NO_MEMO:
        return -FULL_MEMO
    return -FULL_CLASSES if found == _NO_CLASSES else found + 10


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
