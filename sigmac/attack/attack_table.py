"""What ATT&CK has: tactics, techniques with their tactics, groups and software, and what was replaced.

One line of the shipped table is an identifier and what it is: the tactics of an enterprise technique; `tactic`,
`group`, `software`; `mobile` or `ics` for techniques of these domains; `now X` for what X replaced, `deprecated` for
what nothing did; behind that stand the names of techniques. Another version is read from the STIX bundles that MITRE
publishes (github.com/mitre-attack/attack-stix-data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from sigmac.attack.tags import NO_TACTIC, PREFIX, TACTICS, is_technique, tactics, techniques
from sigmac.runtime.errors import InputError

VERSION = "19"
_MAX_BYTES = 256 << 20  # of a bundle; that of enterprise has about 50 MB
_NOW = "now "
_DEPRECATED = "deprecated"
_KINDS = {
    "x-mitre-tactic": "tactic",
    "x-mitre-data-source": "data source",
    "intrusion-set": "group",
    "malware": "software",
    "tool": "software",
}
_DOMAINS = {"mitre-mobile-attack": "mobile", "mitre-ics-attack": "ics"}
_NAMED = re.compile(r"(g|s|ds)\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AttackTable:
    """A version of ATT&CK: what each identifier is, in upper case but for tactics, and what techniques are called."""

    version: str
    kinds: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)

    def tactics_of(self, technique: str) -> list[str]:
        """The tactics of an enterprise technique, of a replaced one those of what replaced it; else none.

        >>> shipped().tactics_of("T1086"), shipped().tactics_of("T9999")
        (['execution'], [])
        """
        kind = self.kinds.get(self.now(technique), "")
        return [tactic for tactic in kind.split(",") if tactic in TACTICS]

    def name_of(self, technique: str) -> str:
        """What a technique is called, behind the name of the one that it is under; empty where that is not known.

        >>> shipped().name_of("T1059.001"), shipped().name_of("T9999")
        ('Command and Scripting Interpreter: PowerShell', '')
        """
        above = self.names.get(technique.partition(".")[0], "") if "." in technique else ""
        return ": ".join(filter(None, (above, self.names.get(technique, ""))))

    def under(self, tactic: str) -> list[str]:
        """The techniques of a tactic, those below others left out.

        >>> shipped().under("exfiltration")[:2]
        ['T1011', 'T1020']
        """
        return [name for name in self._current() if tactic in self.tactics_of(name)]

    def now(self, technique: str) -> str:
        """What a technique is called in this version.

        >>> shipped().now("T1086"), shipped().now("T9999")
        ('T1059.001', 'T9999')
        """
        kind = self.kinds.get(technique, "")
        return kind.removeprefix(_NOW) if kind.startswith(_NOW) else technique

    def _current(self) -> Iterator[str]:
        for name, kind in self.kinds.items():
            if "." not in name and not kind.startswith(_NOW) and is_technique(name):
                yield name

    def cells(self, tags: Sequence[str]) -> list[tuple[str, str]]:
        """The tactics and techniques that a rule's tags put it under.

        Of a technique's tactics those count that the rule names, all where it names none of them.

        >>> shipped().cells(["attack.execution", "attack.credential-access", "attack.t1003"])
        [('credential-access', 'T1003')]
        """
        named = tactics(tags)
        found = []
        for technique in techniques(tags):
            own = self.tactics_of(technique)
            chosen = [tactic for tactic in own if tactic in named] or own or named or [NO_TACTIC]
            found += [(tactic, technique) for tactic in chosen]
        return found

    def fault(self, tag: str) -> str | None:
        """Why a tag names nothing that ATT&CK has, in a few words; None where it does, or is no tag of ATT&CK.

        >>> shipped().fault("attack.t1086")
        'T1086 is now T1059.001'
        """
        if not tag.lower().startswith(PREFIX):
            return None
        name = tag.lower().removeprefix(PREFIX)
        is_coded = is_technique(name.upper()) or _NAMED.fullmatch(name)
        name = name.upper() if is_coded else name.replace("_", "-")
        kind = self.kinds.get(name)
        if kind is None:
            return f"ATT&CK {self.version} has none of this name"
        if kind == _DEPRECATED:
            return f"{name} is deprecated, and nothing has replaced it"
        return f"{name} is {kind}" if kind.startswith(_NOW) else None


@cache
def shipped() -> AttackTable:
    """The table that comes along."""
    text = (files("sigmac.attack") / f"attack-{VERSION}.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    names = {name: called for name, _, *of in rows for called in of}
    return AttackTable(VERSION, {name: kind for name, kind, *_ in rows}, names)


@cache
def replaced_tags() -> Mapping[str, str]:
    """Tags of what was replaced, and the tags of what replaced it, in the version that comes along.

    >>> replaced_tags()["attack.t1086"]
    'attack.t1059.001'
    """
    table = shipped()
    return {
        f"{PREFIX}{name.lower()}": f"{PREFIX}{table.now(name).lower()}"
        for name, kind in table.kinds.items()
        if kind.startswith(_NOW)
    }


def read_bundles(paths: Iterable[Path]) -> AttackTable:
    """The table in STIX bundles, as `enterprise-attack.json`. Raises `InputError` with one sentence."""
    kinds: dict[str, str] = {}
    names: dict[str, str] = {}
    version = ""
    for path in paths:
        found = _bundle(path)
        for each in found:
            if each.get("type") == "x-mitre-collection" and not version:
                version = str(each.get("x_mitre_version", ""))[:20]
        read = _kinds(found)
        if not any(is_technique(name) for name in read):
            raise InputError(f"{path}: there are no techniques of ATT&CK in this file")
        kinds = read | kinds  # what the first bundle says stays
        names = _names(found) | names
    return AttackTable(version or "of the given files", kinds, names)


def _bundle(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: a bundle has at most {_MAX_BYTES >> 20} MiB")
    try:
        found = orjson.loads(data)
        objects = found["objects"]
    except (ValueError, TypeError, KeyError):
        objects = None
    if not isinstance(objects, list):
        raise InputError(f"{path}: this is no STIX bundle, as enterprise-attack.json is one")
    return [each for each in objects if isinstance(each, dict)]


def _kinds(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What each identifier is, those that were replaced after the others."""
    names = {str(each.get("id")): name for each in objects if (name := _name(each)) is not None}
    replaced = {
        str(each.get("source_ref")): str(each.get("target_ref"))
        for each in objects
        if each.get("relationship_type") == "revoked-by"
    }
    found: dict[str, str] = {}
    gone: dict[str, str | None] = {}  # with what has replaced them
    for each in objects:
        name = names.get(str(each.get("id")))
        if name is None:
            continue
        if each.get("revoked") is True:
            gone[name] = names.get(_last(str(each.get("id")), replaced))
        elif each.get("x_mitre_deprecated") is True:
            gone[name] = None
        else:
            found[name] = _kind(each)
    for name, now in gone.items():
        found.setdefault(name, f"{_NOW}{now}" if now != name and now in found else _DEPRECATED)
    return found


