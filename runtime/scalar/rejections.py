"""What of a batch is no JSON object, gathered: little memory and time for each, as an attacker chooses how many."""

from __future__ import annotations

from array import array
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.distinct import distinct
from sigmac.runtime.errors import EventError
from sigmac.runtime.match import RejectedRecords
from sigmac.runtime.scalar.json_record import parse_record

# Bytes with which text may begin that JSON knows, or that says why it is none further on: white space, numbers,
# literals, strings, arrays, objects; and what is not ASCII, as it may be no UTF-8.
_KNOWN = b' \t\n\r+-0123456789tfn"[{'
_FOREIGN = np.ones(256, bool)
_FOREIGN[list(_KNOWN)] = False
_FOREIGN[128:] = False
_NONE = RejectedRecords(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32), ())


class Rejections:
    """Rejected records as they are found, and why."""

    def __init__(self) -> None:
        self._record, self._position, self._reason = array("i"), array("q"), array("i")
        self._reasons: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._record)

    def add(self, record: int, position: int, reason: str) -> None:
        """A record by its line number, the byte in the batch where its line begins, and why it is rejected."""
        self._record.append(record)
        self._position.append(position)
        self._reason.append(self._number_of(reason))

    def add_foreign(
        self, record: NDArray[np.int32], position: NDArray[np.int64], first: NDArray[np.uint8]
    ) -> None:
        """Records whose `first` bytes alone say that they are no JSON (see `is_foreign`), all at once."""
        self._record.frombytes(record.astype(np.int32).tobytes())
        self._position.frombytes(position.astype(np.int64).tobytes())
        numbers = np.zeros(256, np.int32)
        for byte in distinct(first).tolist():
            numbers[byte] = self._number_of(_reason_of(byte))
        self._reason.frombytes(numbers[first].tobytes())

    def in_order(self) -> RejectedRecords:
        """All of them by their lines."""
        if not self._record:
            return _NONE
        record = np.array(self._record, np.int32)
        order = np.argsort(record, kind="stable")
        position, reason = np.array(self._position, np.int64), np.array(self._reason, np.int32)
        return RejectedRecords(record[order], position[order], reason[order], [*self._reasons])

    def _number_of(self, reason: str) -> int:
        return self._reasons.setdefault(reason, len(self._reasons))


def is_foreign(first: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether ASCII text that begins with each of these bytes is no JSON, for a reason that no other byte changes."""
    return _FOREIGN[first]


@cache
def _reason_of(first: int) -> str:
    try:
        parse_record(bytes([first]))
    except EventError as error:
        return str(error)
    raise AssertionError(first)  # a byte that JSON knows
