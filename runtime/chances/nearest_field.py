"""The field that was probably meant: of those that events have, the one nearest to a name that none has."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping

_NO_LETTERS = re.compile(r"[\W_]+")
_TELLING = 7  # letters from which on the last part of a dotted name says enough by itself
_MOST_COMPARED = 2_000  # names, by edit distance
_MOST_LETTERS = 100
_SHORT = 6  # letters up to which a name may differ more


def _plain(name: str) -> str:
    """A name without what spellings differ in: letter case and separators."""
    return _NO_LETTERS.sub("", name).lower()


class FieldNames:
    """The fields that events have: dotted name → in how many events it is.

    >>> names = FieldNames({"winlog.event_data.Image": 9, "process_name": 3, "protoPayload.methodName": 5})
    >>> [names.nearest(each) for each in ("Image", "ProcessName", "gcp.audit.method_name", "Imgae", "User")]
    ['winlog.event_data.Image', 'process_name', 'protoPayload.methodName', None, None]
    """

    def __init__(self, events: Mapping[str, int]):
        self.events = events
        self._plain: dict[str, str] = {}
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for name in sorted(events, key=lambda name: (-events[name], len(name), name)):
            self._plain.setdefault(_plain(name), name)
            self._by_last[_plain(name.rpartition(".")[2])].append(name)
        self._compared = [
            plain for plain in list(self._plain)[:_MOST_COMPARED] if len(plain) <= _MOST_LETTERS
        ]

    def nearest(self, field: str) -> str | None:
        """The name of the same letters, else of the same last parts, else a few letters away; None where none is."""
        plain = _plain(field)
        return self._plain.get(plain) or self._of_same_end(field) or self._misspelt(plain)

    def _of_same_end(self, field: str) -> str | None:
        parts = [*map(_plain, field.split("."))]
        best, most = None, 0
        for name in self._by_last.get(parts[-1], ()):
            other = [*map(_plain, name.split("."))]
            same = 0
            while same < min(len(parts), len(other)) and parts[-1 - same] == other[-1 - same]:
                same += 1
            enough = same > 1 or len(parts) == 1 or len(parts[-1]) >= _TELLING
            if enough and same > most:
                best, most = name, same
        whole = self._by_last.get(_plain(field), [])
        return best or (whole[0] if whole else None)

    def _misspelt(self, plain: str) -> str | None:
        if not 4 <= len(plain) <= _MOST_LETTERS:
            return None
        cutoff, further = (0.8, 1) if len(plain) <= _SHORT else (0.9, 3)
        close = [each for each in self._compared if abs(len(each) - len(plain)) <= further]
        found = difflib.get_close_matches(plain, close, n=1, cutoff=cutoff)
        return self._plain[found[0]] if found else None
