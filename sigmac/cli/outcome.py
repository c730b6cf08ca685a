"""Blocks of records evaluated by a pack for `sigmac run`: results, and what there is to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sigmac.cli.options import say
from sigmac.results.result import packed
from sigmac.results.rule_choice import Choice
from sigmac.runtime.errors import SigmacError

if TYPE_CHECKING:
    from sigmac.cli.correlate import Correlating, Found, Observed
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.match import BatchResult, Rejected
    from sigmac.runtime.pack.event_profile import Profiler
    from sigmac.runtime.pack.pack import Pack, Tag

BYTES_BEFORE_ENGINE = 64 << 10
MOST_HOSTS_LOOKED_AT = 100_000  # matches, about: each is parsed once more
_AT_ONCE = 1 << 20  # bytes of results that are written together


@dataclass(slots=True)
class Outcome:
    """What evaluating a block gave: the matches that are results, and what correlations need to know.

    `lines` are all lines of the block, `records` those that are events. `matches` are pairs of a record's number and a
    rule, `texts` their records where these are asked for. `rules` and `left_out` are rules by their index with the
    number of their matches: results, and matches that the options leave out.
    """

    lines: int
    records: int
    rejected: Sequence[Rejected]
    rules: list[tuple[int, int]]
    left_out: list[tuple[int, int]]
    matches: list[tuple[int, int]]
    texts: Mapping[int, bytes]
    observed: list[Observed]
    hosts: Counter[str | None] = field(default_factory=Counter)  # with the number of their matches


class Evaluation:
    """Turns blocks of records into results, and counts.

    With `event` each result has its record; with `hosts` the hosts of matches are counted, until there were many.
    """

    def __init__(
        self,
        pack: Pack,
        tag: dict[str, str] | None,
        choice: Choice,
        *,
        event: bool,
        explain: bool,
        hosts: bool,
        profile: bool,
    ):
        self.pack = pack
        self.tag = tag
        self.event = event
        self.explain = explain
        self._with_hosts = hosts
        self._hosts_looked_at = 0
        self._hidden = pack.silent | choice.left_out
        self.correlating: Correlating | None = None
        self.profiler: Profiler | None = None
        if profile:
            from sigmac.runtime.pack.event_profile import Profiler

            self.profiler = Profiler(pack)
        self._before_engine = BYTES_BEFORE_ENGINE

    def outcome(self, block: Block) -> Outcome:
        """What evaluating a block gives. For several threads at once."""
        data = block.data
        result = self._evaluate(data, block.logsource)
        if self.profiler is not None:
            self.profiler.look_at(bytes(data).split(b"\n"))
        observed: list[Observed] = []
        if self.correlating is not None:
            observed = self.correlating.observe(bytes(data), result)
        from sigmac.runtime.inputs.lines import lines_at

        rules = Counter(result.rule.tolist())
        left_out = [(rule, rules[rule]) for rule in rules.keys() & self._hidden - self.pack.silent]
        for hidden in self._hidden & rules.keys():
            del rules[hidden]
        matches: list[tuple[int, int]] = []
        texts: dict[int, bytes] = {}
        hosts: Counter[str | None] = Counter()
        if rules:
            pairs = zip(result.record.tolist(), result.rule.tolist(), strict=True)
            matches = [pair for pair in pairs if pair[1] in rules]
            if self.event or self.explain or self._with_hosts:
                texts = lines_at(data, result.record)
            if self._with_hosts and self._hosts_looked_at < MOST_HOSTS_LOOKED_AT:
                self._hosts_looked_at += len(matches)
                hosts = self._hosts(matches, texts)
        return Outcome(
            result.lines,
            result.records,
            result.rejected,
            [*rules.items()],
            left_out,
            matches,
            texts,
            observed,
            hosts,
        )

    def results(self, block: Block, outcome: Outcome) -> list[bytes]:
        """The results that can be written now of a block, which is given in the order of the input."""
        found = self._found(block, outcome)
        if self.correlating is None:
            return [piece for _, piece in found]
        return self.correlating.take(block, [*found], outcome.observed)

    def rest(self) -> Iterator[list[bytes]]:
        """What waited for the end of the inputs, some at a time."""
        if self.correlating is None:
            return
        waiting: list[bytes] = []
        size = 0
        for piece in self.correlating.rest():
            waiting.append(piece)
            size += len(piece)
            if size > _AT_ONCE:
                yield waiting
                waiting, size = [], 0
        yield waiting

    def _evaluate(self, data: bytes, logsource: Mapping[str, str] | None) -> BatchResult:
        from sigmac.runtime.pack.pack import EVENTS_BEFORE_ENGINE

        tag: Tag = self.tag if self.tag is not None else logsource or "auto"
        # So few records are answered before the batch engine would be loaded.
        if len(data) < self._before_engine and data.count(b"\n") < EVENTS_BEFORE_ENGINE:
            self._before_engine -= len(data)
            return self.pack.match_each(bytes(data), logsource=tag)
        self._before_engine = 0
        return self.pack.match_lines(data, logsource=tag)

    def _found(self, block: Block, outcome: Outcome) -> Iterator[Found]:
        from orjson import dumps

        more = event = b""
        for record, rule in outcome.matches:
            source = dumps({"name": block.name, "position": block.position(record)})
            if self.explain:
                explanation = self._explanation(rule, block, record, outcome.texts)
                more = b',"explanation":' + explanation
            if self.event:
                event = _record_bytes(outcome.texts[record], first=record == 0)
            yield record, packed(rule, source, more, event)

    def _hosts(
        self, found: Sequence[tuple[int, int]], records: Mapping[int, bytes]
    ) -> Counter[str | None]:
        from orjson import loads

        from sigmac.results.host_and_user import HOSTS, first_text

        hosts: Counter[str | None] = Counter()
        for record, matches in Counter(record for record, _ in found).items():
            text = _record_bytes(records[record], first=record == 0)
            hosts[first_text(loads(text), HOSTS)] += matches
        return hosts

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
