"""What the kernels leave of a batch, decided by the scalar path: whole records, and some rules of others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from sigmac.runtime.engine.layout import RECORD_LEFT, Records
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.dispatch import Dispatch, Wanted
from sigmac.runtime.scalar.event import BriefEvent, Event
from sigmac.runtime.scalar.json_record import check_values, parse_record, reason_of
from sigmac.runtime.scalar.rejections import Rejections, is_foreign

FEW_RULES = 4  # left of a record, for which no index of its values is worth its making
_BLANKS = b" \t\r"
Places = NDArray[np.intp]
Ints = NDArray[np.int32]


@dataclass(slots=True)
class Counters:
    """What the engine did.

    Records: all, those left to the scalar path, and those of which some rules were; questions that Python answered of
    values; kinds that were met.
    """

    records: int = 0
    fallbacks: int = 0
    undecided: int = 0
    asked: int = 0
    kinds: int = 0


def decide_left(
    records: Records,
    lines: Ints,
    rules: Ints,
    data: bytes,
    offset: int,
    wanted: Wanted,
    dispatch: Dispatch,
    counters: Counters,
    rejected: Rejections,
) -> tuple[Ints, Ints]:
    """Lines and rules of the matches among what the kernels listed, where negative rules were left to Python.

    `records.data` is `data` from `offset` on. What turns out to be no JSON object is added to `rejected`.
    """
    good = rules >= 0
    whole = rules == RECORD_LEFT
    left = _Left(records, lines, data, offset, dispatch, counters, rejected)
    further = [
        *left.records(left.without_foreign(np.flatnonzero(whole)), wanted),
        *left.rules(np.flatnonzero(~good & ~whole), rules),
    ]
    lines, rules = lines[good], rules[good]
    if further:
        more = np.array(further, np.int32)
        lines = np.concatenate([lines, more[:, 0]])
        rules = np.concatenate([rules, more[:, 1]])
        order = np.lexsort((rules, lines))
        lines, rules = lines[order], rules[order]
    return lines, rules


@dataclass(frozen=True, slots=True)
class _Left:
    """What was listed; its methods take places in the list, and give matches as pairs of line and rule."""

    listed: Records
    lines: Ints
    data: bytes
    offset: int
    dispatch: Dispatch
    counters: Counters
    rejected: Rejections

    def without_foreign(self, places: Places) -> Places:
        """The places but for records that begin as no JSON does: these are rejected, all at once."""
        if not len(places):
            return places
        starts = self.listed.start[places]
        first = self.listed.data[starts]
        foreign = is_foreign(first)
        span = self.listed.data[starts[0] : self.listed.stop[places[-1]]]
        if not foreign.any() or span.max() > 127:
            return places
        lines = self.lines[places[foreign]]
        positions = np.where(lines > 0, self.offset + starts[foreign], 0)
        self.rejected.add_foreign(lines, positions, first[foreign])
        others: Places = places[~foreign]
        return others

    def records(self, places: Places, wanted: Wanted) -> Iterator[tuple[int, int]]:
        """The matches of whole records among the bits `wanted`."""
        for line, start, stop in self._spans(places):
            try:
                fields = orjson.loads(text := self.data[start:stop].strip(_BLANKS))
            except orjson.JSONDecodeError as error:
                self._reject(line, start, f"not JSON: {error}")
                continue
            if fields.__class__ is not dict:
                self._reject(line, start, reason_of(fields))
                continue
            self.counters.fallbacks += 1
            try:
                check_values(fields, self.dispatch.most_values, len(text))
                matching = self.dispatch.matching(fields, wanted)
            except EventError as error:
                self._reject(line, start, str(error))
                continue
            yield from ((line, rule) for rule in matching)

    def rules(self, places: Places, rules: Ints) -> Iterator[tuple[int, int]]:
        """The matches of the rules that were left of records."""
        each = zip(self._spans(places), rules[places].tolist(), strict=True)
        for (line, start, stop), some in itertools.groupby(each, key=lambda entry: entry[0]):
            asked = [-1 - rule for _, rule in some]
            self.counters.undecided += 1
            kind = BriefEvent if len(asked) <= FEW_RULES else Event
            try:
                fields = parse_record(self.data[start:stop].strip(_BLANKS))
                event = kind(fields, self.dispatch.vocabulary)
                matching = [rule for rule in asked if self.dispatch.conditions[rule](event)]
            except EventError as error:
                self._reject(line, start, str(error))
                continue
            yield from ((line, rule) for rule in matching)

    def _spans(self, places: Places) -> Iterator[tuple[int, int, int]]:
        """Line number, and where its text begins and ends in `data`."""
        starts, stops = self.listed.start[places], self.listed.stop[places]
        return zip(
            self.lines[places].tolist(),
            (self.offset + starts).tolist(),
            (self.offset + stops).tolist(),
            strict=True,
        )

    def _reject(self, line: int, start: int, reason: str) -> None:
        # The first line begins with its byte-order mark.
        self.rejected.add(line, start if line else 0, reason)
