"""A pack's tables as the kernels read them: names, literals and automata. Made once a pack, shared by all threads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sigmac.runtime.engine.hash_names import hash_name
from sigmac.runtime.engine.keyword_sets import GRAM, grams_of, hashes_of_grams
from sigmac.runtime.engine.layout import (
    FIRST_NUMBER,
    HASH_BITS,
    Automata,
    Bytes,
    Gates,
    Keywords,
    Literals,
    Names,
)
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.fields import CONTAINS, ENDSWITH, EQUALS, STARTSWITH
from sigmac.runtime.keywords import KEYWORDS
from sigmac.runtime.number_texts import could_be_in_numbers
from sigmac.runtime.scalars import Number
from sigmac.runtime.vocabulary import NUMBER_GATE, PRESENT_GATE, Strings, number_of_gate

PADDING = 128
_FOLDED = 0x20000  # code points whose case is looked up


class Tables:
    """What the rules of a pack ask, in arrays.

    `fields` are names by number, KEYWORDS first; `rule_fields` tells for each rule which fields its function asks.
    `free` is a byte for each rule that has no first gate, and no second; `searched` are the literals that open gates of
    keywords, `fragments` what of each stands in a record's bytes.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        strings: Strings,
        logsource_fields: Sequence[str],
        thresholds: Mapping[str, Sequence[Number]],
        searched: Iterable[str],
        free: tuple[Bytes, Bytes],
        kernels: Kernels,
    ):
        pool = arrays["literals"][:, 0]
        asked = np.unique(np.concatenate([pool, arrays["rule_fields"]])).tolist()
        names = {KEYWORDS: 0}
        for name in (*(strings[i] for i in asked), *logsource_fields, *sorted(thresholds)):
            names.setdefault(name, len(names))
        self._strings = strings
        self.fields = list(names)
        self.numbers = names
        self.literals = arrays["literals"]
        of_string = np.full(len(strings), -1, np.int32)
        of_string[asked] = [names[strings[i]] for i in asked]
        self.rule_fields = of_string[arrays["rule_fields"]]
        ends = arrays["rule_field_ends"]
        self.rule_of = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        self.logsource_fields = [names[name] for name in logsource_fields]
        self.thresholds = {names[name]: tuple(each) for name, each in thresholds.items()}
        self.special = 4 * len(pool)
        self.names = _names(self.fields)
        self.fragments = {text: raw_fragment(text) for text in searched}
        self.keywords = _keywords(self.fragments.values())
        self.automata = self._automata(arrays, of_string, kernels)
        self.predicates = self.special + FIRST_NUMBER
        self.predicates += sum(2 * len(each) + 1 for each in self.thresholds.values())
        first, second = free
        ends_of_lists, rules, self.gated = self._opened(arrays, of_string)
        self.gates = Gates(
            first_free=first,
            second_free=second,
            free=np.flatnonzero(first & second).astype(np.int32),
            start=np.concatenate([[0], ends]).astype(np.int32),
            fields=np.ascontiguousarray(self.rule_fields),
            ends=ends_of_lists,
            rules=rules,
        )
        self.rare = [
            names[strings[i]] for i in arrays["rare_fields"].tolist() if strings[i] in names
        ]
        self.groups = self.names, self.automata, self.gates, self.keywords

    def text_of(self, literal: int) -> str:
        """The text of a literal, by its number."""
        return self._strings[int(self.literals[literal, 1])]

    def _opened(
        self, arrays: Mapping[str, NDArray[Any]], of_string: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """The lists of rules that `Gates` has, as `ends` and `rules`; and a flag for each field that has gates."""
        fields = len(self.fields)
        pairs: list[NDArray[np.int64]] = []  # of list and rule
        # A literal is found by its field and text together; behind all stands what is none.
        keys = np.append(self.literals.astype(np.int64) @ (1 << 32, 1), -1)
        order = np.argsort(keys)
        numeric = could_be_in_numbers(arrays["strings"], arrays["string_ends"])
        for second, name in enumerate(("gate", "second_gate")):
            gates = arrays[f"{name}s"].astype(np.int64)
            field, question, argument = gates.T
            number = of_string[field].astype(np.int64)
            if (number < 0).any():
                raise ValueError("a gate is in a field that its rule does not ask")
            lists = np.full(len(gates), -1, np.int64)
            wanted = field << 32 | argument
            place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
            for i, bit in enumerate((EQUALS, STARTSWITH, ENDSWITH, CONTAINS)):
                there = (question == bit) & (keys[place] == wanted)
                lists[there] = 2 * (4 * place[there] + i) + second
            present = question == PRESENT_GATE
            of_field = 2 * self.predicates + 4 * number
            lists[present] = of_field[present] + second
            for i in np.flatnonzero(question == NUMBER_GATE).tolist():
                lists[i] = 2 * self._equality(int(number[i]), int(argument[i])) + second
            sizes = np.diff(arrays[f"{name}_ends"], prepend=0)
            rules = arrays[f"{name}_rules"].astype(np.int64)
            odd = np.where(
                (question == NUMBER_GATE) | (question > 0) & numeric[argument], of_field + 2, -1
            )
            for each in (lists, odd, of_field + 3):
                listed = np.repeat(each, sizes)
                pairs.append((listed << 32 | rules)[listed >= 0])
        each_once = np.sort(np.concatenate(pairs))
        each_once = each_once[np.diff(each_once, prepend=-1) != 0]
        listed, rules = each_once >> 32, each_once & (1 << 32) - 1
        sizes = np.bincount(listed, minlength=2 * self.predicates + 4 * fields)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return ends.astype(np.int32), rules.astype(np.int32), sizes[2 * self.predicates :][3::4] > 0

    def _equality(self, field: int, text: int) -> int:
        """The predicate of equality with a number, given by its text."""
        predicate = self.special + FIRST_NUMBER
        for which, thresholds in self.thresholds.items():
            if which == field:
                number = number_of_gate(self._strings[text])
                return predicate + 2 * thresholds.index(number) + 1
            predicate += 2 * len(thresholds) + 1
        raise ValueError(f"no rule compares the field {self.fields[field]!r} with a number")

    def _automata(
        self, arrays: Mapping[str, NDArray[Any]], of_string: NDArray[np.int32], kernels: Kernels
    ) -> Automata:
        ends = np.ascontiguousarray(arrays["string_ends"], np.int64)
        text = np.ascontiguousarray(self.literals[:, 1], np.int32)
        size = np.diff(ends, prepend=0)[text].astype(np.int32)
        asked = np.ascontiguousarray(arrays["literal_asked"], np.uint8)
        count = len(self.fields)
        first = np.zeros(count, np.int32)
        last = np.zeros(count, np.int32)
        field = of_string[self.literals[:, 0]]
        cuts = np.flatnonzero(np.diff(field, prepend=-1, append=-1)).tolist()
        empty = np.full(count, -1, np.int32)
        longest = np.zeros(count, np.int32)
        bytes_of = np.zeros(count, np.int64)
        for a, b in itertools.pairwise(cuts):
            number = field[a]
            first[number], last[number] = a, b
            bytes_of[number] = size[a:b].sum()
            longest[number] = size[a:b].max()
            # Literals are sorted, so the empty one is the first.
            if size[a] == 0 and asked[a] & EQUALS:
                empty[number] = 4 * a
        states = int(bytes_of.sum()) + count + 1
        number = np.full(count, -1, np.int32)
        begin, end = np.zeros(count, np.int32), np.zeros(count, np.int32)
        doubled: list[int] = []
        predicate = self.special + FIRST_NUMBER
        for which, thresholds in self.thresholds.items():
            number[which] = predicate
            begin[which] = len(doubled)
            doubled += map(_doubled, thresholds)
            end[which] = len(doubled)
            predicate += 2 * len(thresholds) + 1
        fold = np.arange(_FOLDED, dtype=np.uint32)
        fold[arrays["fold"][:, 0]] = arrays["fold"][:, 1]
        automata = Automata(
            root=np.zeros(count, np.int32),
            columns=np.zeros(count * 256, np.uint8),
            width=np.zeros(count, np.int32),
            longest=longest,
            empty=empty,
            number=number,
            first=begin,
            last=end,
            thresholds=np.array(doubled, np.int64),
            child=np.empty(states, np.int32),
            sibling=np.empty(states, np.int32),
            label=np.empty(states, np.uint8),
            fail=np.empty(states, np.int32),
            literal=np.empty(states, np.int32),
            suffix=np.empty(states, np.int32),
            stops=np.empty(states, np.uint8),
            asked=asked,
            size=size,
            fold=fold,
        )
        kernels.build(
            automata,
            Literals(
                strings=np.ascontiguousarray(arrays["strings"]),
                end=ends,
                text=text,
                first=first,
                last=last,
                queue=np.empty(int(bytes_of.max(initial=0)) + 1, np.int32),
            ),
        )
        return automata


def _doubled(number: Number) -> int:
    """Twice a threshold; one between two whole numbers lies at the odd number between their doubles."""
    number = max(-(2**61), min(2**61, number))
    whole = int(number // 1)
    return 2 * whole + (number != whole)


_ASCII = re.compile(r"[\0-\x7f]+")


def raw_fragment(text: str) -> bytes:
    """The longest part of a literal that a record's bytes hold wherever a value does, letter case aside.

    So it is written with JSON's short escapes; a record that has any other is searched value by value.
    """
    parts = (orjson.dumps(part)[1:-1] for part in _ASCII.findall(text))
    return max((part for part in parts if b"\\u" not in part), key=len, default=b"")


def _keywords(fragments: Iterable[bytes]) -> Keywords:
    """The table of the raw search; `kernels/raw_search.py` says what is in it."""
    each = sorted(set(fragments))
    length = np.array([len(fragment) for fragment in each], np.int64)
    start = np.cumsum(length) - length
    text = np.frombuffer(b"".join(each) + bytes(PADDING), np.uint8)
    # An entry for each place in each literal that a whole gram follows
    literal = np.repeat(np.arange(len(each)), np.maximum(length - GRAM + 1, 0))
    offset = np.arange(len(literal)) - np.searchsorted(literal, literal)
    place = start[literal] + offset
    hashes = hashes_of_grams(text)[place].astype(np.int64)
    order = np.argsort(hashes, kind="stable")
    again = np.diff(hashes[order], prepend=-1) == 0
    next_ = np.full(len(order), -1, np.int32)
    next_[order[again]] = order[np.flatnonzero(again) - 1]
    slots = np.full(1 << HASH_BITS, -1, np.int32)
    slots[hashes[order]] = order  # of several the last
    return Keywords(
        slots=slots,
        gram=grams_of(text)[place],
        offset=offset.astype(np.int32),
        start=start[literal].astype(np.int32),
        length=length[literal].astype(np.int32),
        next=next_,
        text=text,
    )


def _names(fields: Sequence[str]) -> Names:
    """The trie of field names: each whole name is a key of the event, each dotted one a path too."""
    entries: dict[tuple[int, str], list[int]] = {}
    nodes = 1
    for number, name in enumerate(fields):
        if name == KEYWORDS:
            continue
        entries.setdefault((0, name), [-1, -1])[0] = number
        if "." in name:
            node = 0
            *path, last = name.split(".")
            for part in path:
                entry = entries.setdefault((node, part), [-1, -1])
                if entry[1] < 0:
                    entry[1] = nodes
                    nodes += 1
                node = entry[1]
            entries.setdefault((node, last), [-1, -1])[0] = number
    keys = [name.encode("utf-8", "surrogatepass") for _, name in entries]
    starts = np.cumsum([0, *map(len, keys)])[:-1] if keys else np.zeros(0)
    size = 16
    while size < 2 * len(entries):
        size *= 2
    slots = np.full(size, -1, np.int32)
    hashes = [hash_name(key) for key in keys]
    for i, ((node, _), h) in enumerate(zip(entries, hashes, strict=True)):
        slot = (h + node) & (size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = i
    values = list(entries.values())
    return Names(
        slots=slots,
        hash=np.array(hashes, np.uint64),
        node=np.array([node for node, _ in entries], np.int32),
        start=starts.astype(np.int32),
        length=np.array([len(key) for key in keys], np.int32),
        field=np.array([field for field, _ in values], np.int32),
        child=np.array([child for _, child in values], np.int32),
        text=np.frombuffer(b"".join(keys) + bytes(PADDING), np.uint8),
    )
