"""The logsource of an event: what it says of itself; for Windows what the pipeline `windows` adds, read backwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime.pack.event_logsources import EVENT_LOGSOURCES
from sigmac.runtime.scalar.scalars import lookup, text_of

Logsource = Mapping[str, str]


def told_logsource(event: dict[str, Any]) -> dict[str, str]:
    """Product, category and service of an event as far as it tells them; empty where it tells none."""
    for rule, logsource in _detections():
        if reference.matches(rule, event):
            found = dict(logsource)
            return found | _of_windows(event) if found.get("product") == "windows" else found
    return {}


@cache
def _detections() -> tuple[tuple[Rule, Logsource], ...]:
    texts = [
        yaml.safe_dump(
            {
                "title": each.title,
                "logsource": each.logsource,
                "detection": {"said": each.detection, "condition": "said"},
            }
        )
        for each in EVENT_LOGSOURCES
    ]
    rules = read_file("---\n".join(texts).encode(), "event_logsources").rules
    return tuple(zip(rules, (each.logsource for each in EVENT_LOGSOURCES), strict=True))


def _of_windows(event: Mapping[str, Any]) -> dict[str, str]:
    """The category, or else the service, of which the pipeline asks most that the event has."""
    best, most = {}, 0.0
    for conditions, logsource in _windows():
        if all(_has(event, name, texts) for name, texts in conditions.items()):
            asked = sum(1 / len(texts) for texts in conditions.values())
            if asked > most:
                best, most = dict(logsource), asked
    return best


def _has(event: Mapping[str, Any], name: str, texts: frozenset[str]) -> bool:
    return any((text_of(value) or "").lower() in texts for value in lookup(event, name) or ())


@cache
def _windows() -> tuple[tuple[Mapping[str, frozenset[str]], Logsource], ...]:
    text = (files("sigmac.compiler.pipeline.shipped") / "windows.yml").read_text("utf-8")
    return tuple(_added(yaml.safe_load(text)["transformations"]))


def _added(
    transformations: list[dict[str, Any]],
) -> Iterator[tuple[Mapping[str, frozenset[str]], Logsource]]:
    for each in transformations:
        if each["type"] == "nest":
            yield from _added(each["items"])
        elif each["type"] == "add_condition" and "rule_conditions" in each:
            conditions = {
                name: frozenset(
                    str(v).lower() for v in (given if isinstance(given, list) else [given])
                )
                for name, given in each["conditions"].items()
            }
            logsource = {k: v for k, v in each["rule_conditions"][0].items() if k != "type"}
            yield conditions, logsource
