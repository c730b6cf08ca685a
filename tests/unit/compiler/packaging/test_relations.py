"""Correlations as a pack defines them: names of the pack, fields of its pipelines, what is silent."""

from __future__ import annotations

from pathlib import Path

import sigmac
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources

RULE = """
title: {0}
name: {0}
logsource: {{category: application}}
detection: {{s: {{k: {0}}}, condition: s}}
---
"""
TEXT = f"""{RULE.format("a")}{RULE.format("b")}
title: Many names
name: many
id: 5d2b1d5c-7f7b-4f9a-9d0a-1f2b3c4d5e6f
level: high
correlation:
  type: value_count
  rules: [a, b]
  group-by: user
  timespan: 1h
  condition: {{gte: 2, field: domain}}
---
title: Then b
correlation:
  type: temporal
  group-by: [user]
  timespan: 5m
  condition: many and not b
  generate: true
"""


def build(folder: Path, text: str = TEXT, pipeline: str = "") -> BuildResult:
    (folder / "rules.yml").write_text(text, "utf-8")
    pipelines: tuple[str, ...] = ()
    if pipeline:
        (folder / "p.yaml").write_text(f"transformations: [{pipeline}]", "utf-8")
        pipelines = (str(folder / "p.yaml"),)
    options = BuildOptions("made", pipelines=pipelines)
    return compile_sources(find_sources([folder / "rules.yml"]), options, Cache(None))


def load(result: BuildResult, folder: Path) -> sigmac.Pack:
    write_pack(result.rendered, folder / "pack")
    return sigmac.load_pack(folder / "pack")


def test_a_definition_mirrors_its_document(tmp_path: Path) -> None:
    mapping = "{type: field_name_mapping, mapping: {domain: [dns.name, host], user: user}}"
    pack = load(build(tmp_path, pipeline=mapping), tmp_path)
    assert list(pack.correlations) == ["many", "Then_b"]
    many, then = pack.correlations.values()
    assert (many.type, many.rules, many.timespan) == ("value_count", ("rules", "b"), 3600)
    assert (many.title, many.level, many.silent, then.silent) == (
        "Many names",
        "high",
        False,
        False,
    )
    assert many.group_by == ("user",)
    assert many.condition == {"gte": 2, "field": ("domain",)}
    assert many.fields == {"domain": {"rules": ("dns.name", "host"), "b": ("dns.name", "host")}}
    assert then.rules == ("many", "b")
    assert then.condition == {"expression": {"and": ("many", {"not": "b"})}}
    assert then.source == "rules.yml:25"


def test_what_is_referred_to_without_generate_is_silent(tmp_path: Path) -> None:
    pack = load(build(tmp_path), tmp_path)
    # `b` stands in the second correlation too, which generates.
    assert [pack.rules[place].title for place in sorted(pack.silent)] == ["a"]


def test_a_digest_is_of_what_is_found_not_of_what_it_is_called(tmp_path: Path) -> None:
    first = load(build(tmp_path), tmp_path)
    renamed = TEXT.replace("title: a", "title: Renamed").replace("Many names", "Several names")
    changed = {
        "renamed": renamed,
        "window": TEXT.replace("1h", "2h"),
        "rule": TEXT.replace("{k: b}", "{k: c}"),
    }
    same = {}
    for name, text in changed.items():
        folder = tmp_path / name
        folder.mkdir()
        pack = load(build(folder, text), folder)
        same[name] = [
            pack.correlations[each].digest == first.correlations[each].digest
            for each in ("many", "Then_b")
        ]
    assert same == {"renamed": [True, True], "window": [False, False], "rule": [False, False]}


def test_numbers_are_not_looked_for_in_several_fields(tmp_path: Path) -> None:
    text = TEXT.replace("value_count", "value_sum")
    result = build(tmp_path, text, "{type: field_name_mapping, mapping: {domain: [x, y]}}")
    assert [each.code for each in result.errors] == ["E_CORRELATION", "E_REFERENCE"]


def test_a_rule_of_another_logsource_that_a_correlation_needs_is_silent(tmp_path: Path) -> None:
    text = TEXT.replace(
        "title: b\nname: b\nlogsource: {category: application}",
        "title: b\nname: b\nlogsource: {product: linux}",
    )
    more = """
---
title: Of Linux
name: linux
logsource: {product: linux}
detection: {s: {k: x}, condition: s}
---
title: Many of Linux
correlation: {type: event_count, rules: linux, timespan: 1h, condition: {gte: 3}}
"""
    (tmp_path / "rules.yml").write_text(text + more, "utf-8")
    options = BuildOptions("made", logsources=({"category": "application"},))
    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        result = compile_sources(find_sources([tmp_path / "rules.yml"]), options, cache)
        assert result.errors == []
        assert (result.rules, result.correlations, result.skipped, result.silent) == (2, 2, 2, 2)
    pack = load(result, tmp_path)
    assert [rule.title for rule in pack.rules] == ["a", "b"]
    assert pack.silent == {0, 1}
