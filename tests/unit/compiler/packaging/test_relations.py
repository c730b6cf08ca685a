"""Correlations and filters as a pack holds them: the first with their names mapped, the others as written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sigmac.compiler.checks.among_rules import Outline
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place
from sigmac.compiler.packaging.relations import Documents, read_others, relate
from sigmac.compiler.pipeline import load_pipelines

TEXT = b"""
title: Many names
correlation:
  type: value_count
  rules: [lookups]
  group-by: [user]
  timespan: 1h
  condition: {gte: 2, field: domain}
---
title: Known names
logsource: {category: application}
filter:
  rules: [lookups]
  own: {domain: example.org}
  condition: not own
"""


def written(folder: Path, mapping: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    pipeline = folder / "p.yml"
    pipeline.write_text(f"transformations: [{{type: field_name_mapping, mapping: {mapping}}}]")
    place = Place("r.yml", 1, 1)
    places = {"title": place, "name": place, "id": place}
    rule = {
        "outline": Outline("Lookups", "lookups", None, places).plain(),
        "logsource": [None, "application", None],
        "place": ["r.yml", 1, 1, 1, 0],
    }
    diagnostics = Diagnostics()
    correlations, filters = read_others([("c.yml", TEXT)])
    pipelines = load_pipelines([str(pipeline)])
    sound = relate([rule], correlations, filters, diagnostics, (), pipelines)
    return Documents(sound, filters).plain(), [each.code for each in diagnostics.errors]


def test_names_of_a_correlation_are_mapped_and_a_filter_is_kept(tmp_path: Path) -> None:
    made, errors = written(tmp_path, {"domain": "dns.name", "user": ["u.a", "u.b"]})
    assert not errors
    (correlation,) = made["correlations.json"]
    assert correlation["group_by"] == ["u.a", "u.b"]
    assert correlation["condition"]["field"] == ["dns.name"]
    (kept,) = made["filters.json"]
    assert kept["detections"] == {
        "own": {"all_of": [{"field": "domain", "modifiers": [], "values": ["example.org"]}]}
    }


def test_a_condition_looks_at_one_field(tmp_path: Path) -> None:
    made, errors = written(tmp_path, {"domain": ["a", "b"]})
    assert errors == ["E_PIPELINE"]
    assert "correlations.json" not in made
