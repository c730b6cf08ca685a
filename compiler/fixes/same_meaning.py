"""What a file of rules says, to be compared with what it says after a fix."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.lowering.lower_rule import lower_rule
from sigmac.compiler.optimizer.flatten import flatten
from sigmac.compiler.pipeline import Variant, load_pipelines
from sigmac.compiler.syntax.documents import FileContents
from sigmac.compiler.syntax.modifiers.placeholders import placeholders
from sigmac.compiler.syntax.rule import Filter, Rule, all_items
from sigmac.compiler.syntax.yaml_nodes import Document

# What is compared as read, not as written
_READ = frozenset({"detection", "correlation", "filter"})


@dataclass(frozen=True, slots=True)
class DocumentMeaning:
    """What a document asks of events, None where an error refuses it, and all else that is written in it."""

    asked: Any
    metadata: Mapping[Any, Any]


def meaning_of(documents: Iterable[Document], contents: FileContents) -> dict[int, DocumentMeaning]:
    """The meaning of each document of a file, by its index."""
    asked: dict[int, Any] = {}
    for rule in contents.rules:
        asked[rule.place.document] = _of_rule(rule)
    for each in contents.filters:
        asked[each.place.document] = _of_filter(each)
    for correlation in contents.correlations:
        asked[correlation.place.document] = {
            key: value
            for key, value in correlation.plain().items()
            if key not in correlation.meta.plain()
        }
    return {
        each.index: DocumentMeaning(asked.get(each.index), _metadata(each)) for each in documents
    }


def same_meaning(
    before: Mapping[int, DocumentMeaning],
    after: Mapping[int, DocumentMeaning],
    mends: Collection[str] = (),
) -> bool:
    """Whether documents ask the same and have the same metadata, but for the keys in `mends`.

    A document that an error refused may ask anything now.
    """
    return before.keys() == after.keys() and all(
        (old.asked is None or old.asked == after[index].asked)
        and _without(old.metadata, mends) == _without(after[index].metadata, mends)
        for index, old in before.items()
    )


def _without(metadata: Mapping[Any, Any], keys: Collection[str]) -> dict[Any, Any]:
    return {key: value for key, value in metadata.items() if key not in keys}


def _metadata(document: Document) -> dict[Any, Any]:
    root = document.root
    if not root.is_map:
        return {None: root.plain()}
    return {key: node.plain() for key, node in root.value.items() if key not in _READ}


def _of_rule(rule: Rule) -> Any:
    names = {
        name for item in all_items(rule) for value in item.values for name in placeholders(value)
    }
    variants: Sequence[Variant] = (Variant(None, rule),)
    try:
        if names:
            # Each placeholder stands for a text of its own.
            values = {name: [f"%{name}%"] for name in names}
            variants = load_pipelines((), values).apply(rule, Diagnostics())
        return flatten(lower_rule(variants)), rule.logsource
    except RuleError:
        return None


def _of_filter(each: Filter) -> Any:
    alone = Rule(each.meta, each.logsource, each.detections, (each.condition,), each.place)
    return _of_rule(alone), [rule.text for rule in each.rules]
