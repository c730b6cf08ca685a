"""Runs the kernels over raw bytes and answers what they ask: the kinds of records and the signatures they meet.

Level 2 in Python: a signature is resolved once, by the generated conditions on what its classes say. What a condition
asks beyond that (a regular expression whose literals were found, two fields compared) is left to each record.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.caches import Caches
from sigmac.runtime.engine.facts import RecordEvent, Undecided, facts_of_class, united
from sigmac.runtime.engine.keyword_sets import KeywordSets
from sigmac.runtime.engine.layout import (
    DONE,
    FALLBACK,
    FULL_LINES,
    FULL_MEMO,
    FULL_ROWS,
    NEW_KIND,
    Records,
)
from sigmac.runtime.engine.library import Kernels, arguments_of
from sigmac.runtime.engine.tables import PADDING, Tables
from sigmac.runtime.errors import EventError
from sigmac.runtime.event import Event
from sigmac.runtime.fields import Facts
from sigmac.runtime.keywords import KEYWORDS
from sigmac.runtime.match import BatchResult, Rejected
from sigmac.runtime.records import parse_record

if TYPE_CHECKING:
    from sigmac.runtime.pack import Pack

LINES = 4096  # lines that the kernels do between two looks at what is new
# Values are not remembered where hits are rarer and values longer (bytes) than this, of so many lookups.
_RARE, _LONG, _SAMPLE = 0.7, 200, 1000
_RULES, _SOME = 1, 2  # bits of a signature: rules match, rules are left to the record


@dataclass(slots=True)
class Counters:
    """What the engine did. Records: all, those left to the scalar path, and those of which some rules were."""

    records: int = 0
    fallbacks: int = 0
    undecided: int = 0
    kinds: int = 0
    signatures: int = 0


@dataclass(slots=True)
class Found:
    """Matches of a batch, in the order they were found, and the records that are none."""

    records: list[int] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    lines: int = 0
    blank: int = 0


class Engine:
    """The engine of one thread: its caches, and what is known of the kinds and signatures in them."""

    def __init__(self, pack: Pack, tables: Tables, kernels: Kernels, budget: int):
        self._pack = pack
        self._dispatch = pack.dispatch
        self._tables = tables
        self._kernels = kernels
        self.counters = Counters()
        self.caches = Caches(tables, budget)
        self._keywords = KeywordSets({*tables.fragments.values()}, self.caches.kinds)
        self._records = Records(
            data=np.zeros(0, np.uint8),
            start=np.zeros(LINES, np.int64),
            stop=np.zeros(LINES, np.int64),
            signature=np.zeros(LINES, np.int32),
            sizes=np.zeros(3, np.int64),
        )
        self._arguments = arguments_of(*tables.groups, *self.caches.groups, self._records)
        # Of each signature: which of its bits are set, and its rules.
        self._state = np.zeros(len(self.caches.signatures.hash), np.uint8)
        self._matching: list[tuple[int, ...]] = []
        self._undecided: dict[int, tuple[tuple[int, ...], dict[str, Facts]]] = {}
        self._facts: dict[int, tuple[str, Facts]] = {}  # of each class: its field, and what it says
        self._tags: dict[int, int] = {}
        self._looked = self._found = 0  # values, of the fields that were judged
        self._nothing = Facts(())
        self._flushed: tuple[int, set[int]] = -1, set()

    def match_batch(self, data: bytes, wanted: int) -> BatchResult:
        """As `Pack.match_batch`, of the rules among the bits `wanted`."""
        found = Found()
        at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        whole = np.frombuffer(data, np.uint8)
        # The kernels read past the end of a record: the last lines are read from a copy with room behind.
        cut = data.rfind(b"\n", at, max(at, len(data) - PADDING)) + 1
        if cut > at:
            self._run(whole, at, cut, data, 0, wanted, found)
            at = cut
        if at < len(data):
            last = np.zeros(len(data) - at + 2 * PADDING, np.uint8)
            last[: len(data) - at] = whole[at:]
            self._run(last, 0, len(data) - at, data, at, wanted, found)
        records, rules = np.array(found.records, np.int32), np.array(found.rules, np.int32)
        return BatchResult(
            records, rules, tuple(found.rejected), found.lines - found.blank - len(found.rejected)
        )

    def counts(self) -> dict[str, int]:
        """What was counted so far; see `Pack.engine_counts`."""
        memo = self.caches.memo
        return {
            **asdict(self.counters),
            "looked": self._looked + int(memo.looked.sum()),
            "found": self._found + int(memo.found.sum()),
            "flushes": self.caches.flushes,
            "bytes": self.caches.bytes_in_use(),
        }

    def _run(
        self,
        array: NDArray[np.uint8],
        begin: int,
        end: int,
        data: bytes,
        offset: int,
        wanted: int,
        found: Found,
    ) -> None:
        """Evaluate the lines of `array[begin:end]`, which is `data` from `offset` on."""
        records = self._records._replace(data=array)
        sizes = records.sizes
        sizes[:] = begin, end, 0
        self._keywords.learn(array[begin:end])
        # All other arrays stay where they are.
        self._arguments[-2 * len(records) :] = arguments_of(records)
        address = self._arguments.ctypes.data
        scratch = self.caches.scratch.sizes
        scratch[layout.TAG] = self._tag(wanted)
        self._flushed = -1, set()
        while True:
            stopped = self._kernels.evaluate_at(address)
            if stopped == NEW_KIND:
                self._describe_kind(wanted)
                continue
            self._harvest(records, data, offset, wanted, found)
            if stopped == DONE:
                return
            if stopped != FULL_LINES:
                self._make_room(stopped, records)
                scratch[layout.TAG] = self._tag(wanted)

    def _tag(self, wanted: int) -> int:
        return self._tags.setdefault(wanted, len(self._tags))

    def _make_room(self, stopped: int, records: Records) -> None:
        """Flush what is full. A record that finds no room where all else was flushed is left to the scalar path."""
        sizes = records.sizes
        start = int(sizes[layout.POSITION])
        if self._flushed[0] != start:
            self._flushed = start, set()
        if stopped in self._flushed[1]:
            after = np.flatnonzero(records.data[start : sizes[layout.END]] == 10)
            stop = start + int(after[0]) if len(after) else int(sizes[layout.END])
            records.start[0], records.stop[0], records.signature[0] = start, stop, FALLBACK
            sizes[layout.POSITION], sizes[layout.LINE] = stop + 1, 1
        self._flushed[1].add(stopped)
        if stopped == FULL_ROWS:
            self.caches.forget_rows()
        elif stopped == FULL_MEMO:
            self.caches.forget_values()
        else:
            self.caches.forget_sets()
            self._state[:] = 0
            self._matching.clear()
            self._undecided.clear()
            self._facts.clear()
            self._tags.clear()

    # Level 2

    def _members(self, table: Any, number: int) -> list[int]:
        members: list[int] = table.members[table.start[number] : table.start[number + 1]].tolist()
        return members

    def _facts_of(self, class_: int) -> tuple[str, Facts]:
        classes = self.caches.classes
        which = int(classes.field[class_])
        facts = facts_of_class(which, self._members(classes, class_), self._tables)
        found = self._facts[class_] = self._tables.fields[which], facts
        return found

    def _known(self, members: Iterable[int]) -> dict[str, Facts]:
        """What classes say of each field."""
        known: dict[str, Facts] = {}
        several: dict[str, list[Facts]] = {}
        for class_ in members:
            field, facts = self._facts.get(class_) or self._facts_of(class_)
            if field in known:
                several.setdefault(field, [known[field]]).append(facts)
            else:
                known[field] = facts
        for field, each in several.items():
            known[field] = united(each)
        return known

    def _describe_kind(self, wanted: int) -> None:
        """Say what concerns the kind that the kernels have just met."""
        kinds, tables = self.caches.kinds, self._tables
        kind = int(kinds.sizes[0]) - 1
        self.counters.kinds += 1
        fields, rules = len(tables.fields), len(self._pack)
        active = kinds.active[kind * fields : (kind + 1) * fields]
        chosen = kinds.rules[kind * rules : (kind + 1) * rules]
        active[:] = chosen[:] = 0
        event = Event({}, self._pack.vocabulary)
        event.known = self._known(self._members(kinds, kind))
        try:
            concerned = self._dispatch.concerned(event) & wanted
        except Undecided:
            active[layout.KEYWORDS_FIELD] = layout.UNKNOWN_KIND
            return
        chosen[:] = self._dispatch.as_bytes(concerned)
        active[tables.rule_fields[chosen[tables.rule_of] != 0]] = 1
        searched = self._pack.vocabulary.keyword_literals(concerned)
        if active[layout.KEYWORDS_FIELD] or searched:
            number = self._keywords.number_of(
                frozenset(tables.fragments[text] for text in searched)
            )
            active[layout.KEYWORDS_FIELD] = (
                layout.ALWAYS if number is None else layout.RARELY + number
            )
            if number is None and not tables.logsource_fields:
                # All records are of this one kind.
                self.caches.scratch.sizes[layout.LEAVES] = layout.ALL_LEAVES

    def _resolve(self) -> None:
        """Find the rules of the signatures that the kernels have met since the last time."""
        signatures = self.caches.signatures
        rules_from = int(self.caches.scratch.sizes[layout.RULES_FROM])
        first, last = len(self._matching), int(signatures.sizes[0])
        self.counters.signatures += last - first
        for number in range(first, last):
            members = sorted(self._members(signatures, number))
            classes = bisect_left(members, rules_from)
            event = Event({}, self._pack.vocabulary)
            event.known = known = self._known(members[:classes])
            known.setdefault(KEYWORDS, self._nothing)
            sure, unsure = [], []
            for rule in [member - rules_from for member in members[classes:]]:
                try:
                    if self._pack.condition(rule)(event):
                        sure.append(rule)
                except Undecided:
                    unsure.append(rule)
            self._matching.append(tuple(sure))
            self._state[number] = (_RULES if sure else 0) | (_SOME if unsure else 0)
            if unsure:
                self._undecided[number] = tuple(unsure), known

    # What became of the records

    def _harvest(
        self, records: Records, data: bytes, offset: int, wanted: int, found: Found
    ) -> None:
        count = int(records.sizes[layout.LINE])
        records.sizes[layout.LINE] = 0
        self._resolve()
        signatures = records.signature[:count]
        has = signatures >= 0
        state = np.where(has, self._state[np.where(has, signatures, 0)], 0)
        blank = int(np.count_nonzero(signatures == layout.BLANK))
        self.counters.records += count - blank
        some = np.flatnonzero((state != 0) | (signatures == FALLBACK))
        for line, number, what, start, stop in zip(
            (found.lines + some).tolist(),
            signatures[some].tolist(),
            state[some].tolist(),
            (offset + records.start[some]).tolist(),
            (offset + records.stop[some]).tolist(),
            strict=True,
        ):
            if what == _RULES:
                rules: Sequence[int] = self._matching[number]
            else:
                try:
                    rules = self._by_scalar(data[start:stop], number, what, wanted)
                except EventError as error:
                    # The first line begins with its byte-order mark.
                    found.rejected.append(Rejected(line, start if line else 0, str(error)))
                    continue
            found.records += [line] * len(rules)
            found.rules += rules
        found.lines += count
        found.blank += blank
        self._judge_policy()

    def _by_scalar(self, text: bytes, number: int, what: int, wanted: int) -> list[int]:
        event = parse_record(text.strip(b" \t\r"))
        if what & _SOME:
            self.counters.undecided += 1
            undecided, known = self._undecided[number]
            record = RecordEvent(event, self._pack.vocabulary, known)
            more = [rule for rule in undecided if self._pack.condition(rule)(record)]
            return (
                sorted([*self._matching[number], *more]) if more else list(self._matching[number])
            )
        self.counters.fallbacks += 1
        return self._dispatch.matching(event, wanted)

    def _judge_policy(self) -> None:
        """Defer the fields whose values are long and hardly repeat."""
        memo = self.caches.memo
        judged = memo.looked >= _SAMPLE
        if judged.any():
            rare = judged & (memo.found < memo.looked * _RARE) & (memo.read > memo.looked * _LONG)
            memo.policy[rare] = layout.DEFER | layout.FORGET
            self._looked += int(memo.looked[judged].sum())
            self._found += int(memo.found[judged].sum())
            memo.looked[judged] = memo.found[judged] = memo.read[judged] = 0
