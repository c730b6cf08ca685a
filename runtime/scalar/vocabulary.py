"""Everything a pack's rules ask, field by field, made from the pack's tables and its `matchers` module.

Nearly nothing is built at load: the tables stay arrays, texts stay bytes, and what concerns a field is made when an
event first has it. Shared by all threads; whatever is made twice in a race is the same.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import re2
from numpy.typing import NDArray

from sigmac.runtime.errors import PackError
from sigmac.runtime.scalar.fields import Budget, Facts, FieldIndex, mask_of
from sigmac.runtime.scalar.folding import folder, from_array
from sigmac.runtime.scalar.globs import Plan, compile_regex, plan
from sigmac.runtime.scalar.keywords import KEYWORDS, KeywordGates
from sigmac.runtime.scalar.scalars import Number

Arrays = Mapping[str, NDArray[Any]]
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda position, rank: position == 2 * rank + 1,
    "lt": lambda position, rank: position <= 2 * rank,
    "lte": lambda position, rank: position <= 2 * rank + 1,
    "gt": lambda position, rank: position >= 2 * rank + 2,
    "gte": lambda position, rank: position >= 2 * rank + 1,
}


class Vocabulary:
    """The questions of one pack.

    `arrays` are the pack's tables (see `docs/pack.md`), `matchers` gives the names of the generated `matchers` module,
    `budget` bounds what all fields remember.
    """

    def __init__(self, arrays: Arrays, matchers: Callable[[str], Any], budget: Budget):
        self.strings = Strings(arrays)
        self.fold = folder(from_array(arrays["fold"]))
        self.budget = budget
        self.absent = Facts((), present=False)  # of every field that is not there
        self._matchers = matchers
        self._plans: dict[str, Plan] = {}
        self._regexes: dict[str, Any] = {}
        self._arrays = arrays
        self.numeric = {self.strings[i] for i in arrays["numeric_fields"].tolist()}
        self._literals = _rows_by_field(arrays["literals"], self.strings)
        self._gates = [_GateTable(arrays, name, self.strings) for name in ("gate", "second_gate")]
        self._fields: dict[str, FieldIndex] = {}

    def index(self, field: str) -> FieldIndex:
        """All that rules ask of a field; `""` is the pseudo-field of keywords."""
        found = self._fields.get(field)
        if found is None:
            made = FieldIndex(
                field, self._literals_of(field), self._gates_of(field), self.fold, self.budget
            )
            if field in self.numeric:
                made.compare_with(*self._matcher("NUMBERS", field))
            found = self._fields.setdefault(field, made)
        return found

    def _literals_of(self, field: str) -> list[tuple[str, int]]:
        rows = self._literals.get(field, slice(0))
        texts = self.strings.take(self._arrays["literals"][rows, 1])
        return [*zip(texts, self._arrays["literal_asked"][rows].tolist(), strict=True)]

    def _gates_of(self, field: str) -> tuple[dict[Any, list[int]], dict[Any, list[int]]]:
        first, second = self._gates
        return first.of(field), second.of(field)

    @cached_property
    def gated_rules(self) -> dict[str, int]:
        """Field → bits of the rules that have a gate in it."""
        first, second = (table.rules() for table in self._gates)
        return {field: first.get(field, 0) | second.get(field, 0) for field in {**first, **second}}

    def fields(self) -> list[str]:
        """The fields that rules compare with texts or numbers, or have gates in."""
        return sorted({*self._literals, *self.numeric, *self.gated_rules})

    def examples(self) -> Iterator[tuple[str, str]]:
        """Every field with each text that some rule compares it with."""
        fields, texts = map(self.strings.take, self._arrays["literals"].T)
        yield from zip(fields, texts, strict=True)

    def thresholds(self) -> dict[str, tuple[Number, ...]]:
        """The sorted numbers that each field is compared with."""
        if not self.numeric:
            return {}
        return {field: self._matcher("NUMBERS", field)[0] for field in sorted(self.numeric)}

    def _matcher(self, table: str, key: Any) -> Any:
        """What the `matchers` module has in a table; `PackError` where that is nothing."""
        try:
            return self._matchers(table)[key]
        except LookupError:
            raise PackError(
                f"{table} of matchers.py has no {key!r}; build the pack again"
            ) from None

    def keyword_gates(self, rules: int) -> KeywordGates:
        """The gates of the keyword items of some rules, given as bits."""
        return KeywordGates(self._gates_of(KEYWORDS), rules, self.fold)

    def plan(self, glob: str) -> Plan:
        """How a `like` pattern is answered."""
        found = self._plans.get(glob)
        if found is None:
            found = self._plans[glob] = plan(glob)
        return found

    def regex(self, pattern: str) -> Any:
        """What searches for a pattern of the pack: an RE2 object, or what answers as one."""
        found = self._regexes.get(pattern)
        if found is None:
            long = _LONG_LINE.fullmatch(pattern)
            try:
                found = LongLine(int(long[1])) if long else compile_regex(pattern)
            except re2.error:
                raise PackError(f"{pattern!r} is no pattern; build the pack again") from None
            self._regexes[pattern] = found
        return found

    @cached_property
    def _required(self) -> dict[tuple[str, str], list[tuple[str, ...]]]:
        return _required(self._arrays, self.strings)

    def required_by(self, field: str, pattern: str) -> Sequence[tuple[str, ...]]:
        """Sets of folded literals; a value must contain one of each for the pattern to be found."""
        return self._required.get((field, pattern), ())

    def networks_v4(self, field: str, address: int) -> frozenset[str]:
        """The rules' IPv4 networks that hold an address."""
        entry = self._matchers("NETWORKS_V4").get(field)
        return entry[0][entry[1](address)] if entry else frozenset()

    def networks_v6(self, field: str, address: int) -> frozenset[str]:
        """The rules' IPv6 networks that hold an address."""
        entry = self._matchers("NETWORKS_V6").get(field)
        return entry[0][entry[1](address >> 64, address & (2**64 - 1))] if entry else frozenset()

    def warm(self) -> None:
        """Make every index with its automaton and every pattern that a gate or a required literal tells of."""
        for field in self.fields():
            self.index(field).facts_of("")
        for _, pattern in self._required:
            self.regex(pattern)

    def time_holds(
        self, field: str, part: str, comparison: str, number: Number, value: int
    ) -> bool:
        """Whether a part of a timestamp compares so with a rule's number."""
        thresholds, position = self._matcher("TIMES", (field, part))
        if number not in thresholds:
            raise PackError(f"no time of {field!r} is compared with {number}; build the pack again")
        return _COMPARISONS[comparison](position(value), thresholds.index(number))


