"""Decision programs as graphs: what can become of a rule where the answers to some of its questions are known.

A program leads forward only, so one pass over its rows tells which of its ends can be reached. Ways are not told apart
by the answers that led there: an end that is not reached cannot be, one that is reached perhaps cannot either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from sigmac.runtime.engine import programs
from sigmac.runtime.scalar.keywords import KEYWORDS
from sigmac.runtime.scalar.vocabulary import Strings, number_of_gate

# Answers that are possible, as bits; and the ends of a program
NO, YES = 1, 2
EITHER = NO | YES
_END = {programs.FALSE: NO, programs.TRUE: YES}
_TEXT_TESTS = ("equals", "startswith", "endswith", "contains")
_COMPARISONS = ("number", "less", "less_equal", "greater", "greater_equal")
_FIELD_TESTS = {programs.TEXTUAL: "textual", programs.EXISTS: "exists", programs.NULL: "null"}


class Question(NamedTuple):
    """What a program asks: a method of `Event` (or `textual`: some value is text) with its arguments.

    `other` is the second field of `same`, else empty.
    """

    field: str
    test: str
    arguments: tuple[Any, ...] = ()
    other: str = ""

    @property
    def if_absent(self) -> int:
        """The answer where the field is not there."""
        return YES if self.test == "null" else NO


Answers = Callable[[Question], int]
Row = list[int]  # kind, argument, where to go on for yes and for no


def ends_of(rows: Sequence[Row], possible: Sequence[int], wanted: int = EITHER) -> int:
    """The ends of a program that can be reached, as bits, given the answers that are possible in each row.

    Of others than the `wanted` ones it is not said whether they can.
    """
    reached = bytearray(len(rows))
    reached[0] = 1
    ends = 0
    for at, (_, _, yes, no) in enumerate(rows):
        if reached[at]:
            for answer, after in ((YES, yes), (NO, no)):
                if possible[at] & answer and after < 0:
                    ends |= _END[after]
                elif possible[at] & answer:
                    reached[after] = 1
            if ends & wanted == wanted:
                break
    return ends


def withheld_in(
    rows: Sequence[Row], free: Sequence[int], possible: Sequence[int], end: int
) -> list[int]:
    """The rows of which an answer leads to an end that is possible by itself, `free`, but not here; in their order."""
    leads = bytearray(len(rows))
    found: list[int] = []
    for at in range(len(rows) - 1, -1, -1):
        _, _, yes, no = rows[at]
        wanted = 0
        for answer, after in ((YES, yes), (NO, no)):
            if free[at] & answer and (_END[after] == end if after < 0 else leads[after]):
                leads[at] = 1
                wanted |= answer
        if wanted & ~possible[at]:
            found.append(at)
    return found[::-1]


class DecisionGraphs:
    """The programs of a pack, by their numbers: first those of rules, then those of logsources.

    `tables` are the pack's, checked; `strings` is its pool.
    """

    def __init__(self, tables: Mapping[str, NDArray[Any]], strings: Strings):
        self._tables = tables
        self._strings = strings
        self._starts = [0, *tables["program_ends"].tolist()]
        self._questions: dict[tuple[int, int], Question | int] = {}

    def ends(self, program: int, answers: Answers) -> int:
        """What a program can say, given which answers are possible to each of its questions."""
        rows = self._rows(program)
        return ends_of(rows, [self._possible(row, answers) for row in rows])

    def withheld(self, program: int, answers: Answers, end: int) -> list[Question]:
        """The questions whose other answer, which is not possible, is on some way to an end; each once.

        Where all of them were answered otherwise, the end could be reached.
        """
        rows = self._rows(program)
        free = [self._possible(row, lambda _: EITHER) for row in rows]
        places = withheld_in(rows, free, [self._possible(row, answers) for row in rows], end)
        asked = (self._question(*rows[place][:2]) for place in places)
        return [*dict.fromkeys(each for each in asked if isinstance(each, Question))]

    def questions(self, program: int) -> list[Question]:
        """All that a program asks, each once."""
        asked = (self._question(kind, argument) for kind, argument, _, _ in self._rows(program))
        return [*dict.fromkeys(each for each in asked if isinstance(each, Question))]

    def _rows(self, program: int) -> list[Row]:
        rows: list[Row] = self._tables["programs"][
            self._starts[program] : self._starts[program + 1]
        ].tolist()
        return rows

    def _possible(self, row: Row, answers: Answers) -> int:
        question = self._question(row[0], row[1])
        return answers(question) if isinstance(question, Question) else question

    def _question(self, kind: int, argument: int) -> Question | int:
        """What a row asks; or the answers that are possible whatever the events are."""
        key = kind & ~programs.NEGATED, argument
        known = self._questions.get(key)
        if known is None:
            known = self._questions[key] = self._read(*key)
        return known

    def _read(self, kind: int, argument: int) -> Question | int:
        tables, strings = self._tables, self._strings
        if kind == programs.CONSTANT:
            return YES if argument else NO
        if kind == programs.UNKNOWN:
            return EITHER
        if kind == programs.TEXT:
            field, text = tables["literals"][argument >> 2].tolist()
            question = Question(strings[field], _TEXT_TESTS[argument & 3], (strings[text],))
        elif kind in _FIELD_TESTS:
            field = int(tables["program_fields"][argument])
            question = Question(strings[field], _FIELD_TESTS[kind])
        elif kind == programs.COMPARE:
            field, comparison, number = tables["comparisons"][argument].tolist()
            limit = number_of_gate(strings[number])
            question = Question(strings[field], _COMPARISONS[comparison], (limit,))
        elif kind == programs.SAME:
            field, other, _ = tables["pairs"][argument].tolist()
            question = Question(strings[field], "same", (), strings[other])
        elif kind == programs.ADDRESS:
            field, network = tables["networks"][argument].tolist()
            question = Question(strings[field], "cidr", (strings[network],))
        else:
            field, which, text = tables["value_questions"][argument].tolist()
            question = Question(strings[field], programs.VALUE_QUESTIONS[which], (strings[text],))
        # Any value of an event may hold a keyword.
        return EITHER if question.field == KEYWORDS else question
