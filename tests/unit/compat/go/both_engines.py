"""Cases that both engines are asked: how they are read, and how each answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sigmac.compat.go import Config, MapEvent, new_ruleset
from sigmac.compat.go.go_engine import GoEngine

HEAD = "title: A Rule\nlogsource: {product: any}\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to both engines, and what each answers: yes, no, either, or what becomes of the rule."""

    name: str
    file: str  # the text of the rule's file
    shown: str
    event: str
    keywords: tuple[str, ...] | None
    raw: bool
    go: str
    sigmac: str
    why: str

    def __str__(self) -> str:
        return self.name


def read(path: Path) -> dict[str, list[Asked]]:
    """The questions of a file by its topics."""
    topics = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    return {topic: list(_asked(cases)) for topic, cases in topics.items()}


def _asked(cases: list[dict[str, Any]]) -> Iterator[Asked]:
    for case in cases:
        shown = case.get("shown") or case.get("item") or case["detection"]
        file = case.get("file") or HEAD + f"detection: {_detection(case)}\n"
        if "item" in case:
            file = HEAD + f"detection:\n  s:\n    {case['item']}\n  condition: s\n"
        for number, each in enumerate(case.get("events", [case.get("refused", case)]), 1):
            name = case["name"] if "events" not in case else f"{case['name']}, {number}"
            keywords = tuple(each["keywords"]) if "keywords" in each else None
            yield Asked(
                name,
                file,
                shown,
                each.get("event", "{}"),
                keywords,
                case.get("raw") == "true",
                each["go"],
                each["sigmac"],
                each.get("why", ""),
            )


def _detection(case: dict[str, Any]) -> str:
    return str(case.get("detection", "{}"))


def go_says(engine: GoEngine, asked: Asked) -> str:
    """What the Go engine answers."""
    made = engine.rule(asked.file, no_collapse_ws=asked.raw)
    if made["outcome"] != "ok":
        return str(made["outcome"])
    return "yes" if engine.evaluate(json.loads(asked.event), asked.keywords)["matched"] else "no"


def sigmac_says(asked: Asked, folder: Path) -> str:
    """What sigmac answers; of a rule that is refused the code."""
    (folder / "rule.yml").write_text(asked.file, "utf-8")
    rules = new_ruleset(Config(directory=[folder], no_collapse_ws=asked.raw))
    if not rules.ok:
        return rules.errors[0].code
    return "yes" if rules.eval_all(MapEvent(json.loads(asked.event), asked.keywords))[1] else "no"
