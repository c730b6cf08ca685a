"""Which keyword rules an event can match at all, by one pass over all of its text.

A keyword is searched in every leaf of an event. Looking leaf after leaf is dear and hardly ever finds anything, so the
leaves are joined and scanned once for the literals of the rules' gates; what is found is decided leaf by leaf after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmac.runtime.fields import Gates, automaton
from sigmac.runtime.folding import Fold
from sigmac.runtime.scalars import leaves, text_of

KEYWORDS = ""  # the pseudo-field of keyword items: every scalar leaf of the event
_BETWEEN = "\0"


class KeywordGates:
    """The first and second gates of all keyword items, as in `FieldIndex`."""

    def __init__(self, gates: tuple[Gates, Gates], fold: Fold):
        self._fold = fold
        self._always = [0, 0]  # rules whose gate is no literal: open on every event
        masks: dict[str, list[int]] = {}
        for i, table in enumerate(gates):
            for gate, rules in table.items():
                literal = gate[1] if isinstance(gate, tuple) else ""
                found = masks.setdefault(literal, [0, 0]) if literal else self._always
                for rule in rules:
                    found[i] |= 1 << rule
        self._masks = list(masks.values())
        self._automaton = automaton(list(masks)) if masks else None

    def open(self, event: Mapping[str, Any]) -> tuple[int, int]:
        """Bits of the rules whose first and second gates an event opens.

        A literal across two leaves counts too, which costs a look and no more.
        """
        first, second = self._always
        if self._automaton is not None:
            text = self._fold(_BETWEEN.join(_texts(event)))
            for index, _, _ in self._automaton.find_matches_as_indexes(text, overlapping=True):
                first |= self._masks[index][0]
                second |= self._masks[index][1]
        return first, second


def _texts(event: Mapping[str, Any]) -> list[str]:
    texts = []
    for value in event.values():
        if value.__class__ is str:
            texts.append(value)
        elif isinstance(value, (dict, list)):
            texts += [text for leaf in leaves({"": value}) if (text := text_of(leaf)) is not None]
        elif value is not None:
            texts.append(text_of(value))
    return texts
