"""The rules of a pack by all that cases may call them: place, id, name, title."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sigmac.compiler.cases.case import Case
from sigmac.compiler.cases.find_cases import FoundCases
from sigmac.compiler.cases.read_cases import contradictions
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, did_you_mean
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.verdicts.verdict import JudgedRule, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from sigmac.compiler.syntax.correlation import Correlation as CorrelationDocument
    from sigmac.compiler.syntax.documents import Refused
    from sigmac.compiler.syntax.rule import Rule as RuleDocument
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.match import Rule
    from sigmac.runtime.pack.pack import Pack


@dataclass(frozen=True, slots=True)
class RuleCases:
    """A rule with its cases, and the file that each stands in."""

    rule: JudgedRule
    cases: Sequence[tuple[Case, Path]]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A document of a file that holds a rule or correlation; `rule` is None where it was refused."""

    document: int
    rule: JudgedRule | None


@dataclass(slots=True)
class RuleSet:
    """The rules and correlations of a pack and the files that it was made of, some of which are `faulty`."""

    rules: dict[int, JudgedRule] = field(default_factory=dict)
    sources: dict[str, SourceFile] = field(default_factory=dict)
    faulty: Collection[str] = ()
    _by_source: dict[str, list[JudgedRule]] = field(default_factory=dict)
    _by_name: dict[str, dict[int, JudgedRule]] = field(default_factory=dict)
    _slots: dict[str, list[_Slot]] = field(default_factory=dict)

    @classmethod
    def of(cls, pack: Pack, sources: Iterable[SourceFile], faulty: Collection[str] = ()) -> RuleSet:
        """What a pack holds that was made of these files; documents of the `faulty` ones may have been refused."""
        made = cls(sources={each.source: each for each in sources}, faulty=faulty)
        found: dict[int, Rule | Correlation] = dict(enumerate(pack.rules))
        found |= {-1 - i: each for i, each in enumerate(pack.correlations.values())}
        for key, each in found.items():
            source, _, line = each.source.rpartition(":")
            place = Place(made.sources[source].file, int(line), 1)
            rule = JudgedRule(key, each.id, each.title, place)
            made.rules[key] = rule
            made._by_source.setdefault(source, []).append(rule)
            for name in {(each.id or "").lower(), each.name, each.title} - {"", None}:
                made._by_name.setdefault(str(name), {})[key] = rule
        return made

    def bind(self, found: Sequence[FoundCases], diagnostics: Diagnostics) -> list[RuleCases]:
        """Each rule that has cases, with them; what is of no rule is reported, that of a refused one left out."""
        by_rule: dict[int, list[tuple[Case, Path]]] = {}
        for each in found:
            rule = self._rule_of(each, diagnostics)
            if rule is None:
                continue
            if each.cases.ids and (rule.id or "").lower() not in each.cases.ids:
                message = f"the tests are of another rule than {rule.title}, which names them"
                diagnostics.report("E_CASE_RULE", message, each.cases.place)
                continue
            by_rule.setdefault(rule.key, []).extend((case, each.path) for case in each.cases.cases)
        for cases in by_rule.values():
            contradictions((case for case, _ in cases), diagnostics)
        return [RuleCases(self.rules[key], by_rule[key]) for key in self.rules if key in by_rule]

    def without_case(self, bound: Iterable[RuleCases]) -> list[Verdict]:
        """A failure for each rule that has no case."""
        have = {each.rule.key for each in bound if each.cases}
        return [
            Verdict(rule, None, False, "a case", "none")
            for key, rule in self.rules.items()
            if key not in have
        ]

    def _rule_of(self, found: FoundCases, diagnostics: Diagnostics) -> JudgedRule | None:
        cases = found.cases
        if cases.rule is not None:
            return self._named(found, diagnostics)
        assert found.source is not None
        slots = self._slots_of(found.source)
        if found.document is not None:
            return next((each.rule for each in slots if each.document == found.document), None)
        if found.position is None:
            if len(slots) == 1:
                return slots[0].rule
            message = "nothing says which rule these are cases of"
        elif found.position < len(slots):
            return slots[found.position].rule
        else:
            file = self.sources[found.source].file
            message = f"{file} holds {len(slots)} rules, and these are cases of one more"
        hint = "say `rule:` with an id or a title"
        diagnostics.report("E_CASE_RULE", message, cases.place, hint)
        return None

    def _named(self, found: FoundCases, diagnostics: Diagnostics) -> JudgedRule | None:
        name = found.cases.rule or ""
        named = [*{**self._by_name.get(name.lower(), {}), **self._by_name.get(name, {})}.values()]
        near = [each for each in named if each in self._by_source.get(found.source or "", ())]
        named = near or named
        if len(named) == 1:
            return named[0]
        if not named and {name, name.lower()} & self._refused():
            return None
        shown = name[:80]
        message = (
            f"{len(named)} rules are called `{shown}`" if named else f"no rule is called `{shown}`"
        )
        hint = "use the id" if named else did_you_mean(name, self._by_name)
        place = found.cases.rule_place or found.cases.place
        diagnostics.report("E_CASE_RULE", message, place, hint)
        return None

    def _refused(self) -> set[str]:
        """What documents of faulty files are called."""
        found: set[str] = set()
        for each in self.sources.values():
            if each.file in self.faulty:
                held = read_file(each.read(), each.file)
                metas = [rule.meta for rule in held.rules]
                metas += [correlation.meta for correlation in held.correlations]
                metas += [refused.meta for refused in held.refused_documents]
                for meta in metas:
                    found |= {(meta.id or "").lower(), meta.name or "", meta.title}
        return found

    def _slots_of(self, source: str) -> list[_Slot]:
        if source not in self._slots:
            self._slots[source] = [*self._read_slots(source)]
        return self._slots[source]

    def _read_slots(self, source: str) -> list[_Slot]:
        """The documents of a file that are rules or correlations, in their order, refused ones too."""
        held = self._by_source.get(source, [])
        data = self.sources[source].read()
        if len(held) == 1 and b"\n---" not in data:
            return [_Slot(0, held[0])]
        contents = read_file(data, source)
        waiting = list(held)
        slots = []
        documents: list[RuleDocument | CorrelationDocument | Refused] = []
        documents += contents.rules
        documents += contents.correlations
        documents += contents.refused_documents
        for each in sorted(documents, key=lambda each: each.place.document):
            same = (
                rule
                for rule in waiting
                if (rule.place.line, rule.title) == (each.place.line, each.meta.title)
            )
            if (rule := next(same, None)) is not None:
                waiting.remove(rule)
            slots.append(_Slot(each.place.document, rule))
        return slots
