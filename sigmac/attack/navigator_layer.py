"""Layers of the ATT&CK Navigator. Source: its layer file format, version 4.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sigmac.attack.attack_table import AttackTable
from sigmac.attack.covered import CountedRule, Fired
from sigmac.attack.tags import techniques

_MOST_NAMED = 20  # rules in a comment
_COLORS = ("#dbe9f6", "#08519c")


def layer(
    name: str, rules: Sequence[CountedRule], table: AttackTable, fired: Fired | None = None
) -> dict[str, Any]:
    """A layer that scores each technique by its rules; with `fired` by those of them that fired, 0 for none."""
    by_technique: dict[str, dict[CountedRule, None]] = {}
    for rule in rules:
        for technique in techniques(rule.tags):
            if table.tactics_of(technique):  # of this domain
                by_technique.setdefault(table.now(technique), {})[rule] = None
    scored = {
        technique: [rule.title for rule in found if fired is None or rule.name in fired]
        for technique, found in by_technique.items()
    }
    above = {name.partition(".")[0] for name in scored if "." in name}
    return {
        "name": name,
        "versions": _versions(table),
        "domain": "enterprise-attack",
        "description": "The score of a technique is how many rules have it"
        + ("." if fired is None else " and fired."),
        "techniques": [
            _technique(each, scored.get(each), each in above) for each in sorted({*scored, *above})
        ],
        "gradient": {
            "colors": _COLORS,
            "minValue": 0,
            "maxValue": max((len(titles) for titles in scored.values()), default=0) or 1,
        },
    }


def _versions(table: AttackTable) -> dict[str, str]:
    major = table.version.partition(".")[0]
    return {**({"attack": major} if major.isdigit() else {}), "navigator": "5.0.0", "layer": "4.5"}


def _technique(name: str, titles: Sequence[str] | None, opened: bool) -> dict[str, Any]:
    """One that no rule has has no score: it is there to show those below it."""
    made: dict[str, Any] = {"techniqueID": name, "showSubtechniques": opened}
    if titles is not None:
        more = len(titles) - _MOST_NAMED
        comment = "\n".join(titles[:_MOST_NAMED]) + (f"\nand {more} more" if more > 0 else "")
        made |= {"score": len(titles), "comment": comment}
    return made
