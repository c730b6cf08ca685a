"""Checks of correlations: what their conditions, groups and references can come to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.correlation import Correlation, Threshold
from sigmac.compiler.syntax.links import Target, Targets
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime.correlation.correlator import MAX_GROUPS
from sigmac.runtime.correlation.step import MAX_HITS

_COUNTS = ("event_count", "value_count", "temporal", "temporal_ordered")
# Bytes that a group and each of its hits take in memory, measured for event_count
_GROUP, _HIT = 350, 200
_LONG = 7 * 86_400  # seconds of a window in which much may gather

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "eq": eq,
    "neq": ne,
}

Fields = Callable[[Rule], Collection[str]]


def check_correlations(
    correlations: Sequence[Correlation],
    targets: Targets,
    fields: Fields,
    never: Collection[int],
) -> Iterator[Diagnostic]:
    """W_ALWAYS, W_RANGE, W_FIELD_CASE, W_NEVER and N_CORR_MEMORY.

    The correlations are sound; `fields` are those that a rule asks for, `never` the rules that cannot match, by
    `id()`.
    """
    dead = set(never)
    for each in _children_first(correlations, targets):
        yield from _always(each, targets)
        yield from _beyond_bound(each)
        yield from _spelled_otherwise(each, targets, fields)
        yield from _without_match(each, targets, dead)
        yield from _memory(each)


def _children_first(correlations: Sequence[Correlation], targets: Targets) -> list[Correlation]:
    done: dict[int, Correlation] = {}

    def add(each: Correlation) -> None:
        for reference in each.rules:
            target = targets.one(reference)
            if isinstance(target, Correlation) and id(target) not in done:
                add(target)
        done[id(each)] = each

    for each in correlations:
        if id(each) not in done:
            add(each)
    return [*done.values()]


def _always(each: Correlation, targets: Targets) -> Iterator[Diagnostic]:
    condition = each.condition
    if each.type not in _COUNTS or not isinstance(condition, Threshold):
        return
    most = len({id(targets.one(rule)) for rule in each.rules})
    if each.type == "temporal_ordered":
        most = len(each.rules)
    bounded = each.type.startswith("temporal")
    # Of a count without a bound what holds for the least ones and a huge one holds in between.
    values = [*range(1, most + 1)] if bounded else [*range(1, 1000), 2**62]
    if all(_holds(value, condition) for value in values):
        message = "every hit makes the condition true"
        hint = "raise the threshold, or use the rule itself"
        yield Diagnostic("W_ALWAYS", message, _place(each), hint)


def _holds(value: int, condition: Threshold) -> bool:
    return all(_COMPARE[operator](value, number) for operator, number in condition.comparisons)


def _beyond_bound(each: Correlation) -> Iterator[Diagnostic]:
    condition = each.condition
    if each.type not in ("event_count", "value_count") or not isinstance(condition, Threshold):
        return
    wanted = max(
        (number for operator, number in condition.comparisons if operator in ("gt", "gte", "eq")),
        default=0,
    )
    if wanted > MAX_HITS:
        message = f"the condition needs {wanted:,} hits, and {MAX_HITS:,} of a group are remembered"
        hint = "count over a shorter timespan, or raise --max-hits where it runs"
        yield Diagnostic("W_RANGE", message, _place(each), hint)


def _spelled_otherwise(each: Correlation, targets: Targets, fields: Fields) -> Iterator[Diagnostic]:
    """Names that a rule below asks for in another spelling: events have one of them."""
    aliases = {alias.name for alias in each.aliases}
    asked = {name for rule in _rules_below(each, targets) for name in fields(rule)}
    folded = {_folded(name): name for name in sorted(asked)}
    for name in dict.fromkeys((*each.group_by, *each.looks_at)):
        known = folded.get(_folded(name))
        if name not in asked and name not in aliases and known is not None:
            message = f"`{name[:80]}` is spelled `{known[:80]}` in the rules that it refers to"
            hint = "names of fields are compared with their letter case"
            yield Diagnostic("W_FIELD_CASE", message, _place(each, "group-by"), hint)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _rules_below(each: Correlation, targets: Targets) -> Iterator[Rule]:
    waiting: list[Target] = [each]
    seen: set[int] = set()
    while waiting:
        target = waiting.pop()
        if id(target) in seen:
            continue
        seen.add(id(target))
        if isinstance(target, Rule):
            yield target
        else:
            waiting += [targets.one(rule) for rule in target.rules]


def _without_match(each: Correlation, targets: Targets, dead: set[int]) -> Iterator[Diagnostic]:
    """References to what never matches; a correlation that needs one never has an alert either."""
    found = [rule for rule in each.rules if id(targets.one(rule)) in dead]
    for rule in found:
        message = f"`{rule.text[:80]}` can never match"
        yield Diagnostic("W_NEVER", message, rule.place, "mend it, or leave it out")
    needs_all = each.condition is None
    if found and (needs_all or len(found) == len(each.rules)):
        dead.add(id(each))


def _memory(each: Correlation) -> Iterator[Diagnostic]:
    if each.timespan < _LONG or not each.group_by:
        return
    most = MAX_GROUPS * (_GROUP + _HIT)
    message = (
        f"hits of {each.timespan // 86_400:,} days are remembered: {most / 1e6:,.0f} MB for {MAX_GROUPS:,} groups "
        f"with one hit each, and {_HIT} bytes for each further hit"
    )
    hint = "a shorter timespan takes less; --max-groups and --max-hits bound it"
    yield Diagnostic("N_CORR_MEMORY", message, _place(each, "timespan"), hint)


def _place(each: Correlation, key: str = "condition") -> Place:
    """Where a key of the correlation stands, or the correlation."""
    node = each.nodes.get(key)
    if node is not None and node.is_map and node.keys:
        node = next(iter(node.keys.values()))
    return node.place(each.place.file, each.place.document) if node else each.place
