"""The build as a whole: what is compiled anew, what is left out, what is reported."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import load_pack
from tests.unit.packs import rule, titles

FAULTY = "title: Faulty\nlogsource: {product: x}\ndetection: {s: {f|nope: a}, condition: s}\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, product in (("a", "windows"), ("b", "linux"), ("c", "Windows")):
        text = rule(f"s: {{f: {name}}}\ncondition: s", name, f"product: {product}")
        (folder / f"{name}.yml").write_text(text)
    return folder


def build(rules: Path, cached: bool = True, **options: Any) -> BuildResult:
    output = rules.parent / "pack"
    cache = Cache(rules.parent / "cache" if cached else None)
    made = compile_sources(find_sources([rules]), BuildOptions("p", **options), cache, output)
    if made.rendered:
        write_pack(made.rendered, output)
    return made


def test_a_build_of_what_is_there_already_is_unchanged(rules: Path) -> None:
    (rules / "d.yml").write_text(rule("s: {f|all: d}\ncondition: s", "d"))
    first, second = build(rules), build(rules)
    assert (first.unchanged, first.cached) == (False, 0)
    assert (second.unchanged, second.cached, second.rendered) == (True, 4, {})
    for name in ("rules", "files", "refused", "passes", "diagnostics"):
        assert getattr(second, name) == getattr(first, name), name
    assert {each.code for each in second.diagnostics} == {"W_ALL_SINGLE", "W_LOGSOURCE"}


def test_of_one_changed_rule_only_that_is_compiled(rules: Path) -> None:
    build(rules)
    (rules / "b.yml").write_text(rule("s: {f: changed}\ncondition: s", "b"))
    again = build(rules)
    assert (again.unchanged, again.cached) == (False, 2)
    assert titles(load_pack(rules.parent / "pack"), {"f": "changed"}) == ["b"]


def test_the_cache_changes_nothing_in_the_pack(rules: Path) -> None:
    build(rules)
    (rules / "b.yml").write_text(rule("s: {f: changed}\ncondition: s", "b"))
    with_cache = build(rules).rendered
    sources = find_sources([rules])
    fresh = compile_sources(sources, BuildOptions("p", jobs=2), Cache(None)).rendered
    assert with_cache == fresh


@pytest.mark.parametrize("change", ["options", "pack", "removed", "name of a file"])
def test_what_makes_a_build_do_its_work_again(rules: Path, change: str) -> None:
    build(rules)
    options: dict[str, Any] = {}
    if change == "options":
        options = {"optimize": False}
    elif change == "pack":
        (rules.parent / "pack" / "rules.py").write_text("changed")
    elif change == "removed":
        (rules / "a.yml").unlink()
    else:
        (rules / "a.yml").rename(rules / "z.yml")
    again = build(rules, **options)
    assert not again.unchanged
    load_pack(rules.parent / "pack")


def test_an_error_leaves_nothing_to_write(rules: Path) -> None:
    (rules / "bad.yml").write_text(FAULTY)
    made = build(rules)
    assert ([each.code for each in made.errors], made.rendered) == (["E_MODIFIER"], {})
    assert not (rules.parent / "pack").exists()


def test_errors_can_be_skipped(rules: Path) -> None:
    (rules / "bad.yml").write_text(FAULTY + "---\n" + rule("s: {f: g}\ncondition: s", "good"))
    made = build(rules, skip_errors=True)
    assert ([each.code for each in made.errors], made.refused, made.rules) == (["E_MODIFIER"], 1, 4)
    pack = load_pack(rules.parent / "pack")
    assert [each.title for each in pack.rules] == ["a", "b", "good", "c"]


def test_without_any_rule_there_is_no_pack(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(FAULTY)
    made = compile_sources(
        find_sources([tmp_path]), BuildOptions("p", skip_errors=True), Cache(None)
    )
    assert (made.rules, made.rendered) == (0, {})


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ([{"product": "windows"}], ["a", "c"]),
        ([{"product": "linux"}, {"product": "WINDOWS"}], ["a", "b", "c"]),
        ([{"product": "windows", "category": "x"}], []),
    ],
)
def test_rules_are_picked_by_logsource(
    rules: Path, wanted: list[dict[str, str]], kept: list[str]
) -> None:
    made = build(rules, logsources=tuple(wanted))
    assert (made.rules, made.skipped) == (len(kept), 3 - len(kept))
    if kept:
        assert [each.title for each in load_pack(rules.parent / "pack").rules] == kept


def test_passes_say_what_they_did_one_after_the_other(rules: Path) -> None:
    (rules / "d.yml").write_text(
        rule("s: {f|contains: [ab, abc]}\nt: {f|contains: [ab, abc]}\ncondition: s or t", "d")
    )
    passes = build(rules).passes
    assert passes[0].nodes[0] > passes[-1].nodes[1]
    for before, after in itertools.pairwise(passes):
        assert before.nodes[1] == after.nodes[0]
        assert before.predicates[1] == after.predicates[0]
    assert build(rules, optimize=False).passes == []


def test_the_order_of_paths_does_not_matter(rules: Path) -> None:
    files = sorted(rules.iterdir())
    made = [
        compile_sources(find_sources(given), BuildOptions("p"), Cache(None)).rendered
        for given in (files, files[::-1])
    ]
    assert made[0] == made[1]
    assert json.loads(made[0]["manifest.json"])["counts"]["rules"] == 3
