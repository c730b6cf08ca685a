"""Which rules a record's classes leave to be decided: those of its kind whose gates are open."""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.classes import (
    class_of_search,
    class_of_special,
    class_of_token,
    is_searched,
)
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.memo import fetch_slot, value_hash
from sigmac.runtime.engine.layout import DEFER, IS_DEFERRED, RECORD, TEXT, TOKENS, Scratch, State


@kernel
def include(class_: int, n: int, scratch: Scratch, epoch: int) -> int:
    """Add a class to the set at hand; returns how many it has."""
    if scratch.class_seen[class_] != epoch:
        scratch.class_seen[class_] = epoch
        scratch.members[n] = class_
        n += 1
    return n


@kernel
def classes_of_record(active: int, needed: int, n: int, state: State) -> int:
    """List the classes of the tokens whose fields rules of the kind ask; returns how many there are with those so far.

    `kinds.active` has these fields from `active` on. Fields that open no gate, or hold long texts, are looked at only
    where `field_needed` is `needed`. A negative number says why a class is not known.
    """
    scratch = state.scratch
    record = scratch.sizes[RECORD]
    # All values that are looked up are fetched before the first one is waited for.
    for token in range(scratch.sizes[TOKENS]):
        field = np.int64(scratch.field[token])
        scratch.hash[token] = 0
        if state.kinds.active[active + field] != 0:
            found = np.int64(scratch.class_[token])
            if found >= 0:
                n = include(found, n, scratch, record)
            elif scratch.form[token] == TEXT and state.memo.policy[field] == 0:
                start, stop = scratch.start[token], scratch.stop[token]
                h = value_hash(state.records.data, start, stop - start, field, scratch)
                fetch_slot(h, state.memo)
                scratch.hash[token] = h
    for token in range(scratch.sizes[TOKENS]):
        field = np.int64(scratch.field[token])
        if state.kinds.active[active + field] != 0 and scratch.class_[token] < 0:
            defer = (
                state.memo.policy[field] & DEFER != 0
                and scratch.form[token] == TEXT
                and scratch.field_needed[field] != needed
            )
            if defer and is_searched(token, field, state):
                found = class_of_search(token, field, state)
            elif defer:
                found = class_of_special(field, IS_DEFERRED, state)
            else:
                found = class_of_token(token, scratch.hash[token], state)
                scratch.class_[token] = found
            if found < 0:
                return found
            n = include(found, n, scratch, record)
    return n


@kernel
def mark_needed(count: int, state: State) -> None:
    """Mark the fields that candidates ask with the record's number."""
    gates, scratch = state.gates, state.scratch
    for i in range(count):
        rule = scratch.candidates[i]
        for at in range(gates.start[rule], gates.start[rule + 1]):
            scratch.field_needed[gates.fields[at]] = scratch.sizes[RECORD]


@kernel
def candidates_of(n: int, kind: int, state: State) -> int:
    """List the rules of a kind whose two gates the `n` classes in `scratch.members` open; returns how many."""
    classes, scratch, gates = state.classes, state.scratch, state.gates
    sizes = scratch.sizes
    record = sizes[RECORD]
    opened, listed, found = scratch.opened, scratch.listed, scratch.candidates
    first_free, second_free, active = gates.first_free, gates.second_free, state.kinds.rules
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
def instructions_of(count: int, state: State) -> int:
    """How many instructions the programs of all candidates have."""
    total = 0
    for i in range(count):
        rule = np.int64(state.scratch.candidates[i])
        total += state.programs.start[rule + 1] - state.programs.start[rule]
    return total
