"""The document model: Rule, Correlation, Filter, made from YAML nodes.

A fault in `title`, `logsource` or `detection` refuses the rule; a fault in metadata drops the value with a
warning, because losing a detection over a bad date is worse. Source: Sigma specification 2.1.0.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.ir.values import Value, anywhere
from sigmac.compiler.syntax import condition as conditions
from sigmac.compiler.syntax.apply_modifiers import MAX_COST, apply
from sigmac.compiler.syntax.condition import KEYWORDS, Condition
from sigmac.compiler.syntax.modifiers import PLACEMENTS, ModifierError, split
from sigmac.compiler.syntax.yaml_nodes import Document, Node

STATUSES = ("unsupported", "deprecated", "experimental", "test", "stable")
LEVELS = ("informational", "low", "medium", "high", "critical")
RELATIONS = ("derived", "obsolete", "merged", "renamed", "similar", "correlation")
IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]+")
MAX_NAME = 1000


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
class Rule:
    """A detection rule: metadata, logsource, search identifiers in their order, and conditions (any of them)."""

    meta: Metadata
    logsource: LogSource
    detections: dict[str, Detection]
    conditions: tuple[Condition, ...]
    place: Place
    places: dict[str, Place] = field(default_factory=dict)  # of the search identifiers

    @property
    def label(self) -> str:
        """How messages call the rule: its id, else its title."""
        return self.meta.id or self.meta.title


def items(detection: Detection) -> Iterator[Item]:
    """Every detection item below a detection."""
    if isinstance(detection, Item):
        yield detection
    else:
        for child in detection.children:
            yield from items(child)


@dataclass(slots=True)
class Reader:
    """Reads one document: knows its file, collects its diagnostics, adds up what its values cost."""

    document: Document
    diagnostics: Diagnostics
    spent: int = 0

    def place(self, node: Node) -> Place:
        return node.place(self.document.file, self.document.index)

    def warn(self, code: str, message: str, node: Node, hint: str = "") -> None:
        self.diagnostics.report(code, message, self.place(node), hint)

    def fail(self, code: str, message: str, node: Node, hint: str = "") -> RuleError:
        return RuleError(code, message, self.place(node), hint)

    def attempt(self, *steps: Callable[[], Any]) -> list[Any]:
        """What each step gives; all are carried out, so that all faults are found.

        Raises the `RuleError` of the last step that raised one; those of the others are reported.
        """
        made: list[Any] = []
        failures: list[RuleError] = []
        for step in steps:
            try:
                made.append(step())
            except RuleError as error:
                failures.append(error)
        self.refuse(failures)
        return made

    def refuse(self, failures: Sequence[RuleError]) -> None:
        """Raise the last of some failures, and report the others; where there is none nothing happens."""
        for failure in failures[:-1]:
            self.diagnostics.catch(failure)
        if failures:
            raise failures[-1]

    # Metadata

    def metadata(self, root: Node, known: frozenset[str]) -> Metadata:
        """The shared keys; keys neither shared nor in `known` are custom attributes.

        Raises `RuleError` (`E_TITLE`) where the title is missing or no text.
        """
        given: dict[str, Any] = {}
        custom: list[tuple[str, Any]] = []
        for key, node in root.value.items():
            if key in _METADATA:
                value = _METADATA[key](self, key, node)
                if value is not None:
                    given[key] = value
            elif key not in known and key != "title":
                custom.append((str(key), node.plain()))
        title = root.value.get("title")
        if title is None or not isinstance(title.value, str) or not title.value.strip():
            raise self.fail("E_TITLE", "the rule has no title", title or root, "add `title: …`")
        if len(title.value) > 256:
            self.warn("W_META", "the title is longer than 256 characters", title)
        given["title"] = title.value
        nodes = {
            k: v for k, v in root.value.items() if k in _METADATA or k in ("title", "logsource")
        }
        return Metadata(**given, custom=tuple(custom), nodes=nodes)

    def text(self, key: str, node: Node) -> str | None:
        if node.value is None:
            return None
        if not isinstance(node.value, str):
            self.warn("W_META", f"`{key}` should be text", node)
            return None
        if len(node.value) > 65_535:
            self.warn("W_META", f"`{key}` is longer than 65,535 characters", node)
            return None
        return node.value

    def name(self, key: str, node: Node) -> str | None:
        if isinstance(node.value, str) and node.value:
            return node.value
        self.warn("W_META", "`name` should be a non-empty text", node)
        return None

    def taxonomy(self, key: str, node: Node) -> str | None:
        if node.value != "sigma":
            message = "field names of another taxonomy are used literally"
            self.warn("W_TAXONOMY", message, node, "translate them with a pipeline")
        return self.text(key, node)

    def id(self, key: str, node: Node) -> str | None:
        if node.value is None:
            return None
        text = node.value if isinstance(node.value, str) else str(node.plain())
        if not _is_uuid(text):
            self.warn("W_META", f"`{text[:60]}` is not a UUID", node)
        return text

    def texts(self, key: str, node: Node) -> tuple[str, ...] | None:
        if node.value is None:
            return None
        if not node.is_list:
            self.warn(
                "W_META", f"`{key}` should be a list", node, f"write `{key}:` and `- …` below it"
            )
            return None
        for child in node.value:
            if not isinstance(child.value, str):
                self.warn("W_META", f"`{key}` should hold text only", child)
        return tuple(child.value for child in node.value if isinstance(child.value, str))

    def tags(self, key: str, node: Node) -> tuple[str, ...] | None:
        tags = self.texts(key, node)
        if tags is None:
            return None
        for child in node.value:
            if isinstance(child.value, str) and not re.fullmatch(r"[^.\s]+\.\S+", child.value):
                self.warn(
                    "W_META",
                    f"the tag `{child.value[:60]}` has no namespace",
                    child,
                    "as `attack.t1059`",
                )
        return tuple(tag for tag in tags if re.fullmatch(r"[^.\s]+\.\S+", tag))

    def choice(self, key: str, node: Node) -> str | None:
        known = STATUSES if key == "status" else LEVELS
        if node.value is None:
            return None
        value = node.value if isinstance(node.value, str) else str(node.plain())
        folded = value.lower() if key == "level" else value
        if folded in known:
            return folded
        hint = did_you_mean(value.lower(), known) or f"one of {', '.join(known)}"
        self.warn("W_META", f"`{value[:60]}` is no {key}", node, hint)
        return None

    def date(self, key: str, node: Node) -> str | None:
        value = node.value
        if value is None:
            return None
        if isinstance(value, datetime.datetime):
            value = value.date()
        if isinstance(value, datetime.date):
            return value.isoformat()
        match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)|(\d{4})/(\d{1,2})/(\d{1,2})", str(value))
        try:
            if match and isinstance(value, str):
                return datetime.date(*(int(part) for part in match.groups() if part)).isoformat()
        except ValueError:
            pass  # said just below: the shape is right, the day does not exist
        self.warn("W_META", f"`{str(value)[:60]}` is no date", node, "write YYYY-MM-DD")
        return None

    def related(self, key: str, node: Node) -> tuple[tuple[str, str], ...] | None:
        if node.value is None:
            return None
        if not node.is_list:
            self.warn("W_META", "`related` should be a list of `id` and `type`", node)
            return None
        found = []
        for child in node.value:
            entry = child.plain() if child.is_map else {}
            if set(entry) != {"id", "type"} or not all(isinstance(v, str) for v in entry.values()):
                self.warn("W_META", "`related` should hold maps of `id` and `type`", child)
            elif entry["type"] not in RELATIONS:
                hint = did_you_mean(entry["type"], RELATIONS) or f"one of {', '.join(RELATIONS)}"
                self.warn("W_META", f"`{entry['type'][:60]}` is no relation", child, hint)
            else:
                found.append((entry["id"], entry["type"]))
        return tuple(found)

    # Logsource

    def logsource(self, root: Node) -> LogSource:
        """Raises `RuleError` (`E_LOGSOURCE`)."""
        node = root.value.get("logsource")
        if node is None:
            raise self.fail(
                "E_LOGSOURCE", "there is no logsource", root, "add `logsource: {product: …}`"
            )
        if not node.is_map:
            raise self.fail("E_LOGSOURCE", "the logsource must be a map", node)
        given: dict[str, str] = {}
        custom: list[tuple[str, Any]] = []
        for key, child in node.value.items():
            if key not in ("category", "product", "service", "definition"):
                custom.append((str(key), child.plain()))
            elif child.value is not None:
                if not isinstance(child.value, str):
                    raise self.fail("E_LOGSOURCE", f"`{key}` must be text", child)
                given[key] = child.value
        if not any(given.get(key) for key in ("category", "product", "service")):
            hint = "give at least one of them"
            raise self.fail(
                "E_LOGSOURCE", "the logsource has no category, product or service", node, hint
            )
        return LogSource(
            given.get("category") or None,
            given.get("product") or None,
            given.get("service") or None,
            given.get("definition"),
            tuple(custom),
        )

    # Detections

    def detections(
        self, node: Node, reserved: frozenset[str]
    ) -> tuple[dict[str, Detection], dict[str, Place]]:
        """The search identifiers of a map; keys in `reserved` are not identifiers.

        All faulty identifiers are reported; raises the last one's `RuleError`.
        """
        names = [key for key in node.value if key not in reserved]
        key_nodes = {key: node.keys[key] if node.keys else node.value[key] for key in names}

        def read(key: Any) -> Detection:
            self.check_identifier(key, key_nodes[key])
            return self.detection(node.value[key])

        made = self.attempt(*(partial(read, key) for key in names))
        places = {key: self.place(key_nodes[key]) for key in names}
        return dict(zip(names, made, strict=True)), places

    def check_identifier(self, key: Any, node: Node) -> None:
        if not isinstance(key, str) or not key:
            raise self.fail(
                "E_IDENT", f"the search identifier `{key}` is not text", node, "put it in quotes"
            )
        if key.lower() in KEYWORDS or key.isdecimal():
            message = f"`{key[:60]}` cannot be a search identifier: conditions read it otherwise"
            raise self.fail("E_IDENT", message, node, f"write `selection_{key[:60]}`")
        if len(key) > MAX_NAME:
            raise self.fail("E_IDENT", f"a name is longer than {MAX_NAME} characters", node)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
            hint = "use letters, digits, `_` and `-`"
            if not IDENTIFIER.fullmatch(key):
                hint += "; a condition reaches this one by a pattern only"
            self.warn("W_IDENT", f"the search identifier `{key[:60]}` is unusual", node, hint)

    def detection(self, node: Node) -> Detection:
        if node.value is None or node.value in ({}, []):
            raise self.fail(
                "E_EMPTY", "the search identifier is empty", node, "give it items, or remove it"
            )
        if isinstance(node.value, dict):
            steps = (partial(self.item, key, child, node) for key, child in node.value.items())
            return AllOf(tuple(self.attempt(*steps)))
        if not isinstance(node.value, list):
            return self.keywords([node], node)
        if all(child.is_scalar for child in node.value):
            return self.keywords(node.value, node)
        return AnyOf(tuple(self.attempt(*(partial(self.element, child) for child in node.value))))

    def element(self, node: Node) -> Detection:
        """One element of a list that holds maps or lists."""
        return self.keywords([node], node) if node.is_scalar else self.detection(node)

    def keywords(self, values: list[Node], node: Node) -> Item:
        return self.make_item(None, (), values, node)

    def item(self, key: Any, node: Node, parent: Node) -> Item:
        key_node = parent.keys[key] if parent.keys else node
        if not isinstance(key, str):
            hint = "put the name of the field in quotes"
            raise self.fail("E_IDENT", f"the field name `{key}` is not text", key_node, hint)
        name, names = split(key)
        if len(key) > MAX_NAME:
            raise self.fail(
                "E_IDENT", f"a field name is longer than {MAX_NAME} characters", key_node
            )
        values = node.value if isinstance(node.value, list) else [node]
        return self.make_item(name, names, values, key_node)

    def make_item(
        self, name: str | None, names: tuple[str, ...], values: list[Node], node: Node
    ) -> Item:
        try:
            raw = [child.value for child in values]
            applied = apply(name, names, raw, MAX_COST - self.spent)
        except ModifierError as error:
            self.refuse(
                [
                    self.fail(
                        each.code,
                        each.message,
                        node if each.index is None else values[each.index],
                        each.hint,
                    )
                    for each in (error, *error.others)
                ]
            )
            raise
        self.spent += applied.cost
        for code, message, index in applied.warnings:
            self.warn(code, message, values[index] if index is not None else node)
        places = tuple(self.place(child) for child in values)
        return Item(
            name,
            names,
            applied.values,
            applied.all,
            applied.negated,
            self.place(node),
            places,
            raw=tuple(raw),
        )

    def search(
        self, node: Node, reserved: frozenset[str], timeframe: str | None = None
    ) -> tuple[dict[str, Detection], dict[str, Place], tuple[Condition, ...]]:
        """The search identifiers of a map, their places, and its conditions over them.

        Raises `RuleError` for what refuses the rule; identifiers that no condition uses are reported.
        """
        names = [key for key in node.value if isinstance(key, str) and key not in reserved]

        made, (detections, places) = self.attempt(
            lambda: self.conditions(node, names, timeframe),
            lambda: self.detections(node, reserved),
        )
        used: set[str] = set()
        for each in made:
            conditions.report_remarks(each, self.diagnostics)
            used |= conditions.names_used(each, names)
        for name in names:
            if name not in used:
                message = f"no condition uses `{name[:80]}`"
                hint = "use it in the condition or remove it"
                self.diagnostics.report("W_UNUSED", message, places[name], hint)
        return detections, places, made

    def conditions(
        self, node: Node, names: Sequence[str], timeframe: str | None
    ) -> tuple[Condition, ...]:
        """The conditions of a map over its search identifiers.

        Raises `RuleError` (`E_CONDITION`, `E_SELECTOR_EMPTY`, `E_AGGREGATION`).
        """
        condition = node.value.get("condition")
        if condition is None:
            raise self.fail("E_CONDITION", "there is no condition", node, "add `condition: …`")
        nodes = condition.value if condition.is_list else [condition]
        if not nodes:
            raise self.fail("E_CONDITION", "the list of conditions is empty", condition)
        length = sum(len(each.value) for each in nodes if isinstance(each.value, str))
        if length > conditions.MAX_LENGTH:
            message = (
                f"the conditions are longer than {conditions.MAX_LENGTH:,} characters together"
            )
            raise self.fail("E_CONDITION", message, condition, "split the rule")

        def parse(each: Node) -> Condition:
            if not isinstance(each.value, str):
                raise self.fail("E_CONDITION", "a condition must be text", each)
            made = conditions.parse(each.value, self.place(each), timeframe, each.raw)
            self.refuse(list(conditions.name_faults(made, names)))
            return made

        return tuple(self.attempt(*(partial(parse, each) for each in nodes)))

    def references(self, node: Node, code: str) -> tuple[Reference, ...]:
        """The rules that a correlation or filter names: one id or name, or a list of them.

        Raises `RuleError` with the given code.
        """
        found = []
        for child in node.value if node.is_list else [node]:
            if not isinstance(child.value, str) or not child.value:
                message = "a rule is referred to by its id or name, a text"
                raise self.fail(code, message, child, "put it in quotes")
            found.append(Reference(child.value, self.place(child)))
        return tuple(found)


_METADATA: dict[str, Any] = {
    "id": Reader.id,
    "name": Reader.name,
    "status": Reader.choice,
    "level": Reader.choice,
    "description": Reader.text,
    "license": Reader.text,
    "author": Reader.text,
    "date": Reader.date,
    "modified": Reader.date,
    "taxonomy": Reader.taxonomy,
    "references": Reader.texts,
    "fields": Reader.texts,
    "falsepositives": Reader.texts,
    "scope": Reader.texts,
    "tags": Reader.tags,
    "related": Reader.related,
}
_RULE_KEYS = frozenset({"logsource", "detection"})
_RESERVED = frozenset({"condition", "timeframe"})


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def read_rule(document: Document, diagnostics: Diagnostics) -> Rule:
    """A detection rule from its document; warnings go to `diagnostics`.

    Raises `RuleError` for what refuses the rule; where several things do, all but one are in `diagnostics`.
    """
    reader = Reader(document, diagnostics)
    root = document.root
    meta, logsource, (detections, places, made) = reader.attempt(
        lambda: reader.metadata(root, _RULE_KEYS),
        lambda: reader.logsource(root),
        lambda: _read_detection(reader, root),
    )
    return Rule(meta, logsource, detections, made, reader.place(root), places)


def _read_detection(
    reader: Reader, root: Node
) -> tuple[dict[str, Detection], dict[str, Place], tuple[Condition, ...]]:
    node = root.value.get("detection")
    if node is None or not node.is_map:
        message = "there is no detection" if node is None else "the detection must be a map"
        raise reader.fail(
            "E_DETECTION",
            message,
            node or root,
            "add `detection:` with a selection and a condition",
        )
    timeframe = node.value.get("timeframe")
    if timeframe is not None:
        message = "`timeframe` has no effect on a detection rule"
        reader.warn(
            "W_TIMEFRAME", message, node.keys["timeframe"], "write a correlation with `timespan`"
        )
    return reader.search(node, _RESERVED, str(timeframe.plain()) if timeframe else None)
