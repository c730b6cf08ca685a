"""`sigmac coverage` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sigmac.cli.coverage import coverage
from tests.unit.packs import rule, write_text_pack

RULES = "---\n".join(
    [
        rule(
            "s: {A: x}\ncondition: s",
            "Dump",
            "product: windows, category: process_creation",
            id="5b3c9f0e-6a3a-4c1c-9d53-9a5d0b4c7a11",
            level="high",
            status="test",
            tags="[attack.credential-access, attack.t1003.001]",
        ),
        rule("s: {A: y}\ncondition: s", "Shell", "product: linux", tags="[attack.t1086]"),
        rule("s: {A: z}\ncondition: s", "Untold \u202e", "product: linux", level="low"),
    ]
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "three.yml").write_text(RULES, encoding="utf-8")
    return tmp_path / "rules"


def called(*arguments: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(coverage, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def report(*arguments: str | Path) -> Any:
    return json.loads(called(*arguments, "--format", "json"))


def test_rules_and_their_pack_cover_the_same(rules: Path, tmp_path: Path) -> None:
    of_rules, of_pack = report(rules), report(write_text_pack(RULES, tmp_path / "made"))
    for each in (of_rules, of_pack):
        for listed in each["untagged"] + [r for tag in each["unknown_tags"] for r in tag["rules"]]:
            del listed["source"]
    assert of_rules == of_pack
    tactics = {each["tactic"]: (each["rules"], each["techniques"]) for each in of_rules["tactics"]}
    assert tactics["credential-access"] == (1, 1)
    assert tactics["execution"] == (1, 1)  # that of what replaced T1086
    assert tactics["impact"] == (0, 0)
    assert of_rules["levels"] == [
        {"level": "high", "rules": 1},
        {"level": "low", "rules": 1},
        {"level": "none", "rules": 1},
    ]
    assert [each["tag"] for each in of_rules["unknown_tags"]] == ["attack.t1086"]


def test_people_read_it_whatever_a_title_holds(rules: Path) -> None:
    told = called(rules)
    assert told.startswith("3 rules, 2 techniques of ATT&CK 19\n")
    assert "three.yml:18 Untold \\u202e\n" in told
    assert "attack.t1086: T1086 is now T1059.001 (1 rule, the first in " in told


def test_what_fired_is_counted_beside_it(rules: Path, tmp_path: Path) -> None:
    fired = tmp_path / "matches.ndjson"
    dump = {"id": "5B3C9F0E-6a3a-4c1c-9d53-9a5d0b4c7a11", "title": "Dump"}
    lines = [dump, dump, {"id": None, "title": "Another"}]
    fired.write_text("\n".join(json.dumps({"rule": each}) for each in lines) + "\n\n")
    layer = tmp_path / "layer.json"
    told = report(rules, "--fired", fired, "--layer", layer)
    assert told["fired"] == {"rules": 1, "results": 2, "of_other_rules": 1}
    assert told["levels"][0] == {"level": "high", "rules": 1, "fired": 1}
    scores = {t["techniqueID"]: t.get("score") for t in json.loads(layer.read_text())["techniques"]}
    assert scores == {"T1003": None, "T1003.001": 1, "T1059": None, "T1059.001": 0}
    assert "1 rule fired, 2 results, 1 of rules that are not among these" in called(
        rules, "--fired", fired
    )


def test_a_layer_alone_goes_to_standard_output(rules: Path) -> None:
    assert json.loads(called(rules, "--layer", "-"))["domain"] == "enterprise-attack"


@pytest.mark.parametrize("name", ["matches.ndjson", "link.ndjson", "rules/three.yml"])
def test_a_layer_is_written_over_nothing_that_is_read(rules: Path, name: str) -> None:
    matches, layer = rules.parent / "matches.ndjson", rules.parent / name
    matches.write_text('{"rule": {"id": null, "title": "Dump"}}\n')
    (rules.parent / "link.ndjson").symlink_to(matches)
    before = layer.read_bytes()
    assert "is also an input" in called(rules, "--fired", matches, "--layer", layer, status=2)
    assert layer.read_bytes() == before


def test_ci_may_refuse(rules: Path) -> None:
    called(rules, "--fail-on", "untagged,unknown-tags", status=3)
    assert "is not one of untagged, unknown-tags" in called(rules, "--fail-on", "all", status=2)


def test_a_line_that_is_no_result_is_told_with_its_place(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "m.ndjson").write_text('{"rule": {"id": null, "title": "a"}}\n{"rule": 5}\n')
    with pytest.raises(Exception, match=r"m.ndjson:2: this is no result"):
        called(rules, "--fired", tmp_path / "m.ndjson")
