"""What the documents of a rule set say of each other: correlations and filters refer to rules.

A reference is an id or a name, never a title. A correlation with a faulty reference is refused, and
so is every correlation above it. Source: Sigma specification, rule references of correlations and
filters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, did_you_mean
from sigmac.compiler.syntax.correlation import Alias, Correlation
from sigmac.compiler.syntax.documents import FileContents, Refused
from sigmac.compiler.syntax.filter import MAX_FILTERS
from sigmac.compiler.syntax.rule import Filter, Reference, Rule

MAX_SUGGESTIONS = 100  # each compares a faulty reference with every name

Target = Rule | Correlation
_Key = tuple[bytes | None, bytes | None, bytes | None]


@dataclass(slots=True)
class Targets:
    """Rules and correlations by what they can be referred to; ids are in lower case."""

    by_id: dict[str, Target]  # the last of each
    by_name: dict[str, list[Target]]
    by_title: dict[str, Target]
    refused: frozenset[str]  # ids and names in lower case
    suggestions: int = 0  # asked for so far

    @classmethod
    def of(cls, targets: Sequence[Target], refused: Iterable[str] = ()) -> Targets:
        by_name: dict[str, list[Target]] = {}
        for target in targets:
            if target.meta.name:
                by_name.setdefault(target.meta.name, []).append(target)
        return cls(
            {target.meta.id.lower(): target for target in targets if target.meta.id},
            by_name,
            {target.meta.title: target for target in targets},
            frozenset(each.lower() for each in refused),
        )

    def find(self, reference: Reference) -> list[Target]:
        """What a reference can mean: nothing, or one rule, or all that share a name."""
        by_id = self.by_id.get(reference.text.lower())
        return [by_id] if by_id else self.by_name.get(reference.text, [])

    def one(self, reference: Reference) -> Target:
        """What a reference of a sound correlation means. Raises `LookupError` where that is not one thing."""
        found = self.find(reference)
        if len(found) != 1:
            raise LookupError(reference.text)
        return found[0]

    def why_unknown(self, reference: Reference) -> tuple[str, str]:
        """Why a reference finds nothing, and a hint."""
        text = reference.text
        if text.lower() in self.refused:
            return f"`{text[:80]}` is refused", "mend its errors first"
        message = f"no rule has the id or name `{text[:80]}`"
        if text in self.by_title:
            meta = self.by_title[text].meta
            known = meta.id or meta.name
            hint = f"refer to it as `{known[:80]}`" if known else "give that rule a name"
            return message, f"a title is no reference: {hint}"
        self.suggestions += 1
        if self.suggestions > MAX_SUGGESTIONS:
            return message, ""
        return message, did_you_mean(text, self.by_name)


def check_references(
    rules: Sequence[Rule],
    correlations: Sequence[Correlation],
    filters: Sequence[Filter],
    diagnostics: Diagnostics,
    refused: Collection[str] = (),
    refused_documents: Sequence[Refused] = (),
) -> list[Correlation]:
    """The correlations whose references are sound, in their order.

    `refused` are the ids and names of the documents that an error has left out already. What is
    wrong is reported: errors for what is left out here; warnings for references without effect, and
    for ids that stand twice in the set, those of `filters` and `refused_documents` included.
    """
    _report_repeated_ids([*rules, *correlations, *filters, *refused_documents], diagnostics)
    targets = Targets.of([*rules, *correlations], refused)
    return _sound_correlations(correlations, targets, diagnostics)


def _report_repeated_ids(
    documents: Iterable[Target | Filter | Refused], diagnostics: Diagnostics
) -> None:
    first: dict[str, Place] = {}
    for each in documents:
        if not each.meta.id:
            continue
        node = each.meta.nodes.get("id")
        place = node.place(each.place.file, each.place.document) if node else each.place
        known = first.setdefault(each.meta.id.lower(), place)
        if known is not place:
            message = f"the id `{each.meta.id[:80]}` stands at {known} too"
            hint = "give each rule its own id: references use the last one"
            diagnostics.report("W_META", message, place, hint, related=(known,))


# Correlations


def _sound_correlations(
    correlations: Sequence[Correlation], targets: Targets, diagnostics: Diagnostics
) -> list[Correlation]:
    number = {id(each): i for i, each in enumerate(correlations)}
    faulty: set[int] = set()
    below: dict[int, dict[int, Reference]] = {}  # the correlations that each one refers to
    for i, correlation in enumerate(correlations):
        own = Diagnostics()
        found = _resolve(correlation, targets, own)
        if own.errors:
            faulty.add(i)
        diagnostics.extend(own)
        below[i] = {number[id(target)]: rule for rule, target in found if id(target) in number}
    ordered, cycles = _in_order(below)
    for cycle in cycles:
        _report_cycle(cycle, below, diagnostics)
    # What has no place in the order is in a cycle or leads to one: refused, whatever else it says.
    unordered = below.keys() - set(ordered)
    faulty |= unordered
    for i in [*ordered, *sorted(unordered.difference(*cycles))]:
        for child, rule in below[i].items():
            if child in faulty:
                message = f"`{rule.text[:80]}` is refused"
                diagnostics.report("E_REFERENCE", message, rule.place, "mend its errors first")
                faulty.add(i)
    return [each for i, each in enumerate(correlations) if i not in faulty]


def _resolve(
    correlation: Correlation, targets: Targets, diagnostics: Diagnostics
) -> list[tuple[Reference, Target]]:
    """The references of a correlation that mean one rule; what is wrong is reported."""
    known = {rule.text: _one(rule, targets, diagnostics) for rule in correlation.rules}
    found = [(rule, target) for rule in correlation.rules if (target := known[rule.text])]
    first: dict[int, Reference] = {}
    for rule, target in found:
        if correlation.type.startswith("value_") and isinstance(target, Correlation):
            message = f"{correlation.type} looks at events, and `{rule.text[:80]}` is a correlation"
            hint = "refer to detection rules only"
            diagnostics.report("E_CORRELATION", message, rule.place, hint)
        other = first.setdefault(id(target), rule)
        if other.text != rule.text:
            message = f"`{rule.text[:80]}` and `{other.text[:80]}` are the same rule"
            diagnostics.report("W_META", message, rule.place, "refer to it in one way")
    for alias in correlation.aliases:
        _check_alias(alias, correlation, found, known, targets, diagnostics)
    return found


def _check_alias(
    alias: Alias,
    correlation: Correlation,
    found: Sequence[tuple[Reference, Target]],
    known: dict[str, Target | None],
    targets: Targets,
    diagnostics: Diagnostics,
) -> None:
    """Whether an alias has one field for each rule that is referred to; `known` are targets by their references."""
    listed = {id(target) for _, target in found}
    covered: dict[int, str] = {}
    for rule, field in alias.fields:
        if rule.text not in known:
            known[rule.text] = _one(rule, targets, diagnostics)
        target = known[rule.text]
        if target is None:
            continue
        if id(target) not in listed:
            message = f"`{rule.text[:80]}` is not among the rules of the correlation"
            diagnostics.report("W_META", message, rule.place, "add it to `rules` or remove it")
        if covered.setdefault(id(target), field) != field:
            message = f"the alias `{alias.name[:80]}` has two fields for `{rule.text[:80]}`"
            diagnostics.report("E_CORRELATION", message, rule.place, "keep one")
    if alias.name not in (*correlation.group_by, *correlation.looks_at):
        message = f"nothing uses the alias `{alias.name[:80]}`"
        hint = "add it to `group-by` or to the condition's `field`, or remove it"
        diagnostics.report("W_META", message, alias.place, hint)
        return
    for rule, target in found:
        if isinstance(target, Rule) and id(target) not in covered:
            message = f"the alias `{alias.name[:80]}` has no field for `{rule.text[:80]}`"
            hint = f"add `{rule.text[:80]}: <field>`"
            diagnostics.report("E_CORRELATION", message, alias.place, hint)


def _one(reference: Reference, targets: Targets, diagnostics: Diagnostics) -> Target | None:
    """The one rule that a reference means; where there is none or several, that is reported."""
    found = targets.find(reference)
    if len(found) == 1:
        return found[0]
    if found:
        _report_ambiguous(reference, found, diagnostics)
    else:
        message, hint = targets.why_unknown(reference)
        diagnostics.report("E_REFERENCE", message, reference.place, hint)
    return None


def _report_ambiguous(reference: Reference, found: list[Target], diagnostics: Diagnostics) -> None:
    places = tuple(target.place for target in found[:4])
    named = ", ".join(map(str, places))
    message = f"{len(found)} rules have the name `{reference.text[:80]}`: {named}"
    hint = "refer to one by its id"
    diagnostics.report("E_REFERENCE", message, reference.place, hint, related=places)


def _in_order(below: dict[int, dict[int, Reference]]) -> tuple[list[int], list[list[int]]]:
    """The nodes of a graph, each after those below it, and cycles among the nodes left over.

    Every node left over is in one of the cycles or leads to one.
    """
    sorter = TopologicalSorter(below)
    with suppress(CycleError):  # the sorter still goes as far as it can
        sorter.prepare()
    ordered: list[int] = []
    while ready := sorter.get_ready():
        ordered += ready
        sorter.done(*ready)
    # Each node left over has another one below it: stepping down from one to the next comes round.
    left = dict.fromkeys(below)
    for node in ordered:
        del left[node]
    cycles: list[list[int]] = []
    start_of: dict[int, int] = {}
    for start in left:
        path = []
        node = start
        while node not in start_of:
            start_of[node] = start
            path.append(node)
            node = next(child for child in below[node] if child in left)
        if start_of[node] == start:
            cycles.append(path[path.index(node) :])
    return ordered, cycles


def _report_cycle(
    cycle: list[int], below: dict[int, dict[int, Reference]], diagnostics: Diagnostics
) -> None:
    steps = [below[i][after] for i, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
    names = [f"`{step.text[:80]}`" for step in [steps[-1], *steps]]
    shown = names if len(names) <= 6 else [*names[:4], "…", names[-1]]
    message = f"the correlation refers to itself: {' → '.join(shown)}"
    for step in steps:
        diagnostics.report("E_CYCLE", message, step.place, "remove one of these references")


# Filters


@dataclass(frozen=True, slots=True)
class Acting:
    """The filters whose references are sound, and for each rule, in its order, those that act on it."""

    filters: list[Filter]
    on: list[list[Filter]]


def acting_filters(
    rules: Sequence[Rule],
    correlations: Sequence[Correlation],
    filters: Sequence[Filter],
    diagnostics: Diagnostics,
    refused: Collection[str] = (),
) -> Acting:
    """Which filters act on which rules, both in pack order; of the rules little more than logsource
    and names need be known.

    `refused` are the ids and names of the documents that an error has left out. What is wrong is
    reported: errors (`E_FILTER`, `E_REFERENCE`) for filters that are left out, `W_FILTER_UNUSED`
    for what has no effect.
    """
    acting = Acting([], [[] for _ in rules])
    if not filters:
        return acting
    targets = Targets.of([*rules, *correlations], refused)
    number = {id(rule): i for i, rule in enumerate(rules)}
    covered = _by_logsource(rules)
    for each in filters:
        own = Diagnostics()
        found = _listed(each, targets, own)
        diagnostics.extend(own)
        if own.errors:
            continue
        acting.filters.append(each)
        if each.rules:
            chosen: Iterable[int] = sorted({number[id(rule)] for rule in found})
        else:
            chosen = covered.get(each.logsource.folded, ())
            if not chosen:
                message = f"no rule has the logsource {each.logsource} of the filter"
                diagnostics.report("W_FILTER_UNUSED", message, each.place)
        for i in chosen:
            if len(acting.on[i]) <= MAX_FILTERS:  # one more is enough to refuse the rule
                acting.on[i].append(each)
    return acting


def acting_in(files: Sequence[FileContents], diagnostics: Diagnostics) -> Acting:
    """Which filters of some files act on which of their rules, as far as reading can tell: `acting_filters`."""
    return acting_filters(
        [each for file in files for each in file.rules],
        [each for file in files for each in file.correlations],
        [each for file in files for each in file.filters],
        diagnostics,
        [name for file in files for name in file.refused_names],
    )


def _by_logsource(rules: Sequence[Rule]) -> dict[_Key, list[int]]:
    """The rules by each logsource that covers theirs: theirs itself, and all that leave keys of it out."""
    found: dict[_Key, list[int]] = {}
    for i, rule in enumerate(rules):
        product, category, service = rule.logsource.folded
        for key in {
            (p, c, s) for p in (product, None) for c in (category, None) for s in (service, None)
        }:
            found.setdefault(key, []).append(i)
    return found


def _listed(each: Filter, targets: Targets, diagnostics: Diagnostics) -> list[Rule]:
    """The rules that a filter lists and acts on."""
    found = []
    for reference in each.rules:
        shown = reference.text[:80]
        meant = targets.find(reference)
        if len(meant) > 1:
            _report_ambiguous(reference, meant, diagnostics)
        elif not meant:
            message, hint = targets.why_unknown(reference)
            diagnostics.report("W_FILTER_UNUSED", message, reference.place, hint)
        elif isinstance(meant[0], Correlation):
            message = f"`{shown}` is a correlation, and filters act on detection rules"
            hint = "list the rules that it refers to"
            diagnostics.report("E_FILTER", message, reference.place, hint)
        elif not each.covers(meant[0].logsource):
            other = f"has the logsource {meant[0].logsource}, the filter {each.logsource}"
            message = f"the filter does not act on `{shown}`, which {other}"
            diagnostics.report("W_FILTER_UNUSED", message, reference.place)
        else:
            found.append(meant[0])
    return found