_LONG_LINE = re.compile(r"\.\{(\d{1,4}),\}", re.ASCII)


class LongLine:
    """The pattern `.{n,}`: RE2 keeps n states for it, and takes a hundred milliseconds to make them."""

    def __init__(self, least: int):
        self._least = least

    def search(self, text: str) -> bool | None:
        """Whether some line of a text has so many characters; None where not, as of a pattern."""
        return max(map(len, text.split("\n"))) >= self._least or None


class Strings:
    """The pool of strings: `strings` (UTF-8 bytes, uint8) cut at `string_ends` (int64); each decoded when asked for."""

    def __init__(self, arrays: Arrays):
        self._data = arrays["strings"].tobytes()
        self._ends = np.concatenate([[0], arrays["string_ends"]])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._data[self._ends[number] : self._ends[number + 1]].decode("utf-8")

    def take(self, numbers: NDArray[np.int32]) -> list[str]:
        """Many of them at once: a field of thousands of rules has tens of thousands."""
        data = self._data
        starts, ends = self._ends[numbers].tolist(), self._ends[numbers + 1].tolist()
        return [data[a:b].decode() for a, b in zip(starts, ends, strict=True)]


def _rows_by_field(rows: NDArray[Any], strings: Strings) -> dict[str, slice]:
    """Where the rows of each field are; the first column is the field, by which the rows are sorted."""
    cuts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1, append=-1)).tolist()
    return {strings[int(rows[a, 0])]: slice(a, b) for a, b in itertools.pairwise(cuts)}


class _GateTable:
    """`<name>s` (int32, n x 3): field, question, argument; `<name>_rules` (int32) cut at `<name>_ends` (int64).

    A question is a bit of `fields` with a text, 16 with a number's decimal text, or 0: the field is present.
    """

    def __init__(self, arrays: Arrays, name: str, strings: Strings):
        self._strings = strings
        self._gates = arrays[f"{name}s"]
        self._rules = arrays[f"{name}_rules"]
        self._ends = np.concatenate([[0], arrays[f"{name}_ends"]])
        self._rows = _rows_by_field(self._gates, strings)

    def of(self, field: str) -> dict[Any, list[int]]:
        """The rules of each gate in a field."""
        rows = self._rows.get(field, slice(0))
        ends = self._ends[rows.start or 0 : rows.stop + 1]
        rules = self._rules[ends[0] : ends[-1]].tolist()
        spans = itertools.pairwise((ends - ends[0]).tolist())
        gates = self._gates[rows]
        keys = zip(gates[:, 1].tolist(), self._strings.take(gates[:, 2]), strict=True)
        return {
            key if 0 < key[0] < NUMBER_GATE else _gate_key(*key): rules[a:b]
            for key, (a, b) in zip(keys, spans, strict=True)
        }

    def rules(self) -> dict[str, int]:
        """The rules that have a gate in a field, as bits."""
        return {
            field: mask_of(self._rules[self._ends[rows.start] : self._ends[rows.stop]])
            for field, rows in self._rows.items()
        }


NUMBER_GATE, PRESENT_GATE = 16, 0


def _gate_key(question: int, text: str) -> Any:
    if question == PRESENT_GATE:
        return None
    if question == NUMBER_GATE:
        return number_of_gate(text)
    return question, text


def number_of_gate(text: str) -> Number:
    """The number that a gate says as decimal text. Raises `PackError` where that is none."""
    try:
        return float(text) if set(text) & set(".e") else int(text)
    except ValueError:
        raise PackError(f"{text[:100]!r} is no number; build the pack again") from None


def _required(arrays: Arrays, strings: Strings) -> dict[tuple[str, str], list[tuple[str, ...]]]:
    """`regexes` (int32, n x 2): field and pattern; `regex_literals` (int32) cut at `regex_ends` (int64)."""
    found: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
    literals = arrays["regex_literals"].tolist()
    ends = arrays["regex_ends"].tolist()
    for (field, pattern), a, b in zip(arrays["regexes"].tolist(), [0, *ends], ends, strict=False):
        found[strings[field], strings[pattern]].append(tuple(strings[i] for i in literals[a:b]))
    return found
