"""`sigmac build --verify` as its users run it: the exit status, the JSON, the witnesses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import RULES, Run

SOUND = (
    "title: Sound\nlogsource: {product: x}\ndetection:\n  s: {f|startswith: a}\n  condition: s\n"
)

FAULT = """
import sys
from sigmac.compiler.codegen import programs
from sigmac.compiler.ir.expressions import Op
programs.BITS[Op.STARTSWITH] = programs.BITS[Op.CONTAINS]
from sigmac.cli import main
main()
"""


def faulty(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A sigmac whose decision programs are wrong."""
    return subprocess.run(
        [sys.executable, "-c", FAULT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_pack_is_verified_before_it_is_written(sigmac: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(SOUND)
    build = ("build", "rule.yml", "-o", "pack", "--no-cache", "--verify", "-v")
    done = sigmac(*build, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verified: 1 rule on " in done.stderr
    assert "100 % of 1 predicates, " in done.stderr
    before = (tmp_path / "pack" / "manifest.json").read_bytes()
    (tmp_path / "rule.yml").write_text(SOUND.replace("Sound", "Sounder"))
    found = faulty(tmp_path, *build, "--witnesses", "kept")
    assert found.returncode == 70
    assert "internal error: rule.yml:1:1: Sounder: " in found.stderr
    assert '  event: {"f":' in found.stderr
    assert "nothing was written" in found.stderr
    assert "Traceback" not in found.stderr
    assert (tmp_path / "pack" / "manifest.json").read_bytes() == before
    assert not (tmp_path / "kept").exists()


def test_programs_get_the_coverage_and_the_differences_as_json(sigmac: Run, tmp_path: Path) -> None:
    never = SOUND.replace("f|startswith: a", r"f|startswith: a, g|re: 'a\bb'")
    (tmp_path / "rule.yml").write_text(never)
    build = ("build", "rule.yml", "--no-cache", "--verify", "--format", "json")
    done = sigmac(*build, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"version", "diagnostics", "counts", "verification"} == said.keys()
    proof = said["verification"]
    assert proof["predicates"] == {"of": 2, "seen": 1}
    assert (proof["rules"], proof["differences"]) == (1, [])
    pattern, branch = proof["unseen"]
    assert pattern == {
        "rule": "Sound",
        "file": "rule.yml",
        "line": 1,
        "document": 0,
        "kind": "predicate",
        "what": r"`g` against the pattern 'a\\bb'",
        "never": True,
    }
    assert (branch["kind"], branch["never"]) == ("branch", True)
    (tmp_path / "rule.yml").write_text(SOUND)
    found = faulty(tmp_path, *build)
    assert found.returncode == 70
    first = json.loads(found.stdout)["verification"]["differences"][0]
    assert first["rule"] == "Sound"
    assert len({first[who] for who in ("reference", "generated_code", "batch_engine")}) == 2
    assert "f" in first["event"]


def test_witnesses_are_cases_that_the_rules_pass(sigmac: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    (rules / "deep").mkdir(parents=True)
    (rules / "some.yml").write_text(RULES)
    # Without an id, and a title that is another file's too
    (rules / "deep" / "some.yml").write_text(SOUND)
    (rules / "sound.yml").write_text(SOUND)
    build = ("build", "rules", "--no-cache", "-p", "windows", "--witnesses", "kept")
    done = sigmac(*build, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verified: 4 rules on " in done.stderr
    assert " of 4 rules\n" in done.stderr
    kept = {p: p.read_text() for p in (tmp_path / "kept").rglob("*.yml")}
    assert len(kept) == 3
    judged = ("test", "rules", "-p", "windows", "--cases", "kept", "--format", "json")
    tested = sigmac(*judged, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    report = json.loads(tested.stdout)
    assert report["diagnostics"] == []
    assert report["counts"]["rules"] == 4
    assert {case["case"]["kind"] for case in report["cases"]} == {"match", "no_match"}
    # The same rules give the same, in place of what is there
    (tmp_path / "kept" / "rules" / "old.yml").write_text(next(iter(kept.values())))
    assert sigmac(*build, cwd=tmp_path, PYTHONHASHSEED="7").returncode == 0
    assert {p: p.read_text() for p in (tmp_path / "kept").rglob("*.yml")} == kept
    # A rule that says something else fails some of them
    (rules / "sound.yml").write_text(SOUND.replace("startswith", "endswith"))
    assert sigmac(*judged, cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("folder", ["rules", "rules/kept", ".", "pack", "pack/kept"])
def test_witnesses_are_never_written_over_what_is_read(
    sigmac: Run, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "sound.yml").write_text(SOUND)
    build = ("build", "rules", "-o", "pack", "--no-cache", "--witnesses")
    done = sigmac(*build, folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "lie within each other" in done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.yml").write_text("a: b")
    done = sigmac(*build, "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "mine/notes.yml: " in done.stderr
    assert (tmp_path / "mine" / "notes.yml").read_text() == "a: b"
