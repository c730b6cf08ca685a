"""Judges cases by a pack: the events of all at once, each for its own rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sigmac.compiler.cases.case import Case, Event, EventCase, FileCase, SequenceCase
from sigmac.compiler.cases.named_files import find_named
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.runtime.errors import InputError
from sigmac.runtime.reading.reading import Reading, read_events
from sigmac.runtime.scalar.json_record import json_bytes, parse_record
from sigmac.verdicts.judged_sequence import judge_sequence
from sigmac.verdicts.rule_set import RuleCases
from sigmac.verdicts.verdict import JudgedRule, Verdict

if TYPE_CHECKING:
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.match import Rejected
    from sigmac.runtime.pack.pack import Pack, Tag

_BEFORE_ENGINE = 64 << 10  # bytes of events that are not worth loading the batch engine
_BLANK = b" \t\r\xef\xbb\xbf"  # around an event
_MOST_BYTES = 256 << 20  # of the events of one file


@dataclass(frozen=True, slots=True)
class Unexpected:
    """An event that makes a case fail, and whether its rule matched it; what explains it."""

    event: Event
    matched: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """How events are judged, as `sigmac run` has it. `tag` is what they are, where the user says it."""

    project: Path
    tag: Mapping[str, str] | None = None
    timestamp_fields: Sequence[str] = ()
    by_time: bool = True


@dataclass(slots=True)
class Judge:
    """Judges the cases of a pack; `diagnostics` has what there is to say of files with events.

    `unexpected` holds, by the number of a verdict, the event that explains it; `files` those that were read.
    """

    pack: Pack
    settings: Settings
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    unexpected: dict[int, Unexpected] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)

    def judge(self, bound: Iterable[RuleCases]) -> list[Verdict]:
        """A verdict for each case that can be judged, in their order."""
        cases = [(each.rule, case, path) for each in bound for case, path in each.cases]
        ones = self._judge_events(cases)
        files = self._judge_files(cases)
        verdicts: list[Verdict] = []
        for i, (rule, case, _) in enumerate(cases):
            if isinstance(case, SequenceCase) is (rule.key >= 0):
                self._tell_kind(rule, case)
            elif isinstance(case, SequenceCase):
                verdicts.append(self._judge_sequence(rule, case))
            elif isinstance(case, EventCase):
                if ones[i] is not case.matches:
                    self.unexpected[len(verdicts)] = Unexpected(case.event, ones[i])
                verdicts.append(_event_verdict(rule, case, ones[i]))
            elif i in files:
                verdict, unexpected = files[i].verdict(rule, case)
                if unexpected is not None:
                    self.unexpected[len(verdicts)] = unexpected
                verdicts.append(verdict)
        return verdicts

    def _tell_kind(self, rule: JudgedRule, case: Case) -> None:
        if rule.key < 0:
            what, hint = "an event is a case of a rule", "write `sequences` of events"
        else:
            what, hint = "a sequence is a case of a correlation", "write `match` or `no_match`"
        message = f"{what}, which {rule.title} is not"
        self.diagnostics.report("E_CASE", message, case.place, hint)

    def _judge_events(self, cases: Sequence[tuple[JudgedRule, Case, Path]]) -> dict[int, bool]:
        """Whether the rule of each case with one event matches it, by the number of the case."""
        numbers = [i for i, (_, case, _) in enumerate(cases) if isinstance(case, EventCase)]
        lines = b"\n".join(json_bytes(cases[i][1].event) for i in numbers)  # type: ignore[union-attr]
        pairs, _ = self._matches(lines)
        return {i: (line, cases[i][0].key) in pairs for line, i in enumerate(numbers)}

    def _matches(
        self, lines: bytes, logsource: Mapping[str, str] | None = None
    ) -> tuple[set[tuple[int, int]], Sequence[Rejected]]:
        """Lines, from 0, and rules that match them; and the lines that are no events."""
        tag: Tag = self.settings.tag
        if tag is None:
            tag = logsource or "auto"
        evaluate = self.pack.match_each if len(lines) < _BEFORE_ENGINE else self.pack.match_batch
        result = evaluate(lines, logsource=tag)
        return {*zip(result.record.tolist(), result.rule.tolist(), strict=True)}, result.rejected

    def _judge_files(self, cases: Sequence[tuple[JudgedRule, Case, Path]]) -> dict[int, _FileCount]:
        """How many events of its file the rule of each case matches, by the number of the case."""
        asked: dict[Path, list[tuple[int, JudgedRule, FileCase]]] = {}
        for i, (rule, case, path) in enumerate(cases):
            if isinstance(case, FileCase) and rule.key >= 0:
                try:
                    found = find_named(
                        case.file, path.parent, self.settings.project, above=case.above
                    )
                except InputError as error:
                    self.diagnostics.report("E_CASE_FILE", str(error), case.file_place)
                else:
                    asked.setdefault(found, []).append((i, rule, case))
        self.files |= asked.keys()
        counts: dict[int, _FileCount] = {}
        for path, asking in asked.items():
            made = {i: _FileCount() for i, _, _ in asking}
            try:
                for block in self._read(path):
                    pairs, rejected = self._matches(block.data, block.logsource)
                    for each in rejected[:1]:
                        raise InputError(f"record {block.position(each.record)}: {each.reason}")
                    for i, rule, _ in asking:
                        made[i].add(block.data, rule.key, pairs)
            except InputError as error:
                for _, _, case in asking:
                    said = str(error).removeprefix(f"{path}: ")
                    message = f"`{case.file}` cannot be read: {said}"
                    self.diagnostics.report("E_CASE_FILE", message, case.file_place)
            else:
                counts |= made
        return counts

    def _read(self, path: Path) -> Iterator[Block]:
        size = 0
        with contextlib.closing(read_events(str(path), Reading())) as blocks:
            for block in blocks:
                size += len(block.data)
                if size > _MOST_BYTES:
                    raise InputError(f"more than {_MOST_BYTES >> 20} MiB of events")
                for position, reason in block.unreadable[:1]:
                    raise InputError(f"record {position}: {reason}")
                yield block

    def _judge_sequence(self, rule: JudgedRule, case: SequenceCase) -> Verdict:
        settings = self.settings
        return judge_sequence(
            self.pack, rule, case, settings.timestamp_fields, settings.tag, by_time=settings.by_time
        )


@dataclass(slots=True)
class _FileCount:
    """What a rule made of the events of a file."""

    events: int = 0
    matched: int = 0
    first: dict[bool, bytes] = field(
        default_factory=dict
    )  # the first event that it matched, or did not

    def add(self, lines: bytes, rule: int, pairs: set[tuple[int, int]]) -> None:
        for number, line in enumerate(lines.split(b"\n")):
            if line.strip(_BLANK):
                found = (number, rule) in pairs
                self.events += 1
                self.matched += found
                self.first.setdefault(found, line)

    def verdict(self, rule: JudgedRule, case: FileCase) -> tuple[Verdict, Unexpected | None]:
        least, most, matched = case.least, case.most, self.matched
        if most == 0:
            expected = f"no match in {case.file}"
        else:
            number = f"{least:,}" if least == most else f"{least:,} or more"
            expected = f"{number} of the events of {case.file} match"
        got = f"{matched:,} of {self.events:,} match"
        passed = matched >= least and (most is None or matched <= most)
        verdict = Verdict(rule, case, passed, expected, got, came=matched)
        is_too_many = most is not None and matched > most
        line = self.first.get(is_too_many)
        if passed or line is None:
            return verdict, None
        return verdict, Unexpected(parse_record(line.strip(_BLANK)), is_too_many)


def _event_verdict(rule: JudgedRule, case: EventCase, matched: bool) -> Verdict:
    words = {True: "a match", False: "no match"}
    return Verdict(
        rule, case, matched is case.matches, words[case.matches], words[matched], came=matched
    )
