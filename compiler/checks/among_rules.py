"""Checks of rules among rules: what two say alike, spell differently, or refer to in vain."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.checks.metadata import Document, place_of
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.rule import Detection, Item, Rule, items

# What a rule stands in for is expected to be gone.
_EXISTING = frozenset({"derived", "similar", "correlation"})


@dataclass(frozen=True, slots=True)
class Outline:
    """What a document is compared with others by: texts and places, which a build can keep.

    `logsource`, `meaning` (a digest of what is asked of events) and `fields` are those of a detection rule.
    """

    title: str
    name: str | None
    id: str | None
    places: Mapping[str, Place]  # of title, name and id
    related: tuple[tuple[str, str, Place], ...] = ()  # id, type, and where the id stands
    logsource: str = ""
    meaning: str = ""
    fields: Mapping[str, Place] = field(default_factory=dict)  # where each name stands first

    def plain(self) -> list[Any]:
        """The outline as JSON types."""
        return [
            self.title,
            self.name,
            self.id,
            {key: [*place] for key, place in self.places.items()},
            [[target, kind, [*place]] for target, kind, place in self.related],
            self.logsource,
            self.meaning,
            {name: [*place] for name, place in self.fields.items()},
        ]


def outline_of(plain: list[Any]) -> Outline:
    """The outline that `Outline.plain` took apart."""
    title, name, id, places, related, logsource, meaning, fields = plain
    return Outline(
        title,
        name,
        id,
        {key: Place(*place) for key, place in places.items()},
        tuple((target, kind, Place(*place)) for target, kind, place in related),
        logsource,
        meaning,
        {field_name: Place(*place) for field_name, place in fields.items()},
    )


def outline(document: Document) -> Outline:
    """The outline of a document."""
    meta = document.meta
    places = {key: place_of(document, key) for key in ("title", "name", "id")}
    related = tuple(_related(document))
    if not isinstance(document, Rule):
        return Outline(meta.title, meta.name, meta.id, places, related)
    fields: dict[str, Place] = {}
    for detection in document.detections.values():
        for item in items(detection):
            if item.field:
                fields.setdefault(item.field, item.place)
    meanings = [(name, _meaning(each)) for name, each in document.detections.items()]
    asked = [condition.expression for condition in document.conditions]
    said = repr((document.logsource.key, asked, meanings))
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    logsource = str(document.logsource)
    return Outline(meta.title, meta.name, meta.id, places, related, logsource, digest, fields)


def _related(document: Document) -> Iterator[tuple[str, str, Place]]:
    node = document.meta.nodes.get("related")
    if node is None or not node.is_list:
        return
    for child in node.value:
        entry = child.plain() if child.is_map else {}
        target, kind = entry.get("id"), entry.get("type")
        if isinstance(target, str) and (target, kind) in document.meta.related:
            place = child.value["id"].place(document.place.file, document.place.document)
            yield target, str(kind), place


def repeated_titles(documents: Iterable[Outline]) -> Iterator[Diagnostic]:
    """W_TITLE_TWICE and W_NAME_TWICE: what people, and correlations, tell rules apart by."""
    for key, code in (("title", "W_TITLE_TWICE"), ("name", "W_NAME_TWICE")):
        first: dict[str, Outline] = {}
        for each in documents:
            text: str | None = getattr(each, key)
            if not text:
                continue
            folded = " ".join(text.split()).lower() if key == "title" else text
            other = first.setdefault(folded, each)
            here, there = each.places[key], other.places[key]
            # The documents of an `action: global` share what stands there.
            if other is not each and str(here) != str(there):
                message = f"the {key} `{text[:80]}` stands at {there} too"
                hint = f"give it a {key} of its own"
                yield Diagnostic(code, message, here, hint, related=(there,))


def related_rules(documents: Sequence[Outline]) -> Iterator[Diagnostic]:
    """W_RELATED_SELF and N_RELATED: relations to the rule itself and to rules that are not here."""
    known = {each.id.lower() for each in documents if each.id}
    for each in documents:
        for target, kind, place in each.related:
            if each.id and target.lower() == each.id.lower():
                message = "the rule is related to itself"
                yield Diagnostic("W_RELATED_SELF", message, place, "name the other rule's id")
            elif target.lower() not in known and kind in _EXISTING:
                message = f"no rule here has the id `{target[:60]}`"
                yield Diagnostic(
                    "N_RELATED", message, place, "check the id, or check its rule as well"
                )


def same_rules(rules: Iterable[Outline]) -> Iterator[Diagnostic]:
    """W_RULE_TWICE: two rules over the same logsource with the same detection."""
    first: dict[str, Outline] = {}
    for rule in rules:
        if not rule.meaning:
            continue
        other = first.setdefault(rule.meaning, rule)
        if other is not rule:
            where = other.places["title"]
            message = f"the detection is that of `{other.title[:60]}` at {where}"
            hint = "remove one of the rules; `related` keeps the id of a merged rule"
            yield Diagnostic("W_RULE_TWICE", message, rule.places["title"], hint, related=(where,))


def _meaning(detection: Detection) -> object:
    """What a detection says, wherever it stands."""
    if isinstance(detection, Item):
        return detection.field, detection.values, detection.all, detection.negated
    return type(detection).__name__, tuple(map(_meaning, detection.children))


def field_spellings(rules: Sequence[Outline]) -> Iterator[Diagnostic]:
    """W_FIELD_CASE: a field name that other rules of the same logsource write in another letter
    case.
    """
    spellings: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for rule in rules:
        for name in rule.fields:
            spellings[rule.logsource, name.lower()][name] += 1
    unusual = {key: counts for key, counts in spellings.items() if len(counts) > 1}
    if not unusual:
        return
    for rule in rules:
        for name in sorted(rule.fields):
            counts = unusual.get((rule.logsource, name.lower()))
            if counts is None:
                continue
            usual, number = counts.most_common(1)[0]
            if usual != name and len({n for n in rule.fields if n.lower() == name.lower()}) == 1:
                message = (
                    f"{_others(number)} of {rule.logsource} write `{name[:60]}` as `{usual[:60]}`"
                )
                hint = "field names are compared exactly: only one of both can match"
                yield Diagnostic("W_FIELD_CASE", message, rule.fields[name], hint)


def _others(number: int) -> str:
    return "another rule" if number == 1 else f"{number} rules"