def _names(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What techniques are called, those that are gone left out."""
    return {
        name: str(each["name"])
        for each in objects
        if each.get("type") == "attack-pattern" and "name" in each
        if not (each.get("revoked") or each.get("x_mitre_deprecated"))
        if (name := _name(each)) is not None
    }


def _last(begin: str, replaced: Mapping[str, str]) -> str:
    seen = {begin}
    while begin in replaced and replaced[begin] not in seen:
        begin = replaced[begin]
        seen.add(begin)
    return begin


def _name(each: Mapping[str, Any]) -> str | None:
    """How tags call an object, None where they do not."""
    kind = each.get("type")
    if kind == "x-mitre-tactic":
        return str(each.get("x_mitre_shortname", ""))
    if kind != "attack-pattern" and kind not in _KINDS:
        return None
    for reference in _dicts(each.get("external_references")):
        if str(reference.get("source_name")).startswith("mitre-") and "external_id" in reference:
            name = str(reference["external_id"])
            return name if is_technique(name) or _NAMED.fullmatch(name.lower()) else None
    return None


def _kind(each: Mapping[str, Any]) -> str:
    if each["type"] in _KINDS:
        return _KINDS[each["type"]]
    phases = list(_dicts(each.get("kill_chain_phases")))
    own = {
        str(phase.get("phase_name"))
        for phase in phases
        if phase.get("kill_chain_name") == "mitre-attack"
    }
    if own:
        return ",".join(tactic for tactic in TACTICS if tactic in own)
    domains = (_DOMAINS.get(str(phase.get("kill_chain_name"))) for phase in phases)
    return next(filter(None, domains), _DEPRECATED)


def _dicts(given: object) -> Iterator[Mapping[str, Any]]:
    return (each for each in (given if isinstance(given, list) else ()) if isinstance(each, dict))
