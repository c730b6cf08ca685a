"""A correlation as a pack has it: what its author wrote, with the event fields that pipelines made of names.

Source: `docs/semantics.md`, "Correlations".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.runtime.errors import PackError

COUNTS = ("event_count", "value_count", "temporal", "temporal_ordered")
NUMERIC = ("value_sum", "value_avg", "value_percentile", "value_median")
TYPES = (*COUNTS, *NUMERIC)
OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")

# An event field, or several whose values are taken together
Names = Sequence[str]


@dataclass(frozen=True, slots=True)
class Correlation:
    """One correlation of a pack.

    `rules` are names of rules and correlations of the pack, each once except in temporal_ordered; `timespan` is in
    seconds. `condition` is `{"gte": 5}`, for a `value_…` type with `field` (a list of names) and `percentile`; in
    words `{"expression": {"and": ["a", {"not": "b"}]}}`; None asks for all rules. `fields` says for a name of
    `group_by` or of the condition's `field`, and a rule, which fields of the event stand for it, where that is not
    the name itself: `{"user": {"failed_logon": ["TargetUserName"]}}`; where the variants of a rule differ, fields by
    the name of the variant. `silent` alerts only count for other correlations. `digest` is of all that decides what
    the correlation finds.
    """

    title: str
    type: str
    rules: Sequence[str]
    timespan: int
    group_by: Sequence[str] = ()
    condition: Mapping[str, Any] | None = None
    fields: Mapping[str, Mapping[str, Names | Mapping[str, Names]]] = field(default_factory=dict)
    silent: bool = False
    digest: str = ""
    id: str | None = None
    name: str | None = None
    level: str | None = None
    status: str | None = None
    tags: Sequence[str] = ()
    description: str | None = None
    author: str | None = None
    date: str | None = None
    modified: str | None = None
    license: str | None = None
    references: Sequence[str] = ()
    falsepositives: Sequence[str] = ()
    related: Sequence[Sequence[str]] = ()
    scope: Sequence[str] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def comparisons(self) -> list[tuple[str, int | float]]:
        """The thresholds of the condition, all of which must hold."""
        given = self.condition or {}
        return [(key, given[key]) for key in OPERATORS if key in given]

    @property
    def looks_at(self) -> Sequence[str]:
        """The names whose values a `value_…` type looks at."""
        names: Sequence[str] = (self.condition or {}).get("field", ())
        return names

    @property
    def percentile(self) -> int | float:
        """The percentile that is compared; a median is the 50th."""
        percentile: int | float = (self.condition or {}).get("percentile", 50)
        return percentile

    @property
    def expression(self) -> Any:
        """A condition in words: a rule's name, `{"not": …}`, `{"and": […]}` or `{"or": […]}`; None without one."""
        return (self.condition or {}).get("expression")

    def on_the_wire(self) -> dict[str, Any]:
        """The part that every alert carries."""
        return {"id": self.id, "title": self.title, "level": self.level, "tags": list(self.tags)}


def check_definitions(definitions: Mapping[str, Correlation], rules: Sequence[str]) -> list[str]:
    """The names of the correlations so that each stands behind those it refers to; of those ready, the first goes on.

    `rules` are the names of a pack's rules. Raises `PackError` where a definition is none that can be evaluated.
    """
    known = set(rules)
    if overlap := known & definitions.keys():
        raise PackError(f"`{min(overlap)}` is a rule and a correlation")
    for name, each in definitions.items():
        for problem in _problems(each, known | definitions.keys()):
            raise PackError(f"the correlation {name} {problem}")
    waiting = {
        name: {rule for rule in each.rules if rule in definitions}
        for name, each in definitions.items()
    }
    ordered: list[str] = []
    while waiting:
        ready = next((name for name, below in waiting.items() if below.isdisjoint(waiting)), None)
        if ready is None:
            raise PackError(f"the correlation {next(iter(waiting))} refers to itself")
        del waiting[ready]
        ordered.append(ready)
    return ordered


def _problems(each: Correlation, known: set[str]) -> Iterator[str]:
    if not isinstance(each, Correlation) or each.type not in TYPES:
        yield "is of no known type"
        return
    if not _are_texts([each.title, each.digest]) or not _are_texts(each.tags):
        yield "has metadata that is no text"
    if not _are_texts([text for text in (each.id, each.name, each.level) if text is not None]):
        yield "has metadata that is no text"
    if not isinstance(each.timespan, int) or each.timespan <= 0:
        yield "has no timespan"
    if not _are_texts(each.rules) or not each.rules:
        yield "has no rules"
    elif unknown := set(each.rules) - known:
        yield f"refers to `{min(unknown)[:80]}`, which the pack has not"
    if each.condition is not None and not isinstance(each.condition, dict):
        yield "has a condition that is none"
        return
    if not _are_texts(each.group_by) or not _are_texts(each.looks_at):
        yield "has a field that is no text"
    if not isinstance(each.fields, dict) or not all(map(_are_by_rule, each.fields.values())):
        yield "has fields that are no texts"
    yield from _problems_of_the_condition(each)


def _problems_of_the_condition(each: Correlation) -> Iterator[str]:
    if each.type.startswith("value_") and not each.looks_at:
        yield "looks at no field"
    if each.type in NUMERIC and len(each.looks_at) != 1:
        yield "looks at more than one field"
    if not isinstance(each.percentile, (int, float)) or not 0 <= each.percentile <= 100:
        yield "has a percentile that is none"
    if not all(
        isinstance(number, (int, float)) and number - number == 0 for _, number in each.comparisons
    ):
        yield "compares with what is no number"
    if each.expression is not None:
        if each.type != "temporal" or not _is_expression(each.expression, set(each.rules)):
            yield "has a condition in words that is none"
    elif not each.comparisons and not each.type.startswith("temporal"):
        yield "compares with nothing"


def _are_texts(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and all(isinstance(each, str) for each in given)


def _are_by_rule(given: Any) -> bool:
    return isinstance(given, dict) and all(map(_are_fields, given.values()))


def _are_fields(given: Any) -> bool:
    return all(map(_are_texts, given.values())) if isinstance(given, dict) else _are_texts(given)


def _is_expression(node: Any, rules: set[str], depth: int = 0) -> bool:
    if isinstance(node, str):
        return node in rules
    if not isinstance(node, dict) or len(node) != 1 or depth > 200:
        return False
    ((word, operands),) = node.items()
    if word == "not":
        return _is_expression(operands, rules, depth + 1)
    return (
        word in ("and", "or")
        and isinstance(operands, (list, tuple))
        and bool(operands)
        and all(_is_expression(each, rules, depth + 1) for each in operands)
    )
