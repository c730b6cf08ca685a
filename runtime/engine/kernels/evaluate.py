"""The kernel's loop: from lines of raw bytes to signatures.

For each record: scan, kind (the logsource fields), classes of the fields that rules of this kind ask, signature. What
is not known is made here; only a new kind needs Python before the record can go on, and a full cache needs a flush.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.automaton import note, scan_number, scan_text, set_hash
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.json_scan import scan_record, skip_blanks
from sigmac.runtime.engine.kernels.memo import recall, remember, value_hash
from sigmac.runtime.engine.kernels.raw_search import holds_literal
from sigmac.runtime.engine.kernels.sets import add_set, find_set
from sigmac.runtime.engine.kernels.text import fold_text
from sigmac.runtime.engine.kernels.vector import PADDING, newlines, trailing_zeros
from sigmac.runtime.engine.layout import (
    BLANK,
    COMPLEX,
    DEFER,
    DONE,
    EMPTY,
    END,
    EPOCH,
    EXOTIC,
    FALLBACK,
    FIELD_LISTS,
    FORGET,
    FULL_CLASSES,
    FULL_LINES,
    FULL_MEMO,
    FULL_ROWS,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_NUMBER,
    KEYS,
    KEYWORDS_FIELD,
    LEAVES,
    LEAVES_ONCE,
    LINE,
    N_FIELDS,
    NEW_KIND,
    NO_LEAVES,
    NOTHING,
    NULL,
    OBJECT,
    ODD,
    POSITION,
    RARELY,
    RECORD,
    RULES_FROM,
    SCANNED,
    SPECIAL,
    TAG,
    TOKENS,
    UNKNOWN_KIND,
)

_NO_ROWS, _NO_CLASSES, _NO_MEMO, _TOO_LONG = -1, -2, -3, -4
_SCAN_AGAIN = -5


@kernel
def line_end(data: Any, at: int, end: int) -> int:
    """The place of the next newline, `end` where there is none."""
    while at < end:
        found = newlines(data, at)
        if found != 0:
            at += trailing_zeros(found)
            return at if at < end else end
        at += 64
    return end


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
def class_of_text(
    data: Any,
    start: int,
    stop: int,
    form: int,
    field: int,
    automata: Any,
    gates: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    scratch: Any,
) -> int:
    """The class of a text, remembered or found by the automaton; a negative number says what there is no room for."""
    length = stop - start
    h = np.uint64(0)
    keep = memo.policy[field] & FORGET == 0 and length * 16 <= len(memo.text)
    memo.read[field] += length
    if keep:
        memo.looked[field] += 1
        h = value_hash(data, start, length, field)
        known = recall(data, start, length, field, h, memo)
        if known >= 0:
            memo.found[field] += 1
            return known
    scratch.sizes[SCANNED] += length
    if form == COMPLEX:
        if length * 2 + PADDING > len(scratch.text):
            return _TOO_LONG
        size = fold_text(data, start, stop, automata.fold, scratch.text)
        n = scan_text(scratch.text, 0, size, field, automata, rows, scratch)
        if n >= 0 and automata.number[field] >= 0:
            n = scan_number(scratch.text, 0, size, field, automata, scratch, n)
    else:
        n = scan_text(data, start, stop, field, automata, rows, scratch)
        if n >= 0 and automata.number[field] >= 0:
            n = scan_number(data, start, stop, field, automata, scratch, n)
    if n < 0:
        return _NO_ROWS
    found = class_of_set(field, n, gates, classes, scratch)
    if keep and found >= 0 and not remember(data, start, length, field, h, found, memo):
        return _NO_MEMO
    return found


@kernel
def class_of_token(
    data: Any,
    token: int,
    field: int,
    automata: Any,
    gates: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    scratch: Any,
) -> int:
    """The class of a token as a value of a field."""
    form = scratch.form[token]
    if form == NULL:
        return class_of_special(field, IS_NULL, gates, classes, scratch)
    if form == OBJECT:
        return class_of_special(field, IS_OBJECT, gates, classes, scratch)
    if form == EMPTY:
        return class_of_special(field, IS_EMPTY, gates, classes, scratch)
    if form == ODD:
        return class_of_special(field, IS_ODD, gates, classes, scratch)
    return class_of_text(
        data,
        scratch.start[token],
        scratch.stop[token],
        form,
        field,
        automata,
        gates,
        rows,
        memo,
        classes,
        scratch,
    )


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
def signature_of(
    data: Any,
    start: int,
    stop: int,
    automata: Any,
    gates: Any,
    keywords: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    signatures: Any,
    kinds: Any,
    scratch: Any,
) -> int:
    """The signature of the record `data[start:stop]`, whose tokens `scratch` holds.

    Negative: FALLBACK, NOTHING, or -10 minus what `evaluate` returns where it must stop.
    """
    sizes = scratch.sizes
    tokens = sizes[TOKENS]
    # First the kind
    sizes[RECORD] += 1
    n = 0
    for token in range(tokens):
        field = scratch.field[token]
        scratch.class_[token] = -1
        if kinds.asked[field]:
            found = class_of_token(
                data, token, field, automata, gates, rows, memo, classes, scratch
            )
            if found < 0:
                return FALLBACK if found == _TOO_LONG else -10 + _stop(found)
            scratch.class_[token] = found
            n = include(found, n, scratch, sizes[RECORD])
    key = sizes[TAG]
    h = set_hash(scratch.members, n, key)
    kind = find_set(kinds, kinds.key, h, key, n, scratch.class_seen, sizes[RECORD])
    if kind < 0:
        kind = add_set(kinds, kinds.key, h, key, scratch.members, n)
        return -10 - FULL_CLASSES if kind < 0 else -10 - NEW_KIND
    # Then the candidates: rules of the kind whose gates are open
    active = kind * sizes[N_FIELDS]
    search = np.int64(kinds.active[active + KEYWORDS_FIELD])
    if search == UNKNOWN_KIND:
        return FALLBACK
    leaves = search != 0
    if search >= RARELY and sizes[LEAVES] == NO_LEAVES:
        leaves = sizes[EXOTIC] & kinds.exotic[search - RARELY] != 0 or holds_literal(
            data, start, stop, search - RARELY, kinds, keywords
        )
    if leaves and sizes[LEAVES] == NO_LEAVES:
        return _SCAN_AGAIN
    needed = np.int64(-1)  # the record's number under which fields are marked that candidates ask
    while True:
        sizes[RECORD] += 1
        record = sizes[RECORD]
        n = 0
        said = False
        for token in range(tokens):
            field = np.int64(scratch.field[token])
            if field != KEYWORDS_FIELD and kinds.active[active + field] != 0:
                found = np.int64(scratch.class_[token])
                if found < 0:
                    defer = (
                        memo.policy[field] & DEFER != 0 and scratch.field_needed[field] != needed
                    )
                    if defer and scratch.form[token] <= COMPLEX:
                        found = class_of_special(field, IS_DEFERRED, gates, classes, scratch)
                    else:
                        found = class_of_token(
                            data, token, field, automata, gates, rows, memo, classes, scratch
                        )
                        scratch.class_[token] = found
                    if found < 0:
                        return FALLBACK if found == _TOO_LONG else -10 + _stop(found)
                n = include(found, n, scratch, record)
            if leaves and (scratch.form[token] <= COMPLEX or scratch.form[token] == ODD):
                found = class_of_token(
                    data, token, KEYWORDS_FIELD, automata, gates, rows, memo, classes, scratch
                )
                if found < 0:
                    return FALLBACK if found == _TOO_LONG else -10 + _stop(found)
                n = include(found, n, scratch, record)
                said = said or classes.start[found + 1] > classes.start[found]
        # Where a key occurs twice the last one counts, and what was found may be of the first.
        if said and has_equal_keys(scratch):
            return FALLBACK
        count = candidates_of(n, kind, classes, gates, kinds, scratch)
        if count == 0:
            return NOTHING
        for i in range(count):
            rule = scratch.candidates[i]
            for at in range(gates.start[rule], gates.start[rule + 1]):
                scratch.field_needed[gates.fields[at]] = record
        if scratch.field_needed[KEYWORDS_FIELD] == record and not leaves:
            return _SCAN_AGAIN
        again = False
        for token in range(tokens):
            field = np.int64(scratch.field[token])
            if (
                scratch.class_[token] < 0
                and field != KEYWORDS_FIELD
                and scratch.field_needed[field] == record
                and kinds.active[active + field] != 0
            ):
                again = True
        if not again:
            break
        needed = record
    # What decides: the candidates, and the classes of the fields that they ask
    record = sizes[RECORD]
    kept = 0
    for i in range(n):
        class_ = scratch.members[i]
        if scratch.field_needed[classes.field[class_]] == record:
            scratch.members[kept] = class_
            kept += 1
        else:
            scratch.class_seen[class_] = 0
    for i in range(count):
        kept = include(sizes[RULES_FROM] + scratch.candidates[i], kept, scratch, record)
    h = set_hash(scratch.members, kept, kind)
    found = find_set(signatures, signatures.key, h, kind, kept, scratch.class_seen, record)
    if found < 0:
        found = add_set(signatures, signatures.key, h, kind, scratch.members, kept)
        if found < 0:
            return -10 - FULL_CLASSES
    return found


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
    if found == _NO_ROWS:
        return -FULL_ROWS
    if found == _NO_MEMO:
        return -FULL_MEMO
    return -FULL_CLASSES


@kernel
def evaluate(
    names: Any,
    automata: Any,
    gates: Any,
    keywords: Any,
    rows: Any,
    memo: Any,
    classes: Any,
    signatures: Any,
    kinds: Any,
    scratch: Any,
    records: Any,
) -> int:
    """Go on with the lines of `records` from `sizes[POSITION]` and `sizes[LINE]`; says why it stopped.

    DONE at `sizes[END]`; FULL_LINES where `signature` has no more room; NEW_KIND where the newest must be described
    before the same record is tried again; FULL_… where a cache must be flushed before that.
    """
    sizes = records.sizes
    data = records.data
    end = sizes[END]
    while sizes[POSITION] < end:
        line = sizes[LINE]
        if line == len(records.signature):
            return FULL_LINES
        start = sizes[POSITION]
        stop = line_end(data, start, end)
        records.start[line] = start
        records.stop[line] = stop
        first = skip_blanks(data, start)
        if first >= stop:
            records.signature[line] = BLANK
        else:
            scratch.sizes[RECORD] += 1
            result = FALLBACK
            if scan_record(data, first, stop, names, scratch):
                # Whether all leaves are needed is known when the kind is.
                result = signature_of(
                    data,
                    first,
                    stop,
                    automata,
                    gates,
                    keywords,
                    rows,
                    memo,
                    classes,
                    signatures,
                    kinds,
                    scratch,
                )
                if result == _SCAN_AGAIN:
                    scratch.sizes[LEAVES] = LEAVES_ONCE
                    scratch.sizes[RECORD] += 1
                    result = FALLBACK
                    if scan_record(data, first, stop, names, scratch):
                        result = signature_of(
                            data,
                            first,
                            stop,
                            automata,
                            gates,
                            keywords,
                            rows,
                            memo,
                            classes,
                            signatures,
                            kinds,
                            scratch,
                        )
                    scratch.sizes[LEAVES] = NO_LEAVES
                if result <= -10:
                    return -10 - result
            records.signature[line] = result
        sizes[POSITION] = stop + 1
        sizes[LINE] = line + 1
    return DONE
