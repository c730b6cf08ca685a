"""A build that is verified: no difference where nothing is wrong, and told ones where a fault was planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sigmac.compiler.codegen import programs
from sigmac.compiler.ir.expressions import Op
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.compiler.validation import verify as verification
from sigmac.compiler.validation.verify import verify
from tests.unit.packs import rule

ROOT = Path(__file__).resolve().parents[4]
DEMO = (ROOT / "rules" / "examples", ROOT / "rules" / "logons")


def built(*paths: Path, jobs: int = 1, pipelines: tuple[str, ...] = ()) -> tuple[BuildResult, Any]:
    options = BuildOptions("test", pipelines=pipelines, jobs=jobs)
    made = compile_sources(find_sources(paths), options, Cache(None))
    assert made.errors == []
    return made, options


@pytest.mark.parametrize("jobs", [1, 2])
def test_example_rules_mean_what_they_say(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "FILES", 8)
    demo = str(ROOT / "rules" / "pipelines" / "demo.yml")
    made, options = built(*DEMO, jobs=jobs, pipelines=("windows", "windows-audit", demo))
    steps: list[tuple[int, int]] = []
    found = verify(made, options, lambda *step: steps.append(step))
    assert (found.differences, found.unseen) == ([], [])
    assert found.rules == made.rules
    assert found.predicates.of == found.predicates.seen > 250
    assert found.branches.of == found.branches.seen > 150
    assert steps[-1] == (made.files, made.files)


def test_rules_of_one_file_and_place_are_told_apart(tmp_path: Path) -> None:
    detection = "s: {f: NAME}\ncondition: s"
    documents = [rule(detection.replace("NAME", name), title=name) for name in ("a", "b")]
    repeated = "action: repeat\ntitle: c\ndetection: {s: {f: c}}\n"
    (tmp_path / "rules.yml").write_text("---\n".join([*documents, repeated]))
    made, options = built(tmp_path)
    found = verify(made, options)
    assert (found.rules, found.differences) == (3, [])


def test_a_fault_in_programs_is_told_with_rule_and_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(rule("s: {f|startswith: abc}\ncondition: s", title="T"))
    monkeypatch.setitem(programs.BITS, Op.STARTSWITH, programs.BITS[Op.CONTAINS])
    found = verify(*built(tmp_path))
    assert found.differences
    for each in found.differences:
        assert {each.generated, each.batch} != {each.reference}
        assert "abc" in each.event.lower()
        assert each.title == "T"
        assert f"{tmp_path}/rules.yml:1:1: T: a match by " in str(each)


def test_many_differences_end_the_work_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        text = rule(f"s: {{f|startswith: [abc{i}, b, c, d]}}\ncondition: s")
        (tmp_path / f"{i}.yml").write_text(text)
    monkeypatch.setattr(verification, "FILES", 1)
    monkeypatch.setattr(verification, "MAX_DIFFERENCES", 3)
    monkeypatch.setitem(programs.BITS, Op.STARTSWITH, programs.BITS[Op.CONTAINS])
    found = verify(*built(tmp_path))
    assert len(found.differences) >= 3
    assert found.rules < 30


def test_without_kernels_the_generated_code_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(rule("s: {f: abc}\ncondition: s"))
    monkeypatch.setattr(verification.Pack, "engines", lambda pack: None)
    found = verify(*built(tmp_path))
    assert (found.differences, found.batch) == ([], False)
