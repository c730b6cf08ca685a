"""What rules cover of ATT&CK, and what they are: figures by tactic, technique, logsource, level and status."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sigmac.attack.attack_table import AttackTable
from sigmac.attack.tags import PREFIX, TACTICS, tactics, techniques
from sigmac.runtime.match import LOGSOURCE_KEYS

LEVELS = ("critical", "high", "medium", "low", "informational")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
NONE = "none"

Name = tuple[str, str]  # the id, in lower case, and the title
Fired = Mapping[Name, int]  # how many results are of each rule
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class CountedRule:
    """A rule or a correlation as far as it is counted; `source` is file and line.

    `logsource` are product, category and service, empty where the rule has none; None is a correlation's.
    """

    title: str
    id: str | None = None
    level: str | None = None
    status: str | None = None
    tags: tuple[str, ...] = ()
    logsource: tuple[str, str, str] | None = None
    source: str = ""

    @property
    def name(self) -> Name:
        """By what results name it."""
        return (self.id or "").lower(), self.title


def covered(
    rules: Sequence[CountedRule], table: AttackTable, fired: Fired | None = None
) -> dict[str, Any]:
    """The report as JSON types; `docs/coverage.md` describes it. With `fired` it tells what of it fired, too."""
    by_technique = _grouped((each, rule) for rule in rules for each in techniques(rule.tags))
    by_tactic = _grouped((each, rule) for rule in rules for each in _tactics(rule, table))
    by_tag = _grouped((tag, rule) for rule in rules for tag in rule.tags)
    by_logsource = _grouped((rule.logsource, rule) for rule in rules if rule.logsource is not None)
    by_level = _grouped(((rule.level or NONE).lower(), rule) for rule in rules)
    by_status = _grouped(((rule.status or NONE).lower(), rule) for rule in rules)
    under_tactics = {
        (tactic, table.now(name).partition(".")[0])
        for name in by_technique
        for tactic in table.tactics_of(name)
    }
    report: dict[str, Any] = {
        "version": 1,
        "attack": table.version,
        "rules": len(rules),
        "tactics": [
            {
                "tactic": tactic,
                **_counted(by_tactic.get(tactic, ()), fired),
                "techniques": sum((tactic, name) in under_tactics for name in under),
                "of": len(under),
            }
            for tactic in TACTICS
            if (under := table.under(tactic)) or tactic in by_tactic
        ],
        "techniques": [
            {"technique": name, "tactics": table.tactics_of(name), **_counted(found, fired)}
            for name, found in sorted(by_technique.items())
        ],
        "logsources": [
            {**dict(zip(LOGSOURCE_KEYS, logsource, strict=True)), **_counted(found, fired)}
            for logsource, found in sorted(by_logsource.items(), key=_most_first)
        ],
        "levels": _in_order("level", LEVELS, by_level, fired),
        "statuses": _in_order("status", STATUSES, by_status, fired),
        "untagged": [_shown(rule) for rule in rules if not _is_tagged(rule)],
        "unknown_tags": [
            {"tag": tag, "reason": reason, "rules": [_shown(rule) for rule in found]}
            for tag, found in sorted(by_tag.items())
            if (reason := table.fault(tag)) is not None
        ],
    }
    if fired is not None:
        names = {rule.name for rule in rules}
        report["fired"] = {
            "rules": _counted(rules, fired)["fired"],
            "results": sum(count for name, count in fired.items() if name in names),
            "of_other_rules": sum(count for name, count in fired.items() if name not in names),
        }
    return report


def _tactics(rule: CountedRule, table: AttackTable) -> Iterable[str]:
    """Those that the rule names, or those of its techniques."""
    return tactics(rule.tags) or {tactic for tactic, _ in table.cells(rule.tags)}


def _is_tagged(rule: CountedRule) -> bool:
    return any(tag.lower().startswith(PREFIX) for tag in rule.tags)


def _grouped(pairs: Iterable[tuple[_Key, CountedRule]]) -> dict[_Key, list[CountedRule]]:
    found: dict[_Key, list[CountedRule]] = {}
    for key, rule in pairs:
        found.setdefault(key, []).append(rule)
    return found


def _most_first(group: tuple[tuple[str, str, str], Sequence[CountedRule]]) -> tuple[Any, ...]:
    logsource, found = group
    return -len(found), logsource


def _counted(rules: Collection[CountedRule], fired: Fired | None) -> dict[str, int]:
    if fired is None:
        return {"rules": len(rules)}
    return {"rules": len(rules), "fired": sum(rule.name in fired for rule in rules)}


def _in_order(
    what: str, order: Sequence[str], found: Mapping[str, list[CountedRule]], fired: Fired | None
) -> list[dict[str, Any]]:
    """Groups in the order of a list; what it has not stands behind."""
    names = sorted(found, key=lambda name: (*order, name).index(name))
    return [{what: name, **_counted(found[name], fired)} for name in names]


def _shown(rule: CountedRule) -> dict[str, Any]:
    return {"title": rule.title, "id": rule.id, "source": rule.source}
