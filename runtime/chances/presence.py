"""Decision programs where only that is known which fields occur: for all rules of a pack in a moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.chances.decision_graph import EITHER, NO, YES, ends_of, withheld_in
from sigmac.runtime.engine import programs
from sigmac.runtime.scalar.keywords import KEYWORDS
from sigmac.runtime.scalar.vocabulary import Strings

_FIELDS = (programs.TEXTUAL, programs.EXISTS, programs.NULL)


class ProgramsByPresence:
    """The programs of a pack, by their numbers, on events that have no other fields than `present`.

    `tables` are the pack's, checked; `strings` is its pool.
    """

    def __init__(
        self, tables: Mapping[str, NDArray[Any]], strings: Strings, present: Collection[str]
    ):
        self._rows = tables["programs"]
        self._starts = np.concatenate([[0], tables["program_ends"]])
        self._strings = strings
        self._fields, other = _fields_of(tables)
        kinds, arguments = self._rows[:, 0] & ~programs.NEGATED, self._rows[:, 1]
        absent = np.zeros(len(strings) + 1, bool)  # the last stands for no field
        for number in np.unique(np.concatenate([self._fields, other])).tolist():
            absent[number] = number >= 0 and strings[number] not in {*present, KEYWORDS}
        missing = absent[self._fields] | absent[other]
        self._free = np.full(len(kinds), EITHER, np.uint8)
        constant = kinds == programs.CONSTANT
        self._free[constant] = np.where(arguments[constant] != 0, YES, NO)
        if_absent = np.where(kinds == programs.NULL, YES, NO)
        self._possible = np.where(missing, if_absent, self._free)
        # Of each program whether it asks a field that is not there: others end as they always can.
        self.concerned = np.diff(np.concatenate([[0], np.cumsum(missing)])[self._starts]) > 0

    def missing(self, program: int, end: int = YES) -> list[str]:
        """The fields without which a program cannot end so; none where it can."""
        span = slice(self._starts[program], self._starts[program + 1])
        rows, possible = self._rows[span].tolist(), self._possible[span].tolist()
        if ends_of(rows, possible, end) & end:
            return []
        places = withheld_in(rows, self._free[span].tolist(), possible, end)
        numbers = dict.fromkeys(self._fields[span][places].tolist())
        return [self._strings[number] for number in numbers if number >= 0]


def _fields_of(tables: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The field, and the other one, that each row of the programs asks, as a text's number; -1 for none."""
    kinds, arguments = tables["programs"][:, 0] & ~programs.NEGATED, tables["programs"][:, 1]
    fields = np.full(len(kinds), -1, np.int64)
    other = fields.copy()
    of_kind = {
        programs.COMPARE: tables["comparisons"][:, 0],
        programs.SAME: tables["pairs"][:, 0],
        programs.ADDRESS: tables["networks"][:, 0],
        programs.VALUE: tables["value_questions"][:, 0],
        **dict.fromkeys(_FIELDS, tables["program_fields"]),
    }
    for kind, numbers in of_kind.items():
        rows = kinds == kind
        fields[rows] = numbers[arguments[rows]]
    text = kinds == programs.TEXT
    fields[text] = tables["literals"][arguments[text] >> 2, 0]
    same = kinds == programs.SAME
    other[same] = tables["pairs"][arguments[same], 1]
    return fields, other
