"""A pack's tables as the kernels read them: names, literals and automata. Made once a pack, shared by all threads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sigmac.runtime.engine.hash_names import hash_name
from sigmac.runtime.engine.layout import (
    FIRST_NUMBER,
    Automata,
    Bytes,
    Gates,
    Keywords,
    Literals,
    Names,
)
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.keywords import KEYWORDS
from sigmac.runtime.scalars import Number

PADDING = 128
_EQUALS = 1
_FOLDED = 0x20000  # code points whose case is looked up


class Tables:
    """What the rules of a pack ask, in arrays.

    `fields` are names by number, KEYWORDS first; `rule_fields` tells for each rule which fields its function asks.
    `gated` are the fields that have gates, `free` a byte for each rule that has no first gate, and no second;
    `searched` are the literals that open gates of keywords, `fragments` what of each stands in a record's bytes.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        strings: Sequence[str],
        logsource_fields: Sequence[str],
        thresholds: Mapping[str, Sequence[Number]],
        searched: Iterable[str],
        gated: Collection[str],
        free: tuple[Bytes, Bytes],
        kernels: Kernels,
    ):
        pool = arrays["literals"][:, 0]
        asked = np.unique(np.concatenate([pool, arrays["rule_fields"]])).tolist()
        names = {KEYWORDS: 0}
        for name in (*(strings[i] for i in asked), *logsource_fields, *sorted(thresholds)):
            names.setdefault(name, len(names))
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
        self.keywords = _keywords([each for each in self.fragments.values() if len(each) >= LEAST])
        self.automata = self._automata(arrays, of_string, kernels)
        first, second = free
        self.gates = Gates(
            first_free=first,
            second_free=second,
            free=np.flatnonzero(first & second).astype(np.int32),
            start=np.concatenate([[0], ends]).astype(np.int32),
            fields=np.ascontiguousarray(self.rule_fields),
        )
        self.rare = [
            names[strings[i]] for i in arrays["rare_fields"].tolist() if strings[i] in names
        ]
        self.gated = np.array([name in gated for name in self.fields])
        self.groups = self.names, self.automata, self.gates, self.keywords
        self.predicates = self.special + FIRST_NUMBER
        self.predicates += sum(2 * len(each) + 1 for each in self.thresholds.values())

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
            if size[a] == 0 and asked[a] & _EQUALS:
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
LEAST = 8  # bytes of a literal that the raw search can find: a gram and the stride less one
_MULTIPLIER = 0x9E3779B97F4A7C15


def raw_fragment(text: str) -> bytes:
    """The longest part of a literal that a record's bytes hold wherever a value does, letter case aside.

    So it is written with JSON's short escapes; a record that has any other is searched value by value.
    """
    parts = (orjson.dumps(part)[1:-1] for part in _ASCII.findall(text))
    return max((part for part in parts if b"\\u" not in part), key=len, default=b"")


def _keywords(fragments: Iterable[bytes]) -> Keywords:
    """The table of the raw search; `kernels/raw_search.py` says what is in it."""
    bitmap = np.zeros(1024, np.uint64)
    slots = np.full(1 << 16, -1, np.int32)
    entries: list[tuple[int, int, int, int, int]] = []
    text = bytearray()
    for fragment in sorted(set(fragments)):
        for offset in range(LEAST - 3):
            gram = int.from_bytes(fragment[offset : offset + 4], "little") | 0x20202020
            h = (gram * _MULTIPLIER & 2**64 - 1) >> 48
            bitmap[h >> 6] |= np.uint64(1 << (h & 63))
            entries.append((gram, offset, len(text), len(fragment), int(slots[h])))
            slots[h] = len(entries) - 1
        text += fragment
    columns = np.array(entries, np.int64).reshape(-1, 5).T
    return Keywords(
        bitmap=bitmap,
        slots=slots,
        gram=columns[0].astype(np.uint64),
        offset=columns[1].astype(np.int32),
        start=columns[2].astype(np.int32),
        length=columns[3].astype(np.int32),
        next=columns[4].astype(np.int32),
        text=np.frombuffer(bytes(text) + bytes(PADDING), np.uint8),
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
