"""Alternatives in decision programs: rows that ask a field for one literal after the other, with one way out for yes.

Of a rule with hundreds of paths nearly all are asked in vain. What is true of the field's value is a handful of
predicates that its class lists: they are looked up among the alternatives instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import programs

LEAST = 6  # rows: fewer are asked one by one as quickly
Ints = NDArray[np.int32]


class Alternatives(NamedTuple):
    """`at` has for each row of code 1 + the alternatives that begin there, or 0.

    Those are the predicates `of[start[i]:start[i + 1]]`, in order; where none is true the program goes on at its row
    `after[i]`.
    """

    at: Ints
    start: Ints
    of: Ints
    after: Ints


def find_alternatives(code: Ints, ends: NDArray[np.int64], field: Ints) -> Alternatives:
    """The alternatives in programs (rows, shape (n, 4)) that end at `ends`; `field` is that of each literal, -1: none.

    >>> rows = [[programs.TEXT, 4 * i, -1, i + 1] for i in range(6)] + [[programs.CONSTANT, 0, -1, -2]]
    >>> one_field = np.zeros(6, np.int32)
    >>> found = find_alternatives(np.array(rows, np.int32), np.array([7]), one_field)
    >>> found.at.tolist(), found.of.tolist(), found.after.tolist()
    ([1, 0, 0, 0, 0, 0, 0], [0, 4, 8, 12, 16, 20], [6])
    """
    lengths = np.diff(ends, prepend=0)
    row = np.arange(len(code)) - np.repeat(ends - lengths, lengths)
    text = code[:, 0] & ~programs.NEGATED == programs.TEXT
    asked = np.full(len(code), -1, np.int32)
    asked[text] = field[code[text, 1] >> 2]
    goes_on = np.zeros(len(code) + 1, bool)  # to the next row, for no
    goes_on[1:-1] = (
        (asked[:-1] >= 0)
        & (asked[:-1] == asked[1:])
        & (code[:-1, 2] == code[1:, 2])
        & (code[:-1, 3] == row[1:])
        & (row[1:] > 0)
    )
    first = np.flatnonzero(~goes_on[:-1] & goes_on[1:])
    last = np.flatnonzero(goes_on[:-1] & ~goes_on[1:])
    long = last - first >= LEAST - 1
    first, last = first[long], last[long]
    at = np.zeros(len(code), np.int32)
    at[first] = np.arange(1, len(first) + 1)
    start = np.concatenate([[0], np.cumsum(last - first + 1)]).astype(np.int32)
    number = np.repeat(np.arange(len(first)), last - first + 1)
    rows = np.arange(start[-1]) - start[number] + first[number]
    of = code[rows, 1]
    return Alternatives(at, start, of[np.lexsort((of, number))], code[last, 3])
