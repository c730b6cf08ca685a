"""What three evaluators say of the events of some rules: the reference, the generated code, the batch engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.ir.values import Alternatives, Value
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Item, Rule
from sigmac.compiler.validation.rule_tree import Leaf, RuleTree, tree_of
from sigmac.compiler.validation.synthesis import Case, Synthesis
from sigmac.runtime.pack.pack import Pack


@dataclass(frozen=True, slots=True)
class PackedRule:
    """A rule of a pack: its place among the pack's rules, its title, where it stands, what pipelines made of it."""

    number: int
    title: str
    place: Place
    variants: tuple[Rule, ...]


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


@dataclass(slots=True)
class Found:
    """What came of some rules: how many events, what they covered, where evaluators differ."""

    rules: int = 0
    events: int = 0
    predicates: Share = field(default_factory=Share)
    branches: Share = field(default_factory=Share)
    unseen: list[str] = field(default_factory=list)  # in words
    differences: list[Difference] = field(default_factory=list)
    batch: bool = True  # whether the batch engine runs here

    def add(self, other: Found) -> None:
        self.rules += other.rules
        self.events += other.events
        self.predicates.add(other.predicates)
        self.branches.add(other.branches)
        self.unseen += other.unseen
        self.differences += other.differences
        self.batch &= other.batch


def compare(pack: Pack, rules: Sequence[PackedRule]) -> Found:
    """Make the events of each rule, and ask all evaluators about them.

    Every rule is asked about its own events by all three. What generated code and batch engine say of each event and
    every other rule of the pack must be the same, and true where the reference can be asked too, for these rules.
    """
    found = Found(rules=len(rules), batch=pack.engines() is not None)
    expected: set[tuple[int, int]] = set()
    owners: list[tuple[PackedRule, Case]] = []
    for rule in rules:
        tree = tree_of(rule.variants)
        cases = Synthesis(tree).cases()
        _cover(rule, tree, cases, found)
        ask = _remembered(tree)
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
    for line, number in (batch | generated) - own - wrong:
        if number in by_number and not _means(by_number[number], owners[line][1].event, None):
            wrong.add((line, number))
    found.differences = [
        _difference(pack, owners[line], number, by_number, line, generated, batch)
        for line, number in sorted(wrong)
    ]
    return found


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


def _cover(rule: PackedRule, tree: RuleTree, cases: Iterable[Case], found: Found) -> None:
    true: set[Expression] = set()
    false: set[Expression] = set()
    for case in cases:
        for node, truth in case.seen.items():
            (true if truth else false).add(node)
    both = true & false
    leaves = set(tree.leaves)
    found.predicates.add(Share(len(leaves), len(leaves & both)))
    found.branches.add(Share(len(tree.nodes) - len(leaves), len(both - leaves)))
    found.unseen += _words(rule, [each for each in tree.nodes if each not in both], true)


def _words(rule: PackedRule, unseen: Iterable[Expression], true: set[Expression]) -> Iterator[str]:
    for node in unseen:
        what = repr(node) if isinstance(node, Leaf) else f"the branch {repr(node)[:200]}"
        yield f"{rule.place}: {rule.title}: never {'false' if node in true else 'true'}: {what}"
