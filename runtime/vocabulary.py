"""Everything a pack's rules ask, field by field, made from the pack's tables and its `matchers` module.

Built at load without compiling anything: automata, regular expressions and numeric functions are made when an
event first needs them. Shared by all threads; whatever is made twice in a race is the same.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.errors import PackError
from sigmac.runtime.fields import Budget, Facts, FieldIndex
from sigmac.runtime.folding import folder, from_array
from sigmac.runtime.globs import Plan, compile_regex, plan
from sigmac.runtime.keywords import KEYWORDS, KeywordGates
from sigmac.runtime.scalars import Number

Arrays = Mapping[str, NDArray[Any]]
MAX_TABLES = 1 << 30  # bytes
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
        strings = self.strings = _strings(arrays)
        self.fold = folder(from_array(arrays["fold"]))
        self.budget = budget
        self.absent = Facts((), present=False)  # of every field that is not there
        self._matchers = matchers
        self._plans: dict[str, Plan] = {}
        self._regexes: dict[str, Any] = {}
        self._required = _required(arrays, strings)
        self._numeric = {strings[i] for i in arrays["numeric_fields"].tolist()}
        self._literals = _literals(arrays, strings)
        self._gates = _gates(arrays, strings, "gate")
        self._second_gates = _gates(arrays, strings, "second_gate")
        self._fields: dict[str, FieldIndex] = {}
        # field → bits of the rules that have a gate in it
        self.gated_rules = {
            field: _rules_of(self._gates.get(field, {}))
            | _rules_of(self._second_gates.get(field, {}))
            for field in (*self._gates, *self._second_gates)
        }

    def index(self, field: str) -> FieldIndex:
        """All that rules ask of a field; `""` is the pseudo-field of keywords."""
        found = self._fields.get(field)
        if found is None:
            gates = self._gates.get(field, {}), self._second_gates.get(field, {})
            literals = self._literals.get(field, ())
            made = FieldIndex(field, literals, gates, self.fold, self.budget)
            if field in self._numeric:
                made.compare_with(*self._matchers("NUMBERS")[field])
            found = self._fields.setdefault(field, made)
        return found

    def fields(self) -> list[str]:
        """The fields that rules compare with texts or numbers, or have gates in."""
        return sorted({*self._literals, *self._numeric, *self.gated_rules})

    def thresholds(self) -> dict[str, tuple[Number, ...]]:
        """The sorted numbers that each field is compared with."""
        if not self._numeric:
            return {}
        numbers = self._matchers("NUMBERS")
        return {field: numbers[field][0] for field in sorted(self._numeric)}

    def keyword_gates(self, rules: int) -> KeywordGates:
        """The gates of the keyword items of some rules, given as bits."""
        gates = self._gates.get(KEYWORDS, {}), self._second_gates.get(KEYWORDS, {})
        return KeywordGates(gates, rules, self.fold)

    def keyword_literals(self, rules: int) -> set[str]:
        """The literals that open gates of keyword items of some rules, given as bits; "" where another gate does."""
        gates = self._gates.get(KEYWORDS, {}), self._second_gates.get(KEYWORDS, {})
        return {
            key[1] if isinstance(key, tuple) else ""
            for table in gates
            for key, gated in table.items()
            if any(rules >> rule & 1 for rule in gated)
        }

    def plan(self, glob: str) -> Plan:
        """How a `like` pattern is answered."""
        found = self._plans.get(glob)
        if found is None:
            found = self._plans[glob] = plan(glob)
        return found

    def regex(self, pattern: str) -> Any:
        """The compiled RE2 object of a pattern of the pack."""
        found = self._regexes.get(pattern)
        if found is None:
            found = self._regexes[pattern] = compile_regex(pattern)
        return found

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
        for field in {*self._literals, *self._numeric, *self.gated_rules}:
            self.index(field).facts_of("")
        for _, pattern in self._required:
            self.regex(pattern)

    def time_holds(
        self, field: str, part: str, comparison: str, number: Number, value: int
    ) -> bool:
        """Whether a part of a timestamp compares so with a rule's number."""
        thresholds, position = self._matchers("TIMES")[field, part]
        return _COMPARISONS[comparison](position(value), thresholds.index(number))


def _strings(arrays: Arrays) -> list[str]:
    """The pool of strings: `strings` (UTF-8 bytes, uint8) cut at `string_ends` (int64)."""
    data = arrays["strings"].tobytes()
    ends = arrays["string_ends"].tolist()
    return [data[a:b].decode("utf-8") for a, b in zip([0, *ends], ends, strict=False)]


def _literals(arrays: Arrays, strings: list[str]) -> dict[str, list[tuple[str, int]]]:
    """`literals` (int32, n x 2): field and text as string numbers; `literal_asked` (uint8, n)."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (field, text), asked in zip(
        arrays["literals"].tolist(), arrays["literal_asked"].tolist(), strict=True
    ):
        found[strings[field]].append((strings[text], asked))
    return found


def _gates(arrays: Arrays, strings: list[str], name: str) -> dict[str, dict[Any, list[int]]]:
    """`<name>s` (int32, n x 3): field, question, argument; `<name>_rules` (int32) cut at `<name>_ends` (int64).

    A question is a bit of `fields` with a text, 16 with a number's decimal text, or 0: the field is present.
    """
    found: dict[str, dict[Any, list[int]]] = defaultdict(dict)
    rules = arrays[f"{name}_rules"].tolist()
    ends = arrays[f"{name}_ends"].tolist()
    for (field, question, argument), a, b in zip(
        arrays[f"{name}s"].tolist(), [0, *ends], ends, strict=False
    ):
        found[strings[field]][_gate_key(question, strings[argument])] = rules[a:b]
    return found


def _rules_of(gates: Mapping[Any, list[int]]) -> int:
    bits = 0
    for rule in {rule for rules in gates.values() for rule in rules}:
        bits |= 1 << rule
    return bits


NUMBER_GATE, PRESENT_GATE = 16, 0


def _gate_key(question: int, text: str) -> Any:
    if question == PRESENT_GATE:
        return None
    if question == NUMBER_GATE:
        return float(text) if set(text) & set(".e") else int(text)
    return question, text


def _required(arrays: Arrays, strings: list[str]) -> dict[tuple[str, str], list[tuple[str, ...]]]:
    """`regexes` (int32, n x 2): field and pattern; `regex_literals` (int32) cut at `regex_ends` (int64)."""
    found: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
    literals = arrays["regex_literals"].tolist()
    ends = arrays["regex_ends"].tolist()
    for (field, pattern), a, b in zip(arrays["regexes"].tolist(), [0, *ends], ends, strict=False):
        found[strings[field], strings[pattern]].append(tuple(strings[i] for i in literals[a:b]))
    return found


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a `tables.npz`, read-only.

    Raises `PackError` where it is none, holds objects (pickles), or unpacks to more than `MAX_TABLES` bytes.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # zipfile never unpacks more of an entry than it says here.
            if sum(entry.file_size for entry in entries) > MAX_TABLES:
                raise PackError(f"tables.npz unpacks to more than {MAX_TABLES >> 20} MiB")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                arrays[name] = _array(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError) as error:
        raise PackError(f"tables.npz is damaged: {error}; build the pack again") from None
    return arrays


def _array(data: bytes) -> NDArray[Any]:
    """The array of a `.npy`, over its bytes. Raises `ValueError`."""
    file = io.BytesIO(data)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "iuf":
        raise ValueError(f"an array of {dtype}")
    array = np.frombuffer(data, dtype, math.prod(shape), file.tell())
    return array.reshape(shape)
