"""Runs the kernels over raw bytes, describes the kinds of records that they meet, and decides what they leave."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernel_tables import PADDING, Tables
from sigmac.runtime.engine.layout import (
    ASK,
    DONE,
    FULL_FOUND,
    FULL_MEMO,
    FULL_ROWS,
    NEW_KIND,
    NOT_KNOWN,
    RECORD_LEFT,
    UNKNOWN,
    YES,
    Records,
    State,
)
from sigmac.runtime.engine.left_over import Counters, decide_left
from sigmac.runtime.engine.library import Kernels, table_of
from sigmac.runtime.engine.memory import Caches
from sigmac.runtime.engine.searches import SearchTables
from sigmac.runtime.engine.value_answers import Answers
from sigmac.runtime.freed_memory import give_back
from sigmac.runtime.match import BatchResult
from sigmac.runtime.scalar.dispatch import Dispatch, Wanted
from sigmac.runtime.scalar.rejections import Rejections
from sigmac.runtime.scalar.sightings import Seen

FOUND = 1 << 14  # matches that are listed before Python takes them; at least one for each rule
_DESCRIBED = 256  # sets of rules of kinds that are remembered
SINGLE = 1 << 16  # bytes of a record that is evaluated by itself
_GATHERED, _SHOWN = (
    1 << 16,
    1 << 21,
)  # bytes of logs: of one look at them, and of all of small batches
_NOTHING = bytes(PADDING)


@dataclass(slots=True)
class Found:
    """Matches of a batch, in order, and the records that are none."""

    lines: list[NDArray[np.int32]] = field(default_factory=list)
    rules: list[NDArray[np.int32]] = field(default_factory=list)
    rejected: Rejections = field(default_factory=Rejections)
    blank: int = 0
    count: int = 0  # lines


class Engine:
    """The engine of one thread: its caches, and what is known of the kinds in them."""

    def __init__(self, dispatch: Dispatch, tables: Tables, kernels: Kernels, budget: int):
        self._dispatch = dispatch
        self._conditions = dispatch.conditions
        self._tables = tables
        self._kernels = kernels
        self.counters = Counters()
        self.caches = Caches(tables, budget, dispatch.most_values)
        self._searches = SearchTables(tables.factors, self.caches.searches)
        self._answers = Answers(
            tables.questions, dispatch.vocabulary, tables.programs, self.caches.scratch
        )
        room = max(FOUND, len(self._conditions))
        self._records = Records(
            data=np.zeros(0, np.uint8),
            line=np.zeros(room, np.int32),
            rule=np.zeros(room, np.int32),
            start=np.zeros(room, np.int64),
            stop=np.zeros(room, np.int64),
            sizes=np.zeros(6, np.int64),
        )
        # One record has a place of its own, so that nothing is to be set up for it.
        self._single = self._records._replace(data=np.zeros(SINGLE + PADDING, np.uint8))
        self._room = self._single.data.data
        self.state = State(
            names=tables.names,
            automata=tables.automata,
            gates=tables.gates,
            programs=tables.programs,
            factors=tables.factors,
            rows=self.caches.rows,
            memo=self.caches.memo,
            classes=self.caches.classes,
            searches=self.caches.searches,
            kinds=self.caches.kinds,
            scratch=self.caches.scratch,
            records=self._single,
        )
        self._table = table_of(self.state)
        self._address = self._table.ctypes.data
        self._sizes = self._single.sizes.data
        self._notes = self.caches.scratch.sizes.data
        self._tags: dict[Wanted, int] = {}
        self._gathered, self._shown = bytearray(), 0  # bytes of logs
        # What concerns kinds, by their rules
        self._described: dict[int, tuple[layout.Bytes, layout.Bytes]] = {}
        self._sighted_from = 0  # number of the record after which what is seen counts
        self._tried = self._meant = 0  # rules of the kinds that were described since
        self._judged = -1
        self._tidied = 1  # kinds, from which on memory is given back again
        self._flushed: tuple[int, set[int]] = -1, set()

    def match_one(self, data: bytes, wanted: Wanted) -> list[int]:
        """The rules that match one record, ascending, of those among the bits `wanted`."""
        size = len(data)
        if size > SINGLE:
            return list(self.match_batch(data, wanted).rule.tolist())
        self._room[: size + PADDING] = data + _NOTHING
        found = Found()
        self._evaluate(self._single, self._address, 0, size, data, 0, wanted, found)
        return list(found.rules[0].tolist()) if found.rules else []

    def match_batch(self, data: bytes, wanted: Wanted) -> BatchResult:
        """As `Pack.match_batch`, of the rules among the bits `wanted`."""
        found = Found()
        size = len(data)
        at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        whole = np.frombuffer(data, np.uint8)
        self._learn(whole[at:])
        # The kernels read past the end of a record: a few records are copied to where there is room behind, and of
        # many the last ones.
        if size <= SINGLE:
            self._room[: size + PADDING] = data + _NOTHING
            self._evaluate(self._single, self._address, at, size, data, 0, wanted, found)
        else:
            cut = data.rfind(b"\n", at, size - PADDING) + 1
            if cut > at:
                self._run(whole, at, cut, data, 0, wanted, found)
                at = cut
            if at < size:
                last = np.zeros(size - at + 2 * PADDING, np.uint8)
                last[: size - at] = whole[at:]
                self._run(last, 0, size - at, data, at, wanted, found)
        if self.counters.kinds >= self._tidied:
            # Searches were made, which take more memory for a moment than they keep.
            self._tidied = 2 * self.counters.kinds
            give_back()
        nothing = np.zeros(0, np.int32)
        return BatchResult(
            np.concatenate(found.lines) if found.lines else nothing,
            np.concatenate(found.rules) if found.rules else nothing,
            found.rejected.in_order(),
            found.count - found.blank - len(found.rejected),
            found.count,
        )

    def counts(self) -> dict[str, int]:
        """What was counted so far; see `Pack.engine_counts`."""
        memo = self.caches.memo
        return {
            **asdict(self.counters),
            "looked": int(memo.sizes[2]) + int(memo.looked.sum()),
            "found": int(memo.sizes[3]) + int(memo.found.sum()),
            "flushes": self.caches.flushes,
            "bytes": self.caches.bytes_in_use(),
        }

    def sightings(self) -> Seen:
        """What was seen in records, but for those that were left to the scalar path, which notes it itself."""
        seen = np.flatnonzero(self.caches.scratch.field_record > self._sighted_from).tolist()
        return Seen(frozenset(self._tables.fields[i] for i in seen), self._tried, self._meant)

    def forget_sightings(self) -> None:
        """Begin anew with what `sightings` tells."""
        self._sighted_from = int(self.caches.scratch.sizes[layout.RECORD])
        self._tried = self._meant = 0
        self.caches.forget_kinds()

    def _run(
        self,
        array: NDArray[np.uint8],
        begin: int,
        end: int,
        data: bytes,
        offset: int,
        wanted: Wanted,
        found: Found,
    ) -> None:
        """Evaluate the lines of `array[begin:end]`, which is `data` from `offset` on."""
        records = self._records._replace(data=array)
        table = self._table.copy()
        # All other arrays stay where they are; those of the records are the last, of these the bytes the first.
        table[-2 * len(records) :][:2] = array.ctypes.data, len(array)
        self._evaluate(records, table.ctypes.data, begin, end, data, offset, wanted, found)

    def _learn(self, data: layout.Bytes) -> None:
        """Show some logs to those who plan searches; of small batches several at once, as each look costs the same."""
        if len(data) < _GATHERED and self._shown:
            if self._shown >= _SHOWN:
                return
            self._gathered += data.tobytes()
            if len(self._gathered) < _GATHERED:
                return
            data = np.frombuffer(bytes(self._gathered), np.uint8)
            self._gathered.clear()
        self._shown += len(data)
        self._searches.learn(data)

    def _evaluate(
        self,
        records: Records,
        address: int,
        begin: int,
        end: int,
        data: bytes,
        offset: int,
        wanted: Wanted,
        found: Found,
    ) -> None:
        """Evaluate the lines of `records.data[begin:end]`; `address` is that of the state's table."""
        sizes, notes = self._sizes, self._notes
        sizes[layout.POSITION], sizes[layout.END] = begin, end
        sizes[layout.LINE] = found.count
        sizes[layout.FOUND] = sizes[layout.BLANK] = sizes[layout.LEFT] = 0
        notes[layout.TAG] = self._tag(wanted)
        notes[layout.ASKED] = notes[layout.REPLIED] = 0
        evaluate = self._kernels.evaluate_at
        while True:
            stopped = evaluate(address)
            if stopped == NEW_KIND:
                self._describe_kind(wanted)
                continue
            if stopped == ASK:
                self.counters.asked += self._answers.answer(data, offset)
                continue
            if stopped not in (DONE, FULL_FOUND):
                self._make_room(stopped, records)
                notes[layout.TAG] = self._tag(wanted)
                if sizes[layout.FOUND] < len(records.rule):
                    continue
            if sizes[layout.FOUND]:
                self._take(records, data, offset, wanted, found)
            if notes[layout.JUDGED] != self._judged:
                self._judged = notes[layout.JUDGED]
                self._search_fields()
            if stopped == DONE:
                break
        count = sizes[layout.LINE] - found.count
        self.counters.records += count - sizes[layout.BLANK]
        found.count += count
        found.blank += sizes[layout.BLANK]
        self._flushed = -1, set()

    def _tag(self, wanted: Wanted) -> int:
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
            at = int(sizes[layout.FOUND])
            records.line[at], records.rule[at] = sizes[layout.LINE], RECORD_LEFT
            records.start[at], records.stop[at] = start, stop
            sizes[layout.FOUND] += 1
            sizes[layout.LEFT] += 1
            sizes[layout.POSITION] = stop + 1
            sizes[layout.LINE] += 1
        self._flushed[1].add(stopped)
        if stopped == FULL_ROWS:
            self.caches.forget_rows()
        elif stopped == FULL_MEMO:
            self.caches.forget_values()
        else:
            self.caches.forget_sets()
            self._tags.clear()

    def _describe_kind(self, wanted: Wanted) -> None:
        """Say what concerns the kind that the kernels have just met."""
        kinds, tables = self.caches.kinds, self._tables
        kind = int(kinds.sizes[0]) - 1
        self.counters.kinds += 1
        fields, rules, logsources = len(tables.fields), len(self._conditions), tables.logsources
        active = kinds.active[kind * fields : (kind + 1) * fields]
        chosen = kinds.rules[kind * rules : (kind + 1) * rules]
        said = kinds.logsources[kind * logsources : (kind + 1) * logsources]
        active[:] = chosen[:] = 0
        if (said == UNKNOWN).any():
            active[layout.KEYWORDS_FIELD] = NOT_KNOWN
            return
        held = np.flatnonzero(said == YES).tolist()
        concerned, meant = self._dispatch.of_logsources(held, wanted)
        self._tried |= concerned
        self._meant |= meant
        known = self._described.get(concerned)
        if known is not None:
            # Most kinds concern the rules of another one.
            chosen[:], active[:] = known
            return
        chosen[:] = self._dispatch.as_bytes(concerned)
        active[tables.rule_fields[chosen[tables.rule_of] != 0]] = 1
        if active[layout.KEYWORDS_FIELD]:
            number = self._searches.number_of(tables.keyword_factors(chosen))
            active[layout.KEYWORDS_FIELD] = NOT_KNOWN if number is None else 1 + number
        if len(self._described) < _DESCRIBED:
            self._described[concerned] = chosen.copy(), active.copy()

    def _take(
        self, records: Records, data: bytes, offset: int, wanted: Wanted, found: Found
    ) -> None:
        """Take what the kernels have listed, and decide what they have left."""
        sizes = records.sizes
        count = int(sizes[layout.FOUND])
        lines, rules = records.line[:count].copy(), records.rule[:count].copy()
        if sizes[layout.LEFT]:
            lines, rules = decide_left(
                records,
                lines,
                rules,
                data,
                offset,
                wanted,
                self._dispatch,
                self.counters,
                found.rejected,
            )
        if len(lines):
            found.lines.append(lines)
            found.rules.append(rules)
        sizes[layout.FOUND] = sizes[layout.LEFT] = 0

    def _search_fields(self) -> None:
        """Make the searches of the fields whose values the kernels do not remember any more."""
        forgotten = np.flatnonzero(self.caches.memo.policy & layout.FORGET)
        for which in forgotten[self.caches.searches.of_field[forgotten] == 0].tolist():
            factors = self._tables.field_factors(which)
            number = None if factors is None else self._searches.number_of(factors)
            self.caches.searches.of_field[which] = -1 if number is None else 1 + number
            if number is None and self._tables.gated[which]:
                # What opens gates and cannot be searched is read at once.
                self.caches.memo.policy[which] = layout.FORGET
