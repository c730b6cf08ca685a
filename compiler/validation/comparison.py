"""What three evaluators say of the events of some rules: the reference, the generated code, the batch engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.ir.values import Alternatives, Value
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Item, Metadata, Rule
from sigmac.compiler.validation.rule_tree import Leaf, RuleTree, tree_of
from sigmac.compiler.validation.synthesis import Case, Synthesis
from sigmac.compiler.validation.witnesses import Witness, cases_file, telling
from sigmac.runtime.pack.pack import Pack


@dataclass(frozen=True, slots=True)
class PackedRule:
    """A rule of a pack: its place among the pack's rules, where it stands, and what pipelines made of it.

    `source` is its file as packs name it.
    """

    number: int
    meta: Metadata
    source: str
    place: Place
    variants: tuple[Rule, ...]

    @property
    def title(self) -> str:
        return self.meta.title


@dataclass(frozen=True, slots=True)
class Difference:
    """An event of which evaluators do not say the same about a rule; `reference` is None where it was not asked."""

    title: str
    place: Place
    event: str  # JSON
    why: str
    reference: bool | None
    generated: bool
    batch: bool

    def __str__(self) -> str:
        said = {"the batch engine": self.batch, "the generated code": self.generated}
        if self.reference is not None:
            said["the reference"] = self.reference
        match = [name for name, matches in said.items() if matches]
        none = [name for name, matches in said.items() if not matches]
        by = f"a match by {' and '.join(match)}" if match else "no match"
        told = f"{by}, none by {' and '.join(none)}" if match and none else by
        return f"{self.place}: {self.title}: {told}\n  event: {self.event}\n  made as: {self.why}"


@dataclass(slots=True)
class Share:
    """Of how many things how many were seen both true and false."""

    of: int = 0
    seen: int = 0

    def add(self, other: Share) -> None:
        self.of += other.of
        self.seen += other.seen

    def __str__(self) -> str:
        # Never 100 % while one is left
        percent = "100" if self.seen == self.of else f"{int(1000 * self.seen / self.of) / 10}"
        return f"{percent} % of {self.of:,}"


@dataclass(frozen=True, slots=True)
class Unseen:
    """A predicate of a rule, or else a branch, in words, that no event was found for to show it with a truth."""

    title: str
    place: Place
    is_predicate: bool
    what: str
    never: bool

    def __str__(self) -> str:
        what = self.what if self.is_predicate else f"the branch {self.what}"
        return f"{self.place}: {self.title}: never {'true' if self.never else 'false'}: {what}"


@dataclass(slots=True)
class Kept:
    """Events kept as cases: of how many rules, how many, and the text of each file by the source of its rules."""

    rules: int = 0
    cases: int = 0
    files: dict[str, str] = field(default_factory=dict)

    def add(self, other: Kept) -> None:
        self.rules += other.rules
        self.cases += other.cases
        self.files |= other.files


@dataclass(slots=True)
class Found:
    """What came of some rules: how many events, what they covered, where evaluators differ."""

    rules: int = 0
    events: int = 0
    predicates: Share = field(default_factory=Share)
    branches: Share = field(default_factory=Share)
    unseen: list[Unseen] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    batch: bool = True  # whether the batch engine runs here
    kept: Kept = field(default_factory=Kept)

    def add(self, other: Found) -> None:
        self.rules += other.rules
        self.events += other.events
        self.predicates.add(other.predicates)
        self.branches.add(other.branches)
        self.unseen += other.unseen
        self.differences += other.differences
        self.batch &= other.batch
        self.kept.add(other.kept)


def compare(pack: Pack, rules: Sequence[PackedRule], keep: bool = False) -> Found:
    """Make the events of each rule, and ask all evaluators about them; `keep` those that tell most as cases.

    Every rule is asked about its own events by all three. What generated code and batch engine say of each event and
    every other rule of the pack must be the same, and true where the reference can be asked too, for these rules.
    """
    found = Found(rules=len(rules), batch=pack.engines() is not None)
    expected: set[tuple[int, int]] = set()
    owners: list[tuple[PackedRule, Case]] = []
    most_telling: set[int] = set()
    for rule in rules:
        tree = tree_of(rule.variants)
        synthesis = Synthesis(tree)
        cases = synthesis.cases()
        _cover(rule, synthesis, found)
        ask = _remembered(tree)
        if keep:
            first = {id(case): len(owners) + i for i, case in enumerate(cases)}
            most_telling.update(first[id(case)] for case in telling(cases))
        for case in cases:
            if _means(rule, case.event, ask(case.seen)):
                expected.add((len(owners), rule.number))
            owners.append((rule, case))
    found.events = len(owners)
    lines = b"\n".join(orjson.dumps(case.event) for _, case in owners)
    batch, generated = _pairs(pack.match_batch(lines)), _pairs(pack.match_each(lines))
    own = {(line, rule.number) for line, (rule, _) in enumerate(owners)}
    by_number = {rule.number: rule for rule in rules}
    wrong = (own & (batch ^ expected)) | (own & (generated ^ expected)) | (batch ^ generated)
    wrong |= {pair for pair in batch if pair[1] == REJECTED}
    # The same events as JSON may spell them otherwise, which only who reads bytes can take for others
    spelled = b"\n".join(_spelled_otherwise(case.event) for _, case in owners)
    otherwise = _pairs(pack.match_batch(spelled))
    for line, number in (batch | generated) - own - wrong:
        if number in by_number and not _means(by_number[number], owners[line][1].event, None):
            wrong.add((line, number))
    found.differences = [
        _difference(pack, owners[line], number, by_number, line, generated, batch)
        for line, number in sorted(wrong)
    ]
    found.differences += [
        replace(
            _difference(pack, owners[line], number, by_number, line, generated, otherwise),
            event=_spelled_otherwise(owners[line][1].event).decode(),
        )
        for line, number in sorted((otherwise ^ batch) - wrong)
    ]
    if keep:
        # A case is judged by what the event says it is, so those of another log than the rule's are none of it.
        judged = _pairs(pack.match_batch(lines, logsource="auto"))
        alike = {
            line
            for line, (rule, _) in enumerate(owners)
            if ((line, rule.number) in judged) is ((line, rule.number) in expected)
        }
        found.kept = _kept(rules, owners, sorted(most_telling & alike), expected)
    return found


def _kept(
    rules: Iterable[PackedRule],
    owners: Sequence[tuple[PackedRule, Case]],
    lines: Iterable[int],
    expected: set[tuple[int, int]],
) -> Kept:
    witnesses: dict[int, list[Witness]] = {}
    for line in lines:
        rule, case = owners[line]
        witnesses.setdefault(rule.number, []).append((case, (line, rule.number) in expected))
    by_source: dict[str, list[tuple[Metadata, Sequence[Witness]]]] = {}
    for rule in rules:
        by_source.setdefault(rule.source, []).append((rule.meta, witnesses.get(rule.number, ())))
    kept = Kept()
    for source, each in by_source.items():
        number, cases, text = cases_file(each)
        kept.add(Kept(number, cases, {source: text} if cases else {}))
    return kept


REJECTED = -1  # in the place of a rule
Ask = reference.Holds | None


def _means(rule: PackedRule, event: dict[str, Any], ask: Ask) -> bool:
    return any(reference.matches(each, event, ask) for each in rule.variants)


def _remembered(tree: RuleTree) -> Callable[[Mapping[Expression, bool]], Ask]:
    """What the reference has said of leaves, as it asks for it: the conditions over them it evaluates itself."""
    leaves = {(leaf.field, leaf.value): leaf for leaf in tree.leaves}

    def of(seen: Mapping[Expression, bool]) -> Ask:
        def ask(item: Item, value: Value, event: reference.Event) -> bool:
            if isinstance(value, Alternatives):
                return any(ask(item, each, event) for each in value.values)
            leaf = leaves.get((item.field, value))
            # What no condition names is in no tree.
            return reference.holds(item, value, event) if leaf is None else seen[leaf]

        return ask

    return of


def _spelled_otherwise(event: dict[str, Any]) -> bytes:
    r"""An event as JSON with blanks, characters escaped that may be, as `\u00e9` and `\/`, and numbers in full."""
    text = json.dumps(event)
    if "e+" in text:
        event = json.loads(text, parse_float=_in_full)
    return json.dumps(event, separators=(" , ", "\t: ")).replace("/", "\\/").encode()


def _in_full(text: str) -> int | float:
    number = float(text)
    return int(number) if abs(number) >= 2**64 else number


def _pairs(result: Any) -> set[tuple[int, int]]:
    """Line and rule of each match. A rejected event stands as a match of no rule, so that it is told."""
    found = set(zip(result.record.tolist(), result.rule.tolist(), strict=True))
    return found | {(each.record, REJECTED) for each in result.rejected}


def _difference(
    pack: Pack,
    owner: tuple[PackedRule, Case],
    number: int,
    known: Mapping[int, PackedRule],
    line: int,
    generated: set[tuple[int, int]],
    batch: set[tuple[int, int]],
) -> Difference:
    rule, case = owner
    asked = known.get(number)
    title, place = rule.title, rule.place
    if asked is not None:
        title, place = asked.title, asked.place
    elif number != REJECTED:
        title, place = pack.rules[number].title, Place(pack.rules[number].source)
    said = None if asked is None else _means(asked, case.event, None)
    event = orjson.dumps(case.event).decode()
    pair = line, number
    return Difference(title, place, event, case.why, said, pair in generated, pair in batch)


def _cover(rule: PackedRule, synthesis: Synthesis, found: Found) -> None:
    unseen = dict(synthesis.unseen())  # of what was never either it says: never true
    nodes = synthesis.tree.nodes
    leaves = sum(isinstance(node, Leaf) for node in nodes)
    unseen_leaves = sum(isinstance(node, Leaf) for node in unseen)
    found.predicates.add(Share(leaves, leaves - unseen_leaves))
    branches, unseen_branches = len(nodes) - leaves, len(unseen) - unseen_leaves
    found.branches.add(Share(branches, branches - unseen_branches))
    found.unseen += [
        Unseen(rule.title, rule.place, isinstance(node, Leaf), repr(node)[:200], truth)
        for node, truth in unseen.items()
    ]
