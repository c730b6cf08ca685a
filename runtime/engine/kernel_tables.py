"""What the rules of a pack ask, as the kernels read it: literals, gates, factors, automata. All threads share it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.distinct import are_among, distinct
from sigmac.runtime.engine import programs
from sigmac.runtime.engine.factors import raw_factors
from sigmac.runtime.engine.layout import (
    FIRST_NUMBER,
    KEYWORDS_FIELD,
    Automata,
    Building,
    Bytes,
    Factors,
    Gates,
    Ints,
    Literals,
)
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.engine.name_trie import name_trie
from sigmac.runtime.engine.program_tables import program_tables
from sigmac.runtime.engine.searches import GRAMS, LEAST, WINDOWS
from sigmac.runtime.scalar.fields import CONTAINS, ENDSWITH, EQUALS, STARTSWITH
from sigmac.runtime.scalar.keywords import KEYWORDS
from sigmac.runtime.scalar.number_texts import could_be_in_numbers
from sigmac.runtime.scalar.scalars import PARTS, Number
from sigmac.runtime.scalar.vocabulary import NUMBER_GATE, PRESENT_GATE, Strings, number_of_gate

PADDING = 128
_FOLDED = 0x20000  # code points whose case is looked up


class Tables:
    """What the rules of a pack ask, in arrays.

    `fields` are names by number, KEYWORDS first; `rule_fields` tells for each rule which fields its function asks.
    `free` is a byte for each rule that has no first gate, and no second, or one that no event closes. Predicates are
    four of each literal, those of `layout.py` that tell what a value is, places among thresholds, networks, factors
    that may be there, and two of each of the `questions` that only Python answers: that it is answered, and with yes.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        strings: Strings,
        logsource_fields: Sequence[str],
        thresholds: Mapping[str, Sequence[Number]],
        free: tuple[Bytes, Bytes],
        kernels: Kernels,
    ):
        pool = arrays["literals"][:, 0]
        asked = distinct(
            np.concatenate(
                [
                    pool,
                    arrays["rule_fields"],
                    arrays["program_fields"],
                    arrays["comparisons"][:, 0],
                    arrays["pairs"][:, :2].reshape(-1),
                    arrays["networks"][:, 0],
                    arrays["value_questions"][:, 0],
                ]
            )
        ).tolist()
        names = {KEYWORDS: KEYWORDS_FIELD}
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
        self.first_network = self.special + FIRST_NUMBER
        self.first_network += sum(2 * len(each) + 1 for each in self.thresholds.values())
        self.first_factor = self.first_network + len(arrays["networks"])
        self.logsources = len(arrays["logsources"])
        self.names = name_trie(self.fields, PADDING)
        self.in_number = could_be_in_numbers(arrays["strings"], arrays["string_ends"])
        self.factors = self._factors(arrays, of_string)
        self.first_value = self.first_factor + len(self.factors.start)
        # The networks of a field stand together.
        order = np.argsort(of_string[arrays["networks"][:, 0]], kind="stable")
        self.questions = [
            *_questions(arrays["value_questions"], strings),
            *(
                Question(strings[f], "cidr", (strings[n],))
                for f, n in arrays["networks"][order].tolist()
            ),
        ]
        self.predicates = self.first_value + 2 * len(self.questions)
        value_field = [names[each.field] for each in self.questions]
        self.programs = program_tables(
            arrays,
            strings,
            len(names),
            of_string,
            order,
            value_field,
            self.thresholds,
            self.in_number,
        )
        self.automata = self._automata(arrays, of_string, kernels)
        # Pairs of a rule and a factor of a keyword that opens a gate of it
        self._keyword_rules, self._keyword_factors, open_ = self._keyword_gates(arrays, of_string)
        first, second = (each.copy() for each in free)
        first[open_[0]] = second[open_[1]] = 1
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

    def text_of(self, literal: int) -> str:
        """The text of a literal, by its number."""
        return self._strings[int(self.literals[literal, 1])]

    def _keyword_gates(
        self, arrays: Mapping[str, NDArray[Any]], of_string: Ints
    ) -> tuple[Ints, Ints, list[Ints]]:
        """Rules with the factors that open their gates, a pair each; the rules whose first or second gate stays open.

        Keywords are searched for the sake of rules that they alone gate. Where another field does, that field is
        enough: its gate is hardly ever open.
        """
        factor_of = {
            int(text): int(self.factors.of[i])
            for i, (field, text) in enumerate(self.literals.tolist())
            if of_string[field] == KEYWORDS_FIELD
        }
        keywords: list[
            dict[int, set[int]]
        ] = []  # rule → factors, -1 where something else opens its gate
        others: list[set[int]] = []
        for name in ("gate", "second_gate"):
            gates, ends = arrays[f"{name}s"], [0, *arrays[f"{name}_ends"].tolist()]
            rules = arrays[f"{name}_rules"]
            is_keyword = of_string[gates[:, 0]] == KEYWORDS_FIELD
            factors: dict[int, set[int]] = {}
            for i in np.flatnonzero(is_keyword).tolist():
                _, question, text = gates[i].tolist()
                is_text = question not in (PRESENT_GATE, NUMBER_GATE)
                factor = factor_of.get(text, -1) if is_text else -1
                for rule in rules[ends[i] : ends[i + 1]].tolist():
                    factors.setdefault(rule, set()).add(factor)
            keywords.append(factors)
            others.append(set(rules[np.repeat(~is_keyword, np.diff(ends))].tolist()))
        pairs: set[tuple[int, int]] = set()
        open_: list[Ints] = []
        for factors, elsewhere in zip(keywords, reversed(others), strict=True):
            always = [rule for rule, found in factors.items() if -1 in found or rule in elsewhere]
            open_.append(np.array(always, np.int32))
            pairs.update(
                (rule, factor) for rule in factors.keys() - set(always) for factor in factors[rule]
            )
        both = np.array(sorted(pairs), np.int32).reshape(-1, 2)
        return both[:, 0].copy(), both[:, 1].copy(), open_

    def keyword_factors(self, chosen: Bytes) -> list[int]:
        """The factors of keywords that open gates of some rules, given as a byte for each rule."""
        concerned = chosen[self._keyword_rules] != 0
        found: list[int] = distinct(self._keyword_factors[concerned]).tolist()
        return found

    def _opened(
        self, arrays: Mapping[str, NDArray[Any]], of_string: Ints
    ) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """The lists of rules that `Gates` has, as `ends` and `rules`; and a flag for each field that has gates."""
        fields = len(self.fields)
        pairs: list[NDArray[np.int64]] = []  # of list and rule
        by_field: dict[int, set[int]] = {}
        unsearched = set[int]()
        # A literal is found by its field and text together; behind all stands what is none.
        keys = np.append(self.literals.astype(np.int64) @ (1 << 32, 1), -1)
        order = np.argsort(keys)
        numeric = self.in_number
        for second, name in enumerate(("gate", "second_gate")):
            gates = arrays[f"{name}s"].astype(np.int64)
            field, question, argument = gates.T
            number = of_string[field].astype(np.int64)
            if (number < 0).any():
                raise ValueError("a gate is in a field that its rule does not ask")
            lists = np.full(len(gates), -1, np.int64)
            wanted = field << 32 | argument
            place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
            of_text = keys[place] == wanted
            for i, bit in enumerate((EQUALS, STARTSWITH, ENDSWITH, CONTAINS)):
                there = (question == bit) & of_text
                lists[there] = 2 * (4 * place[there] + i) + second
            of_text &= (question != PRESENT_GATE) & (question != NUMBER_GATE)
            # Of keywords it is only known whether they are contained, of what is searched whether they may be there.
            keyword = (number == KEYWORDS_FIELD) & of_text
            lists[keyword] = 2 * (4 * place[keyword] + 3) + second
            factor = np.append(self.factors.of, -1)[place].astype(np.int64)
            maybe = np.where(of_text & (factor >= 0), 2 * (self.first_factor + factor) + second, -1)
            unsearched.update(number[(question != PRESENT_GATE) & (maybe < 0)].tolist())
            for field, found in zip(
                number[maybe >= 0].tolist(), factor[maybe >= 0].tolist(), strict=True
            ):
                by_field.setdefault(field, set()).add(found)
            present = question == PRESENT_GATE
            of_field = 2 * self.predicates + 4 * number
            lists[present] = of_field[present] + second
            for i in np.flatnonzero((question == NUMBER_GATE) & (number > 0)).tolist():
                lists[i] = 2 * self._equality(int(number[i]), int(argument[i])) + second
            sizes = np.diff(arrays[f"{name}_ends"], prepend=0)
            rules = arrays[f"{name}_rules"].astype(np.int64)
            odd = np.where(
                (question == NUMBER_GATE) | (question > 0) & numeric[argument], of_field + 2, -1
            )
            for each in (lists, maybe, odd, of_field + 3):
                listed = np.repeat(each, sizes)
                pairs.append((listed << 32 | rules)[listed >= 0])
        self._field_factors = {
            field: sorted(found) for field, found in by_field.items() if field not in unsearched
        }
        each_once = np.sort(np.concatenate(pairs))
        each_once = each_once[np.diff(each_once, prepend=-1) != 0]
        listed, rules = each_once >> 32, each_once & (1 << 32) - 1
        sizes = np.bincount(listed, minlength=2 * self.predicates + 4 * fields)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return ends.astype(np.int32), rules.astype(np.int32), sizes[2 * self.predicates :][3::4] > 0

    def _factors(self, arrays: Mapping[str, NDArray[Any]], of_string: Ints) -> Factors:
        """What is searched in raw bytes: of the literals of keywords, and of those that open gates."""
        keyword = of_string[self.literals[:, 0]] == KEYWORDS_FIELD
        gates = np.concatenate([arrays["gates"], arrays["second_gates"]]).astype(np.int64)
        gates = gates[(gates[:, 1] != PRESENT_GATE) & (gates[:, 1] != NUMBER_GATE)]
        keys = self.literals.astype(np.int64) @ (1 << 32, 1)
        gating = are_among(keys, gates[:, 0] << 32 | gates[:, 2])
        chosen = np.flatnonzero(keyword | gating)
        text, start, length, whole = raw_factors(
            arrays["strings"], arrays["string_ends"], self.literals[chosen, 1].astype(np.int64)
        )
        short = keyword[chosen] & (length == LEAST)
        good = (length >= GRAMS[0]) | (short & (np.cumsum(short) <= WINDOWS))
        count = int(good.sum())
        of_literal = np.full(len(self.literals), -1, np.int32)
        of_literal[chosen[good]] = np.arange(count)
        contained = 4 * chosen[good] + 3
        may_be = self.first_factor + np.arange(count)
        return Factors(
            of=of_literal,
            start=start[good].astype(np.int32),
            length=length[good].astype(np.int32),
            predicate=np.where((keyword[chosen] & whole)[good], contained, may_be).astype(np.int32),
            text=np.concatenate([text, np.zeros(PADDING, np.uint8)]),
        )

    def field_factors(self, field: int) -> list[int] | None:
        """The factors that open gates in a field; None where something else opens some."""
        return self._field_factors.get(field)

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
        self, arrays: Mapping[str, NDArray[Any]], of_string: Ints, kernels: Kernels
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
            if number == KEYWORDS_FIELD:
                continue  # found by other means
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
            start=np.full(count * 256, -1, np.int32),
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
        literals = Literals(
            strings=np.ascontiguousarray(arrays["strings"]),
            end=ends,
            text=text,
            first=first,
            last=last,
            queue=np.empty(int(bytes_of.max(initial=0)) + 1, np.int32),
        )
        kernels.build(Building(automata, literals))
        return automata


def _doubled(number: Number) -> int:
    """Twice a threshold; one between two whole numbers lies at the odd number between their doubles."""
    number = max(-(2**61), min(2**61, number))
    whole = int(number // 1)
    return 2 * whole + (number != whole)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one value of a field: a method of `Event` with its arguments."""

    field: str
    method: str
    arguments: tuple[str | Number, ...]


def _questions(rows: Ints, strings: Strings) -> list[Question]:
    """Questions from rows of field, place among VALUE_QUESTIONS, argument."""
    found = []
    for field, which, argument in rows.tolist():
        method, text = programs.VALUE_QUESTIONS[which], strings[argument]
        arguments: tuple[str | Number, ...] = (text,)
        if method == "time":
            part, comparison, number = text.split(" ")
            if part not in PARTS or comparison not in programs.COMPARISONS:
                raise ValueError(f"{text!r} is no question of a time")
            arguments = part, comparison, number_of_gate(number)
        found.append(Question(strings[field], method, arguments))
    return found
