"""Blocks of records evaluated by a pack for `sigmac run`: lines of matches, and what there is to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sigmac.cli.options import say
from sigmac.runtime.errors import SigmacError

if TYPE_CHECKING:
    from sigmac.cli.correlate import Correlating, Line, Observed
    from sigmac.cli.outputs import Output
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.match import BatchResult, Rejected
    from sigmac.runtime.pack.event_profile import Profiler
    from sigmac.runtime.pack.pack import Pack

BYTES_BEFORE_ENGINE = 64 << 10
_AT_ONCE = 1 << 20  # bytes of lines that are written together


@dataclass(slots=True)
class Outcome:
    """What evaluating a block gave: the matches that are output, a line each, and what correlations need to know."""

    records: int
    rejected: Sequence[Rejected]
    rules: list[tuple[int, int]]  # with the number of their matches
    lines: list[Line]
    observed: list[Observed] = field(default_factory=list)


class Evaluation:
    """Turns blocks of records into lines of matches, and counts."""

    def __init__(
        self,
        pack: Pack,
        tag: dict[str, str] | None,
        event: bool,
        explain: bool,
        profile: bool,
    ):
        self.pack = pack
        self.tag = tag
        self.event = event
        self.explain = explain
        self.correlating: Correlating | None = None
        self.profiler: Profiler | None = None
        if profile:
            from sigmac.runtime.pack.event_profile import Profiler

            self.profiler = Profiler(pack)
        self._heads: dict[int, bytes] = {}
        self._before_engine = BYTES_BEFORE_ENGINE

    def outcome(self, block: Block) -> Outcome:
        """What evaluating a block gives. For several threads at once."""
        data = block.data
        result = self._evaluate(data, block.logsource)
        if self.profiler is not None:
            self.profiler.look_at(data.split(b"\n"))
        observed: list[Observed] = []
        if self.correlating is not None:
            observed = self.correlating.observe(data, result)
        rules = Counter(result.rule.tolist())
        for silent in self.pack.silent:
            del rules[silent]
        lines = [*self._lines(block, result)]
        return Outcome(result.records, result.rejected, [*rules.items()], lines, observed)

    def lines(self, block: Block, outcome: Outcome) -> bytes:
        """What can be written now of a block, which is given in the order of the input."""
        if self.correlating is None:
            return b"".join(line for _, line in outcome.lines)
        return self.correlating.take(block, outcome.lines, outcome.observed)

    def write_rest(self, out: Output) -> None:
        """Write what waited for the end of the inputs."""
        if self.correlating is None:
            return
        waiting: list[bytes] = []
        size = 0
        for line in self.correlating.rest():
            waiting.append(line)
            size += len(line)
            if size > _AT_ONCE:
                out.write(b"".join(waiting))
                waiting, size = [], 0
        out.write(b"".join(waiting))

    def _evaluate(self, data: bytes, logsource: Mapping[str, str] | None) -> BatchResult:
        from sigmac.runtime.pack.pack import EVENTS_BEFORE_ENGINE

        tag = logsource if self.tag is None else self.tag
        # So few records are answered before the batch engine would be loaded.
        if len(data) < self._before_engine and data.count(b"\n") < EVENTS_BEFORE_ENGINE:
            self._before_engine -= len(data)
            return self.pack.match_each(data, logsource=tag)
        self._before_engine = 0
        return self.pack.match_batch(data, logsource=tag)

    def _lines(self, block: Block, result: BatchResult) -> Iterator[Line]:
        from orjson import dumps

        from sigmac.runtime.inputs.lines import lines_at

        if not len(result):
            return
        records = lines_at(block.data, result.record) if self.event or self.explain else {}
        silent = self.pack.silent
        for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True):
            if rule in silent:
                continue
            source = {"name": block.name, "position": block.position(record)}
            line = self._head(rule) + b',"source":' + dumps(source)
            if self.explain:
                line += b',"explanation":' + self._explanation(rule, block, record, records)
            if self.event:
                line += b',"event":' + _record_bytes(records[record], first=record == 0)
            yield record, line + b"}\n"

    def _head(self, rule: int) -> bytes:
        from orjson import dumps

        known = self._heads.get(rule)
        if known is None:
            known = self._heads[rule] = b'{"rule":' + dumps(self.pack.rules[rule].on_the_wire())
        return known

    def _explanation(
        self, rule: int, block: Block, record: int, records: Mapping[int, bytes]
    ) -> bytes:
        """Why a rule matched a record, as JSON; null, and one line on standard error, where that cannot be said."""
        from sigmac.runtime.scalar.json_record import json_bytes, parse_record

        try:
            event = parse_record(_record_bytes(records[record], first=True))
            return json_bytes(self.pack.explain(rule, event).plain())
        except (SigmacError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            place = f"{block.name}:{block.position(record) + 1}"
            say(f"{place}: no explanation of {self.pack.rules[rule].title}: {error}")
            return b"null"


def _record_bytes(record: bytes, *, first: bool) -> bytes:
    text = record.strip(b" \t\r")
    return text.removeprefix(b"\xef\xbb\xbf") if first else text
