"""The document model of a rule, of the filters that act on it, and what correlations share with it.

`read_rule.py` and `read_metadata.py` make it from YAML nodes. Source: Sigma specification 2.1.0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.values import Value, anywhere
from sigmac.compiler.syntax.condition import Condition
from sigmac.compiler.syntax.modifiers.modifiers import PLACEMENTS
from sigmac.compiler.syntax.yaml_nodes import Node

STATUSES = ("unsupported", "deprecated", "experimental", "test", "stable")
LEVELS = ("informational", "low", "medium", "high", "critical")
RELATIONS = ("derived", "obsolete", "merged", "renamed", "similar", "correlation")


@dataclass(frozen=True, slots=True)
class LogSource:
    """Which logs a rule is for; never matched against events, see `docs/semantics.md`."""

    category: str | None = None
    product: str | None = None
    service: str | None = None
    definition: str | None = None
    custom: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str | None, str | None, str | None]:
        return self.product, self.category, self.service

    @property
    def folded(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The key as filters compare it: the letter case of ASCII makes no difference."""
        product, category, service = (
            None if part is None else part.encode("utf-8", "surrogatepass").lower()
            for part in self.key
        )
        return product, category, service

    def __str__(self) -> str:
        return "/".join(part for part in self.key if part)

    def plain(self) -> dict[str, Any]:
        """What is given, as JSON types."""
        return _given(self)


@dataclass(frozen=True, slots=True)
class Item:
    """One detection item, its modifiers applied; `field` None is a keyword item.

    `values` are ORed, with `all` ANDed; `negated` is `neq`. `places` has one place a value, `raw` what is
    written there. What is asked of an event are the `tests`.
    """

    field: str | None
    modifiers: tuple[str, ...]
    values: tuple[Value, ...]
    all: bool
    negated: bool
    place: Place
    places: tuple[Place, ...] = ()
    applied: frozenset[str] = frozenset()  # ids of the pipeline items that changed it
    raw: tuple[Any, ...] = dataclasses.field(default=(), compare=False, repr=False)

    @property
    def tests(self) -> tuple[Value, ...]:
        """The values as they are compared: a keyword that no modifier places stands anywhere in a text."""
        if self.field is not None or not PLACEMENTS.isdisjoint(self.modifiers):
            return self.values
        return tuple(map(anywhere, self.values))


@dataclass(frozen=True, slots=True)
class AllOf:
    """A map: every child is true."""

    children: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A list: some child is true."""

    children: tuple[Detection, ...]


Detection = Item | AllOf | AnyOf


# The order in which a pack has them
_ATTRIBUTES = (
    "title",
    "id",
    "name",
    "level",
    "status",
    "tags",
    "description",
    "author",
    "date",
    "modified",
    "license",
    "references",
    "falsepositives",
    "fields",
    "related",
    "scope",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What all three kinds of document share."""

    title: str
    id: str | None = None
    name: str | None = None
    status: str | None = None
    level: str | None = None
    description: str | None = None
    license: str | None = None
    author: str | None = None
    date: str | None = None
    modified: str | None = None
    taxonomy: str = "sigma"
    references: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    related: tuple[tuple[str, str], ...] = ()
    custom: tuple[tuple[str, Any], ...] = ()
    nodes: dict[str, Node] = field(default_factory=dict, compare=False, repr=False)  # as written

    def plain(self) -> dict[str, Any]:
        """What is given, as JSON types."""
        return _given(self)

    def attributes(self) -> dict[str, Any]:
        """What a pack says of the document as it is written, the title first; defaults are left out."""
        defaults = {each.name: each.default for each in fields(self)}
        found = ((name, getattr(self, name)) for name in _ATTRIBUTES)
        return {name: value for name, value in found if value != defaults[name]}


def _given(data: LogSource | Metadata) -> dict[str, Any]:
    found = ((each.name, getattr(data, each.name)) for each in fields(data) if each.compare)
    return {
        name: _json(dict(value) if name == "custom" else value) for name, value in found if value
    }


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # JSON has no dates and no bytes either: their text stands for them.
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


@dataclass(frozen=True, slots=True)
class Reference:
    """The id or name by which a correlation or filter speaks of a rule."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the rules that it is for match only where its condition holds too.

    The condition is over the filter's own search identifiers. `rules` is empty where the filter is
    for any rule of its logsource.
    """

    meta: Metadata
    logsource: LogSource
    rules: tuple[Reference, ...]
    detections: dict[str, Detection]
    condition: Condition
    place: Place
    places: dict[str, Place] = field(default_factory=dict)  # of the search identifiers

    @property
    def label(self) -> str:
        """How messages call the filter: its id, else its title."""
        return self.meta.id or self.meta.title

    def covers(self, logsource: LogSource) -> bool:
        """Whether every key that the filter's logsource sets is set and equal in a rule's."""
        pairs = zip(self.logsource.folded, logsource.folded, strict=True)
        return all(mine is None or mine == theirs for mine, theirs in pairs)

    def plain(self) -> dict[str, Any]:
        """The filter as JSON types; items with field, modifiers and values as written."""
        return {
            **self.meta.plain(),
            "logsource": self.logsource.plain(),
            "rules": [rule.text for rule in self.rules] or "any",
            "detections": {name: plain_detection(each) for name, each in self.detections.items()},
            "condition": self.condition.text,
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection rule: metadata, logsource, search identifiers in their order, and conditions (any of them).

    With `filters` each condition holds only where all of theirs do, over their own search identifiers.
    """

    meta: Metadata
    logsource: LogSource
    detections: dict[str, Detection]
    conditions: tuple[Condition, ...]
    place: Place
    places: dict[str, Place] = field(default_factory=dict)  # of the search identifiers
    filters: tuple[Filter, ...] = ()  # in pack order

    @property
    def label(self) -> str:
        """How messages call the rule: its id, else its title."""
        return self.meta.id or self.meta.title


def all_items(rule: Rule, without: Collection[str] = ()) -> Iterator[Item]:
    """Every detection item of a rule and of its filters, those of some search identifiers of the rule left out."""
    for name, detection in rule.detections.items():
        if name not in without:
            yield from items(detection)
    for each in rule.filters:
        for detection in each.detections.values():
            yield from items(detection)


def items(detection: Detection) -> Iterator[Item]:
    """Every detection item below a detection."""
    if isinstance(detection, Item):
        yield detection
    else:
        for child in detection.children:
            yield from items(child)


def plain_detection(detection: Detection) -> dict[str, Any]:
    """A detection as JSON types; items with field, modifiers and values as written."""
    if isinstance(detection, Item):
        return {
            "field": detection.field,
            "modifiers": list(detection.modifiers),
            "values": list(detection.raw),
        }
    word = "all_of" if isinstance(detection, AllOf) else "any_of"
    return {word: [plain_detection(child) for child in detection.children]}
