"""Numbers each once. `np.unique` would import masked arrays for it, a megabyte and ten milliseconds of every start."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def distinct(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Small whole numbers that are not negative, in ascending order, each once.

    >>> distinct(np.array([7, 2, 7])).tolist()
    [2, 7]
    """
    return np.flatnonzero(np.bincount(numbers))


def are_among(numbers: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of some numbers is one of the others; as `np.isin`.

    >>> are_among(np.array([1, 5]), np.array([5, 3])).tolist()
    [False, True]
    """
    ordered = np.sort(others)
    places = np.searchsorted(ordered, numbers)
    found: NDArray[np.bool_] = np.zeros(len(numbers), bool)
    there = places < len(ordered)
    found[there] = ordered[places[there]] == numbers[there]
    return found
