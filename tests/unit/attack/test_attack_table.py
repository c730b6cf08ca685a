"""The table of ATT&CK that comes along, and one that is read from STIX bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sigmac.attack.attack_table import read_bundles, shipped
from sigmac.attack.tags import TACTICS, is_technique, techniques
from sigmac.runtime.errors import InputError

PHASE = {"kill_chain_name": "mitre-attack"}


def pattern(identifier: str, tactic: str, **more: Any) -> dict[str, Any]:
    chain = more.pop("chain", "mitre-attack")
    return {
        "type": "attack-pattern",
        "id": f"attack-pattern--{identifier}",
        "external_references": [{"source_name": "mitre-attack", "external_id": identifier}],
        "kill_chain_phases": [{"kill_chain_name": chain, "phase_name": tactic}],
        **more,
    }


def revoked_by(old: str, new: str) -> dict[str, Any]:
    ends = {
        "source_ref": f"attack-pattern--{old}",
        "target_ref": f"attack-pattern--{new}",
    }
    return {"type": "relationship", "id": "r", "relationship_type": "revoked-by", **ends}


OBJECTS: list[Any] = [
    {"type": "x-mitre-collection", "id": "c", "x_mitre_version": "7.5"},
    {"type": "x-mitre-tactic", "id": "t", "x_mitre_shortname": "impact"},
    pattern("T9000", "impact", name="Break"),
    pattern("T9000.001", "impact", name="Bend"),
    pattern("T9001", "impact", name="Fold", revoked=True),
    pattern("T9002", "impact", revoked=True),
    pattern("T9003", "impact", x_mitre_deprecated=True),
    pattern("T9004", "impact", chain="mitre-ics-attack"),
    revoked_by("T9001", "T9002"),
    revoked_by("T9002", "T9000.001"),
    {
        "type": "intrusion-set",
        "id": "g",
        "external_references": [{"source_name": "mitre-attack", "external_id": "G0900"}],
    },
    {"type": "attack-pattern", "id": "without references", "external_references": 5},
    "no object",
]


def bundle(folder: Path, objects: object, name: str = "bundle.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"type": "bundle", "objects": objects}), encoding="utf-8")
    return path


def test_what_is_shipped_holds_together() -> None:
    table = shipped()
    for name, kind in table.kinds.items():
        if kind.startswith("now T"):
            assert table.tactics_of(table.now(name)) or table.kinds[table.now(name)] == "mobile", (
                name
            )
        if "." in name and table.tactics_of(name) and not kind.startswith("now "):
            assert table.tactics_of(name.partition(".")[0]), name  # what it stands below is there
    assert all(table.under(tactic) for tactic in TACTICS if tactic != "defense-evasion")


def test_a_bundle_says_what_each_identifier_is(tmp_path: Path) -> None:
    table = read_bundles([bundle(tmp_path, OBJECTS)])
    assert table.version == "7.5"
    assert table.kinds == {
        "impact": "tactic",
        "T9000": "impact",
        "T9000.001": "impact",
        "T9001": "now T9000.001",
        "T9002": "now T9000.001",
        "T9003": "deprecated",
        "T9004": "ics",
        "G0900": "group",
    }
    named = {each: table.name_of(each) for each in ("T9000", "T9000.001", "T9001", "T9004")}
    assert named == {"T9000": "Break", "T9000.001": "Break: Bend", "T9001": "", "T9004": ""}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "this is no STIX bundle"),
        (b'{"objects": 5}', "this is no STIX bundle"),
        (b"{", "this is no STIX bundle"),
        (b'{"objects": []}', "there are no techniques of ATT&CK in this file"),
    ],
)
def test_what_is_no_bundle_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_bundles([tmp_path / "a.json"])


@pytest.mark.parametrize(
    ("tag", "fault"),
    [
        ("attack.t1003", None),
        ("attack.T1003.001", None),
        ("attack.credential_access", None),
        ("attack.g0032", None),
        ("cve.2021-44228", None),
        ("attack.t0800", None),  # of industrial control systems
        ("attack.t1064", "T1064 is deprecated, and nothing has replaced it"),
        ("attack.t9999", "ATT&CK 19 has none of this name"),
        ("attack.", "ATT&CK 19 has none of this name"),
        ("attack.defense_evasion", "defense-evasion is now stealth or defense-impairment"),
    ],
)
def test_tags_that_name_nothing_are_told(tag: str, fault: str | None) -> None:
    assert shipped().fault(tag) == fault


def test_only_ascii_digits_make_a_technique() -> None:
    assert not is_technique("T١٢٣٤")
    assert techniques(["attack.t1003", "ATTACK.T1003", "attack.t10"]) == ["T1003"]
