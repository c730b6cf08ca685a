"""Checks of rules among rules: what two say alike, spell differently, or refer to in vain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sigmac.compiler.checks.metadata import Document, place_of
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.rule import Detection, Item, Rule, items

# What a rule stands in for is expected to be gone.
_EXISTING = frozenset({"derived", "similar", "correlation"})


def repeated_titles(documents: Iterable[Document]) -> Iterator[Diagnostic]:
    """W_TITLE_TWICE and W_NAME_TWICE: what people, and correlations, tell rules apart by."""
    for key, code in (("title", "W_TITLE_TWICE"), ("name", "W_NAME_TWICE")):
        first: dict[str, Document] = {}
        for each in documents:
            text: str | None = getattr(each.meta, key)
            if not text:
                continue
            folded = " ".join(text.split()).lower() if key == "title" else text
            other = first.setdefault(folded, each)
            here, there = place_of(each, key), place_of(other, key)
            # The documents of an `action: global` share what stands there.
            if other is not each and str(here) != str(there):
                message = f"the {key} `{text[:80]}` stands at {there} too"
                yield Diagnostic(code, message, here, f"give it a {key} of its own")


def related_rules(documents: Sequence[Document]) -> Iterator[Diagnostic]:
    """W_RELATED_SELF and N_RELATED: relations to the rule itself and to rules that are not here."""
    known = {each.meta.id.lower() for each in documents if each.meta.id}
    for each in documents:
        node = each.meta.nodes.get("related")
        if node is None or not node.is_list:
            continue
        for child in node.value:
            entry = child.plain() if child.is_map else {}
            target, kind = entry.get("id"), entry.get("type")
            if not isinstance(target, str) or (target, kind) not in each.meta.related:
                continue
            place = child.value["id"].place(each.place.file, each.place.document)
            if each.meta.id and target.lower() == each.meta.id.lower():
                message = "the rule is related to itself"
                yield Diagnostic("W_RELATED_SELF", message, place, "name the other rule's id")
            elif target.lower() not in known and kind in _EXISTING:
                message = f"no rule here has the id `{target[:60]}`"
                yield Diagnostic(
                    "N_RELATED", message, place, "check the id, or check its rule as well"
                )


def same_rules(rules: Sequence[Rule]) -> Iterator[Diagnostic]:
    """W_RULE_TWICE: two rules over the same logsource with the same detection."""
    first: dict[object, Rule] = {}
    for rule in rules:
        detections = {name: _meaning(each) for name, each in rule.detections.items()}
        asked = tuple(condition.expression for condition in rule.conditions)
        other = first.setdefault((rule.logsource.key, asked, tuple(detections.items())), rule)
        if other is not rule:
            where = place_of(other, "title")
            message = f"the detection is that of `{other.meta.title[:60]}` at {where}"
            hint = "remove one of the rules; `related` keeps the id of a merged rule"
            yield Diagnostic("W_RULE_TWICE", message, place_of(rule, "title"), hint)


def _meaning(detection: Detection) -> object:
    """What a detection says, wherever it stands."""
    if isinstance(detection, Item):
        return detection.field, detection.values, detection.all, detection.negated
    return type(detection), tuple(map(_meaning, detection.children))


def field_spellings(rules: Sequence[Rule]) -> Iterator[Diagnostic]:
    """W_FIELD_CASE: a field name that other rules of the same logsource write in another letter
    case.
    """
    spellings: dict[tuple[object, str], Counter[str]] = defaultdict(Counter)
    used: dict[tuple[object, str], Place] = {}
    for rule in rules:
        own: dict[str, Place] = {}
        for detection in rule.detections.values():
            for item in items(detection):
                if item.field:
                    own.setdefault(item.field, item.place)
        for name, place in own.items():
            spellings[rule.logsource.key, name.lower()][name] += 1
            used[id(rule), name] = place
    unusual = {key: counts for key, counts in spellings.items() if len(counts) > 1}
    if not unusual:
        return
    for rule in rules:
        seen = {i.field for d in rule.detections.values() for i in items(d) if i.field}
        for name in sorted(seen):
            counts = unusual.get((rule.logsource.key, name.lower()))
            if counts is None:
                continue
            usual, number = counts.most_common(1)[0]
            if usual != name and len({n for n in seen if n.lower() == name.lower()}) == 1:
                message = (
                    f"{_others(number)} of {rule.logsource} write `{name[:60]}` as `{usual[:60]}`"
                )
                hint = "field names are compared exactly: only one of both can match"
                yield Diagnostic("W_FIELD_CASE", message, used[id(rule), name], hint)


def _others(number: int) -> str:
    return "another rule" if number == 1 else f"{number} rules"
