"""Which keyword rules an event can match at all, by one pass over all of its text.

A keyword is searched in every leaf of an event. Looking leaf after leaf is dear and hardly ever finds anything, so the
leaves are joined and scanned once for the literals of the rules' gates; what is found is decided leaf by leaf after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

from sigmac.runtime.scalar.fields import Gates, automaton
from sigmac.runtime.scalar.folding import Fold
from sigmac.runtime.scalar.number_texts import could_be_in_number
from sigmac.runtime.scalar.scalars import leaves, text_of

KEYWORDS = ""  # the pseudo-field of keyword items: every scalar leaf of the event
_BETWEEN = "\0"


class KeywordGates:
    """The first and second gates of keyword items, as in `FieldIndex`, of the rules that are among the bits `rules`."""

    def __init__(self, gates: tuple[Gates, Gates], rules: int, fold: Fold):
        self._fold = fold
        self.always = [0, 0]  # rules whose gate is no literal: open on every event
        masks: dict[str, list[int]] = {}
        for i, table in enumerate(gates):
            for gate, gated in table.items():
                concerned = [rule for rule in gated if rules >> rule & 1]
                if concerned:
                    literal = gate[1] if isinstance(gate, tuple) else ""
                    found = masks.setdefault(literal, [0, 0]) if literal else self.always
                    for rule in concerned:
                        found[i] |= 1 << rule
        self._masks = list(masks.values())
        # Numbers and booleans need no look where no literal can be in one.
        self._only_strings = not any(
            could_be_in_number(literal) or literal in "true" or literal in "false"
            for literal in masks
        )
        self._automaton = automaton(list(masks)) if masks else None
        # Whether there is any literal at all is told much faster: few literals are looked for by vector compares.
        self._any = AhoCorasick(list(masks), matchkind=MatchKind.LeftmostFirst) if masks else None

    def open(self, event: Mapping[str, Any]) -> tuple[int, int]:
        """Bits of the rules whose first and second gates an event opens.

        A literal across two leaves counts too, which costs a look and no more.
        """
        first, second = self.always
        if self._any is not None and self._automaton is not None:
            texts = _strings(event) if self._only_strings else _texts(event)
            text = _BETWEEN.join(texts)
            if text.isascii():
                text = text.lower()
            else:
                fold = self._fold
                text = _BETWEEN.join([t.lower() if t.isascii() else fold(t) for t in texts])
            if self._any.find_matches_as_indexes(text):
                for index, _, _ in self._automaton.find_matches_as_indexes(text, overlapping=True):
                    first |= self._masks[index][0]
                    second |= self._masks[index][1]
        return first, second


def _strings(event: Mapping[str, Any]) -> list[str]:
    values = event.values()
    texts = [value for value in values if value.__class__ is str]
    nested = [value for value in values if value.__class__ is dict or value.__class__ is list]
    if nested:
        texts += [leaf for leaf in leaves({"": nested}) if leaf.__class__ is str]
    return texts


def _texts(event: Mapping[str, Any]) -> list[str]:
    texts: list[str | None] = []
    for value in event.values():
        kind = value.__class__
        if kind is str:
            texts.append(value)
        elif kind is dict or kind is list:
            texts += map(text_of, leaves({"": value}))
        elif value is not None:
            texts.append(text_of(value))
    return texts  # type: ignore[return-value]  # leaves are no nulls and no objects, so all have a text
