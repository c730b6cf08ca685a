"""Filters in a build: which files are compiled again for them, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.units import Options, compile_unit
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import Pack, load_pack
from tests.unit.packs import rule, titles

FILTER = {
    "title": "Known Scanners",
    "logsource": {"product": "windows"},
    "filter": {"rules": "any", "selection": {"u": "scanner"}, "condition": "not selection"},
}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, product in (("a", "windows"), ("b", "linux"), ("c", "windows")):
        text = rule(f"selection: {{f: {name}}}\ncondition: selection", name, f"product: {product}")
        (folder / f"{name}.yml").write_text(f"name: {name}\n{text}")
    return folder


def write(rules: Path, name: str = "filter", **changes: Any) -> None:
    """A file with the filter, its `filter` and other keys changed."""
    inner = FILTER["filter"] | changes.pop("filter", {})  # type: ignore[operator]
    text = yaml.safe_dump(FILTER | {"filter": inner} | changes)
    (rules / f"{name}.yml").write_text(text)


def build(rules: Path, **options: Any) -> BuildResult:
    made = compile_sources(
        find_sources([rules]),
        BuildOptions("p", skip_errors=True, **options),
        Cache(rules.parent / "cache"),
    )
    write_pack(made.rendered, rules.parent / "pack")
    return made


def pack(rules: Path) -> Pack:
    return load_pack(rules.parent / "pack")


def codes(made: BuildResult) -> list[str]:
    return sorted(each.code for each in made.diagnostics)


def test_a_filter_changes_the_rules_that_it_acts_on(rules: Path) -> None:
    write(rules)
    made = build(rules)
    assert (made.rules, made.filters, codes(made)) == (3, 1, [])
    loaded = pack(rules)
    carried = ("Known Scanners",)
    assert {each.title: each.filters for each in loaded.rules} == {
        "a": carried,
        "b": (),
        "c": carried,
    }
    for name, by_scanner in (("a", []), ("b", ["b"]), ("c", [])):
        assert titles(loaded, {"f": name}) == [name]
        assert titles(loaded, {"f": name, "u": "scanner"}) == by_scanner


def test_generated_code_says_where_the_filter_is(rules: Path) -> None:
    write(rules)
    build(rules)
    text = (rules.parent / "pack" / "conditions.py").read_text()
    function = text[text.index("def a(") : text.index("def b(")]
    assert function.strip().endswith(
        '''Filtered by Known Scanners.
    """
    selection = event.equals("f", "a")
    if not selection:
        return False
    filter_known_scanners_selection = event.equals("u", "scanner")
    return not filter_known_scanners_selection'''
    )


def test_only_files_that_a_changed_filter_reaches_are_compiled_again(rules: Path) -> None:
    write(rules)
    assert build(rules).cached == 0
    assert build(rules).cached == 4
    write(rules, filter={"rules": ["a"], "selection": {"u": "other"}})
    assert build(rules).cached == 2  # b, and c whose unit without filters is from the first round
    assert titles(pack(rules), {"f": "a", "u": "scanner"}) == ["a"]
    assert titles(pack(rules), {"f": "a", "u": "other"}) == []
    assert titles(pack(rules), {"f": "c", "u": "other"}) == ["c"]
    write(rules, logsource={"product": "macos"})
    assert build(rules).cached == 3
    assert titles(pack(rules), {"f": "a", "u": "other"}) == ["a"]


def test_the_cache_and_the_processes_change_nothing(rules: Path) -> None:
    for i in range(120):
        (rules / f"more_{i}.yml").write_text(
            rule(f"s: {{g: {i}}}\ncondition: s", f"more {i}", "product: windows")
        )
    write(rules)
    build(rules)
    write(rules, filter={"selection": {"u": "other"}})
    with_cache = build(rules).rendered
    options = BuildOptions("p", skip_errors=True, jobs=2)
    assert compile_sources(find_sources([rules]), options, Cache(None)).rendered == with_cache


def test_what_a_file_says_is_said_once(rules: Path) -> None:
    (rules / "a.yml").write_text(
        rule("s: {f|all: d}\nt: {f: x}\ncondition: s", "d", "product: windows")
    )
    write(rules, filter={"unused": {"u": "x"}})
    assert codes(build(rules)) == ["W_ALL_SINGLE", "W_UNUSED", "W_UNUSED"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"filter": {"rules": None}}, "E_FILTER"),
        ({"filter": {"condition": ["not selection"]}}, "E_FILTER"),
        ({"filter": {"condition": "not other"}}, "E_CONDITION"),
        ({"logsource": None}, "E_LOGSOURCE"),
        ({"filter": {"rules": ["twice"]}}, "E_REFERENCE"),
    ],
)
def test_a_refused_filter_leaves_rules_as_they_are(
    rules: Path, change: dict[str, Any], code: str
) -> None:
    for name in ("x", "y"):
        text = rule(f"s: {{f: {name}}}\ncondition: s", name, "product: linux")
        (rules / f"{name}.yml").write_text(f"name: twice\n{text}")
    write(rules, **change)
    made = build(rules)
    assert ([each.code for each in made.errors], made.refused, made.filters) == ([code], 1, 0)
    assert titles(pack(rules), {"f": "a", "u": "scanner"}) == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        {"filter": {"rules": ["nobody", "a"]}},
        {"filter": {"rules": ["b", "a"]}},
        {"logsource": {"product": "macos"}},
    ],
)
def test_what_has_no_effect_is_told(rules: Path, change: dict[str, Any]) -> None:
    write(rules, **change)
    assert codes(build(rules)) == ["W_FILTER_UNUSED"]


def pipeline(rules: Path, *items: dict[str, Any]) -> tuple[str]:
    file = rules.parent / "pipeline.yml"
    file.write_text(yaml.safe_dump({"transformations": list(items)}))
    return (str(file),)


def failing(field: str) -> dict[str, Any]:
    conditions = [{"type": "include_fields", "fields": [field]}]
    return {
        "type": "detection_item_failure",
        "message": "not logged",
        "field_name_conditions": conditions,
    }


@pytest.mark.parametrize(
    "item",
    [failing("u"), {"type": "strict_field_mapping_failure"}],
    ids=["an item", "a mapping that is missing"],
)
def test_a_field_that_a_pipeline_refuses_refuses_the_rules(
    rules: Path, item: dict[str, Any]
) -> None:
    write(rules, filter={"rules": ["a"]})
    mapping = {"type": "field_name_mapping", "mapping": {"f": "g"}}
    chosen = pipeline(rules, mapping, item)
    made = build(rules, pipelines=chosen)
    assert [(each.code, Path(each.place.file).name) for each in made.errors] == [
        ("E_PIPELINE", "filter.yml")
    ]
    assert (made.refused, [each.title for each in pack(rules).rules]) == (1, ["b", "c"])
    found = check_sources(find_sources([rules]), chosen)
    assert [each for each in found if each.is_error] == made.errors


def test_the_fields_of_a_filter_are_mapped_for_each_rule(rules: Path) -> None:
    write(rules, logsource={"product": "windows"})
    text = rule("s: {f: d}\ncondition: s", "d", "product: windows, category: dns")
    (rules / "d.yml").write_text(text)
    condition = {"type": "logsource", "category": "dns"}
    to_dns = {
        "type": "field_name_mapping",
        "mapping": {"u": "dns.user"},
        "rule_conditions": [condition],
    }
    others = {"type": "field_name_mapping", "mapping": {"u": "user"}}
    build(rules, pipelines=pipeline(rules, to_dns, others))
    loaded = pack(rules)
    assert titles(loaded, {"f": "d", "user": "scanner"}) == ["d"]
    assert titles(loaded, {"f": "d", "dns": {"user": "scanner"}}) == []
    assert titles(loaded, {"f": "a", "user": "scanner"}) == []


def test_what_pipelines_drop_leaves_the_filter_or_the_rule(rules: Path) -> None:
    write(rules, filter={"other": {"v": "x"}, "condition": "not selection and not other"})
    drop = {"type": "drop_detection_item"}
    of_filter = drop | {"field_name_conditions": [{"type": "include_fields", "fields": ["u"]}]}
    build(rules, pipelines=pipeline(rules, of_filter))
    assert titles(pack(rules), {"f": "a", "u": "scanner"}) == ["a"]
    assert titles(pack(rules), {"f": "a", "v": "x"}) == []
    whole = drop | {"field_name_conditions": [{"type": "include_fields", "fields": ["u", "v"]}]}
    build(rules, pipelines=pipeline(rules, whole))
    assert titles(pack(rules), {"f": "a", "u": "scanner", "v": "x"}) == ["a"]
    # A rule that loses all that it asks is refused, and not one that matches whatever its filter lets pass.
    of_rule = drop | {"field_name_conditions": [{"type": "include_fields", "fields": ["f"]}]}
    chosen = pipeline(rules, of_rule)
    made = compile_sources(find_sources([rules]), BuildOptions("p", pipelines=chosen), Cache(None))
    assert {each.code for each in made.errors} == {"E_EMPTY"}
    assert made.rules == 0


def test_state_of_correlations_depends_on_what_filters_ask_and_not_on_their_names(
    rules: Path,
) -> None:
    def meaning(title: str, name: str, user: str) -> str:
        inner = {"rules": "any", name: {"u": user}, "condition": f"not {name}"}
        text = yaml.safe_dump(FILTER | {"title": title, "filter": inner})
        contents = read_file(text.encode(), "f.yml")
        one = rule("s: {f: a}\ncondition: s", "a", "product: windows").encode()
        options = Options(load_pipelines([]))
        return str(
            compile_unit(one, "a", "a", options, {0: contents.filters})["rules"][0]["meaning"]
        )

    known = meaning("Known", "selection", "x")
    assert meaning("Renamed", "selected", "x") == known
    assert meaning("Known", "selection", "y") != known


def test_an_explanation_tells_of_the_rule_alone(rules: Path) -> None:
    write(rules)
    build(rules)
    (match,) = pack(rules).match({"f": "a", "u": "bob"}, explain=True)
    assert match.explanation is not None
    assert match.explanation.selections == {"selection": True}
    assert [each.field for each in match.explanation.questions] == ["f"]


def test_a_filter_cannot_be_taken_for_a_condition(rules: Path) -> None:
    write(
        rules,
        title="x",
        filter={"condition 1": {"u": "scanner"}, "condition": "not 1 of condition*"},
    )
    text = rule("s: {f: a}\nt: {f: z}\ncondition: [s, t]", "a", "product: windows")
    (rules / "a.yml").write_text(text)
    made = build(rules)
    assert [each.code for each in made.errors] == []
    (match,) = pack(rules).match({"f": "a"}, explain=True)
    assert match.explanation is not None
    assert match.explanation.conditions == (0,)


def test_a_filter_that_leaves_nothing_is_told(rules: Path) -> None:
    write(rules, filter={"rules": ["a"], "selection": {"f": "a"}})
    made = build(rules)
    assert [(each.code, each.message) for each in made.diagnostics if each.code == "W_NEVER"] == [
        ("W_NEVER", "with what its filters and the pipelines add, the condition can never be true")
    ]
