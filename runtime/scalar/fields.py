"""What is true of one field's value: the literals it contains, its numbers, and the rules these make candidates.

`FieldIndex` knows everything that any rule asks of a field. `Facts` is its answer for one value; values repeat, so
answers are remembered (the level-1 memo of the engine's design) within a budget of bytes, and all forgotten when it
is used up, as RE2 does with its DFA cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation
from numpy.typing import NDArray

from sigmac.runtime.errors import PackError
from sigmac.runtime.scalar.folding import Fold
from sigmac.runtime.scalar.scalars import Number, number_of, text_of

EQUALS, STARTSWITH, ENDSWITH, CONTAINS = 1, 2, 4, 8
GATED = 4  # bits to the left: the question opens a gate
MAX_REMEMBERED = 1024  # characters: longer values hardly repeat
_OVERHEAD = 800  # bytes an answer takes besides its value, measured with tracemalloc
_NOTHING: frozenset[str] = frozenset()
_EMPTY = frozenset(("",))  # what every text contains, starts with and ends with
_PLAIN = frozenset((int, float, bool))
# Automata up to this size (characters of all literals) are laid out as a DFA: five times as fast, 250 bytes each.
_MAX_DFA = 16_000

# (bit, literal), a number, or None (present at all) → the rules whose gate it opens
Gates = Mapping[Any, Sequence[int]]
Position = Callable[[Any], int]


class Facts:
    """What is true of the values of one field of one event; immutable but for the answers it remembers.

    `equals`, `contains`, `startswith`, `endswith` are the folded literals of rules that hold; `numbers` are the
    rule numbers that are equal, `positions` where the values stand among the field's thresholds; `gates` and `seconds`
    have a bit for each rule whose first or second gate this field opens.
    """

    __slots__ = (
        "confirmed",
        "contains",
        "endswith",
        "equals",
        "gates",
        "null",
        "numbers",
        "positions",
        "present",
        "seconds",
        "startswith",
        "values",
    )

    def __init__(self, values: Sequence[Any], *, present: bool = True):
        self.values = values
        self.present = present
        self.null = not values or None in values
        self.equals = self.contains = self.startswith = self.endswith = _NOTHING
        self.numbers: frozenset[Number] = frozenset()
        self.positions: tuple[int, ...] = ()
        self.gates = 0
        self.seconds = 0
        self.confirmed: dict[Any, bool] = {}


@dataclass(slots=True)
class Budget:
    """Bytes that all memos of a pack may use together; `spend` says when everything is to be forgotten."""

    limit: int
    used: int = 0
    flushes: int = 0
    memos: list[dict[Any, Facts]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, amount: int) -> None:
        with self.lock:
            self.used += amount
            if self.used > self.limit:
                for memo in self.memos:
                    memo.clear()
                self.used = amount
                self.flushes += 1


class _Ranks(dict[Number, int]):
    """The place of each number that rules compare a field with; a rule that asks for another one is of no pack."""

    def __missing__(self, number: Number) -> int:
        raise PackError(
            f"a rule compares with {number}, which its pack does not know; build it again"
        )


def automaton(literals: list[str]) -> AhoCorasick:
    """An Aho-Corasick automaton, in the layout that suits its size."""
    size = sum(map(len, literals))
    layout = Implementation.DFA if size <= _MAX_DFA else Implementation.ContiguousNFA
    return AhoCorasick(literals, implementation=layout)


class FieldIndex:
    """Everything that rules ask of one field.

    `literals` maps folded literals to bits of the questions asked (EQUALS, …); `gates` are the first and the second
    gates of rules; `thresholds` are the sorted numbers compared with and
    `position` gives a number's place among them: 2 i + 1 on the i-th, 2 i before it.
    """

    __slots__ = (
        "_automaton",
        "_budget",
        "_exact",
        "_fold",
        "_literals",
        "_masks",
        "_memo",
        "_scanned",
        "gates",
        "name",
        "position",
        "presence",
        "ranks",
        "thresholds",
    )

    def __init__(
        self,
        name: str,
        literals: Iterable[tuple[str, int]],
        gates: tuple[Gates, Gates],
        fold: Fold,
        budget: Budget,
    ):
        self.name = name
        self.gates = gates
        self.thresholds: tuple[Number, ...] = ()
        self.ranks = _Ranks()
        self.position: Position | None = None
        self._fold = fold
        self._budget = budget
        self._literals = tuple(literals)
        self._exact = frozenset(text for text, asked in self._literals if asked & EQUALS)
        gated = self._gated()
        self._scanned = [
            (text, asked | gated.get(text, 0) << GATED)
            for text, asked in self._literals
            if asked & ~EQUALS and text
        ]
        self._masks: dict[Any, tuple[int, int]] = {}
        self._automaton: AhoCorasick | None = None
        self._memo: dict[Any, Facts] = {}
        budget.memos.append(self._memo)
        first, second = (_bits(each.get(None, ())) for each in gates)
        self.presence = first, second

    def _gated(self) -> dict[str, int]:
        """The bits of the questions about each literal that open gates."""
        found: dict[str, int] = {}
        for gates in self.gates:
            for gate in gates:
                if isinstance(gate, tuple):
                    bit, text = gate
                    found[text] = found.get(text, 0) | bit
        return found

    def compare_with(self, thresholds: tuple[Number, ...], position: Position) -> None:
        """Say which numbers rules compare this field with and how a number's position is found."""
        self.thresholds = thresholds
        self.ranks = _Ranks((number, rank) for rank, number in enumerate(thresholds))
        self.position = position

    def facts_of(self, value: Any) -> Facts:
        """The facts of one scalar, null or object."""
        kind = value.__class__
        key = value if kind is str else (kind, value) if kind in _PLAIN else None
        found = self._memo.get(key)
        if found is not None:
            return found
        facts = self._find((value,))
        if kind is str:
            if len(value) <= MAX_REMEMBERED:
                self._budget.spend(_OVERHEAD + 4 * len(value))
                self._memo[key] = facts
        elif key is not None:
            self._budget.spend(_OVERHEAD)
            self._memo[key] = facts
        return facts

    def facts_of_all(self, values: Sequence[Any]) -> Facts:
        """The facts of a list of values: what is true of any of them (`null` and `present` are of the whole)."""
        if len(values) == 1:
            return self.facts_of(values[0])
        return self.united(tuple(values), [self.facts_of(value) for value in values])

    def united(self, values: Sequence[Any], each: Sequence[Facts]) -> Facts:
        """The facts of a field that has several values, whose own facts are given."""
        union = Facts(values)
        union.equals = _NOTHING.union(*(facts.equals for facts in each))
        union.contains = _NOTHING.union(*(facts.contains for facts in each))
        union.startswith = _NOTHING.union(*(facts.startswith for facts in each))
        union.endswith = _NOTHING.union(*(facts.endswith for facts in each))
        union.numbers = frozenset[Number]().union(*(facts.numbers for facts in each))
        union.positions = tuple(position for facts in each for position in facts.positions)
        for facts in each:
            union.gates |= facts.gates
            union.seconds |= facts.seconds
        union.gates |= self.presence[0]
        union.seconds |= self.presence[1]
        return union

    def _find(self, values: tuple[Any]) -> Facts:
        facts = Facts(values)
        facts.gates, facts.seconds = self.presence
        value = values[0]
        text = text_of(value)
        if text is None:
            return facts
        if self.position is not None:
            number = number_of(value)
            if number is not None:
                position = self.position(number)
                facts.positions = (position,)
                if position & 1:
                    equal = self.thresholds[position >> 1]
                    facts.numbers = frozenset((equal,))
                    self.open(facts, equal)
        if self._literals:
            self._match_text(facts, self._fold(text))
        return facts

    def _match_text(self, facts: Facts, text: str) -> None:
        if text in self._exact:
            facts.equals = frozenset((text,))
            self.open(facts, (EQUALS, text))
        facts.contains = facts.startswith = facts.endswith = _EMPTY
        if self._scanned:
            if self._automaton is None:
                self._build()
            assert self._automaton is not None
            hits = self._automaton.find_matches_as_indexes(text, overlapping=True)
            if hits:
                self._sort_out(facts, hits, len(text))

    def _sort_out(self, facts: Facts, hits: list[tuple[int, int, int]], length: int) -> None:
        """Which questions the places of literals in a text answer."""
        contains, starts, ends = {""}, {""}, {""}
        # A long text has the same few literals at many places.
        for index in {hit[0] for hit in hits}:
            literal, asked = self._scanned[index]
            if asked & CONTAINS:
                contains.add(literal)
                if asked & CONTAINS << GATED:
                    self.open(facts, (CONTAINS, literal))
        for index, start, end in [hit for hit in hits if hit[1] == 0 or hit[2] == length]:
            literal, asked = self._scanned[index]
            if start == 0 and asked & STARTSWITH:
                starts.add(literal)
                if asked & STARTSWITH << GATED:
                    self.open(facts, (STARTSWITH, literal))
            if end == length and asked & ENDSWITH:
                ends.add(literal)
                if asked & ENDSWITH << GATED:
                    self.open(facts, (ENDSWITH, literal))
        facts.contains = frozenset(contains)
        if len(starts) > 1:
            facts.startswith = frozenset(starts)
        if len(ends) > 1:
            facts.endswith = frozenset(ends)

    def _build(self) -> None:
        # A second thread that comes here at the same time builds the same again and changes nothing.
        self._automaton = automaton([text for text, _ in self._scanned])

    def open(self, facts: Facts, gate: Any) -> None:
        """Add the rules that a gate opens."""
        known = self._masks.get(gate)
        if known is None:
            first, second = (_bits(gates.get(gate, ())) for gates in self.gates)
            known = first, second
            if first or second:
                self._masks[gate] = known
        facts.gates |= known[0]
        facts.seconds |= known[1]


def _bits(rules: Iterable[int]) -> int:
    bits = 0
    for rule in rules:
        bits |= 1 << rule
    return bits


def mask_of(rules: NDArray[Any]) -> int:
    """Many rules as bits, given by their numbers."""
    flags = np.zeros(int(rules.max(initial=-1)) + 1, np.uint8)
    flags[rules] = 1
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")
