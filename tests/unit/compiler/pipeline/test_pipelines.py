"""Variants, warnings, placeholders, correlations and the digest: pipelines as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import Pipelines, load_pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations
from sigmac.compiler.syntax.correlation import Correlation, Threshold
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import LogSource, Rule


@pytest.fixture
def pipelines(tmp_path: Path) -> Any:
    """A function that loads pipelines given as dicts."""

    def load(*given: dict[str, Any], placeholders: Any = None) -> Pipelines:
        files = []
        for number, pipeline in enumerate(given):
            file = tmp_path / f"{number}.yml"
            file.write_text(yaml.safe_dump(pipeline, sort_keys=False), "utf-8")
            files.append(str(file))
        return load_pipelines(files, placeholders)

    return load


def rule(logsource: str = "{product: windows}", detection: str = "{Image: a}") -> Rule:
    text = f"title: t\nlogsource: {logsource}\ndetection: {{s: {detection}, condition: s}}"
    contents = read_file(text.encode(), "rule.yml")
    assert not contents.diagnostics.errors
    return contents.rules[0]


def mapping(target: str, **more: Any) -> dict[str, Any]:
    return {
        "transformations": [{"type": "field_name_mapping", "mapping": {"Image": target}, **more}]
    }


def fields(found: Rule) -> str:
    (detection,) = found.detections.values()
    (item,) = detection.children  # type: ignore[union-attr]
    return str(item.field)  # type: ignore[union-attr]


class TestVariants:
    def test_a_rule_has_the_variants_that_changed_it(self, pipelines: Any) -> None:
        made = pipelines(
            {"variant": "one", **mapping("A")},
            {"variant": "two", **mapping("B")},
            {"variant": "three", **mapping("C", rule_conditions=[{"type": "tag", "tag": "a.b"}])},
        ).apply(rule(), Diagnostics())
        assert [(each.name, fields(each.rule)) for each in made] == [("one", "A"), ("two", "B")]

    def test_common_pipelines_run_for_each_variant_in_order_of_priority(
        self, pipelines: Any
    ) -> None:
        suffix = {"transformations": [{"type": "field_name_suffix", "suffix": "s"}]}
        prefix = {"transformations": [{"type": "field_name_prefix", "prefix": "p"}]}
        late = {"transformations": [{"type": "field_name_mapping", "mapping": {"pImage": "A"}}]}
        made = pipelines(
            {"priority": 30, **suffix},
            {"variant": "late", "priority": 20, **late},
            {"variant": "early", "priority": 5, **mapping("B")},
            {"priority": 10, **prefix},
        ).apply(rule(), Diagnostics())
        assert [(each.name, fields(each.rule)) for each in made] == [
            ("early", "pBs"),
            ("late", "As"),
        ]

    def test_without_a_variant_the_common_pipelines_make_the_rule(self, pipelines: Any) -> None:
        made = pipelines(
            {"variant": "one", **mapping("A", rule_conditions=[{"type": "tag", "tag": "a.b"}])},
            mapping("C"),
        ).apply(rule(), Diagnostics())
        assert [(each.name, fields(each.rule)) for each in made] == [(None, "C")]

    def test_pipelines_of_one_variant_work_together(self, pipelines: Any) -> None:
        second = {
            "variant": "one",
            "transformations": [{"type": "field_name_suffix", "suffix": "s"}],
        }
        made = pipelines({"variant": "one", **mapping("A")}, second).apply(rule(), Diagnostics())
        assert [(each.name, fields(each.rule)) for each in made] == [("one", "As")]

    def test_what_one_variant_set_another_does_not_see(self, pipelines: Any) -> None:
        state = {"type": "set_state", "key": "k", "val": 1}
        seen = {"type": "field_name_suffix", "suffix": "s"}
        seen["rule_conditions"] = [{"type": "processing_state", "key": "k", "val": 1}]  # type: ignore[assignment]
        first = {"variant": "one", **mapping("A")}
        first["transformations"].append(state)
        made = pipelines(first, {"variant": "two", **mapping("B")}, {"transformations": [seen]})
        assert [fields(each.rule) for each in made.apply(rule(), Diagnostics())] == ["As", "B"]


class TestUnmappedLogsource:
    CLAIM: dict[str, Any] = {  # noqa: RUF012 - never changed
        "maps_logsource": {"product": "windows"},
        **mapping("A", rule_conditions=[{"type": "logsource", "category": "image_load"}]),
    }

    def test_gives_a_warning(self, pipelines: Any) -> None:
        diagnostics = Diagnostics()
        (made,) = pipelines(self.CLAIM).apply(
            rule("{product: WINDOWS, category: file_access}"), diagnostics
        )
        assert fields(made.rule) == "Image"
        assert [each.code for each in diagnostics] == ["W_LS_UNMAPPED"]
        assert "WINDOWS/file_access" in diagnostics.found[0].message

    def test_is_an_error_where_asked_for(self, pipelines: Any) -> None:
        with pytest.raises(RuleError, match="E_LOGSOURCE"):
            pipelines(self.CLAIM).apply(rule(), Diagnostics(), strict_logsource=True)

    @pytest.mark.parametrize(
        "logsource", ["{product: windows, category: image_load}", "{product: linux}"]
    )
    def test_a_mapped_or_unclaimed_logsource_is_fine(self, pipelines: Any, logsource: str) -> None:
        diagnostics = Diagnostics()
        pipelines(self.CLAIM).apply(rule(logsource), diagnostics, strict_logsource=True)
        assert not diagnostics.found

    def test_one_of_the_claiming_pipelines_is_enough(self, pipelines: Any) -> None:
        other = {"maps_logsource": [{"category": "x"}, {"product": "windows"}], **mapping("B")}
        diagnostics = Diagnostics()
        pipelines(self.CLAIM, other).apply(rule(), diagnostics)
        assert not diagnostics.found


class TestPlaceholders:
    RULE = rule(detection="{'Image|expand': '%x%'}")

    def test_are_filled_without_a_pipeline(self) -> None:
        (made,) = load_pipelines([], {"x": ["a", 5, 1.5]}).apply(self.RULE, Diagnostics())
        assert [n for n in ("a", "5", "1.5", "b") if matches(made.rule, {"Image": n})] == [
            "a",
            "5",
            "1.5",
        ]

    def test_without_a_value_refuse_the_rule_at_their_place(self) -> None:
        with pytest.raises(RuleError, match="`%x%` has no value") as error:
            load_pipelines([]).apply(self.RULE, Diagnostics())
        assert error.value.diagnostic.code == "E_PLACEHOLDER"
        assert error.value.diagnostic.place.line == 3

    def test_given_values_win_over_vars(self, pipelines: Any) -> None:
        found = pipelines({"vars": {"x": ["file"]}}, placeholders={"x": ["given"]})
        (made,) = found.apply(self.RULE, Diagnostics())
        assert matches(made.rule, {"Image": "given"})
        assert not matches(made.rule, {"Image": "file"})


class TestDigest:
    def test_is_the_same_for_the_same(self, pipelines: Any) -> None:
        assert pipelines(mapping("A")).digest == pipelines(mapping("A")).digest
        assert len(pipelines().digest) == 64

    def test_changes_with_everything_that_decides(self, pipelines: Any) -> None:
        found = [
            pipelines(),
            pipelines(mapping("A")),
            pipelines(mapping("B")),
            pipelines(mapping("A"), mapping("B")),
            pipelines(mapping("B"), mapping("A")),
            pipelines(mapping("A"), placeholders={"x": [1]}),
            pipelines(mapping("A"), placeholders={"x": ["1"]}),
            pipelines(mapping("A"), placeholders={"y": ["1"]}),
            pipelines(mapping("A"), placeholders={"y": ["1", "2"]}),
        ]
        assert len({each.digest for each in found}) == len(found)


class TestWarnings:
    def test_of_parts_that_are_for_queries(self, pipelines: Any) -> None:
        found = pipelines({"postprocessing": [{"type": "template"}], "finalizers": [{"x": 1}]})
        assert [each.code for each in found.warnings] == ["W_PIPELINE", "W_PIPELINE"]
        assert [each.place.line for each in found.warnings] == [2, 4]

    def test_of_conditions_without_effect(self, pipelines: Any) -> None:
        failure = {"type": "rule_failure", "message": "m"}
        failure["field_name_conditions"] = [{"type": "include_fields", "fields": ["A"]}]  # type: ignore[assignment]
        (warning,) = pipelines({"transformations": [failure]}).warnings
        assert warning.message == "`field_name_conditions` has no effect on `rule_failure`"

    def test_of_variables_that_no_placeholder_can_use(self, pipelines: Any) -> None:
        found = pipelines({"vars": {"map": {"a": 1}, "flag": True, "fine": ["x"]}})
        assert [each.message.split("`")[1] for each in found.warnings] == ["map", "flag"]
        assert dict(found.variables) == {"fine": ("x",)}


class TestOrder:
    @staticmethod
    def mapped(*names: str, **more: Any) -> dict[str, Any]:
        mapping = {name: f"x.{name}" for name in names}
        return {"transformations": [{"type": "field_name_mapping", "mapping": mapping, **more}]}

    @staticmethod
    def added(*names: str, **more: Any) -> dict[str, Any]:
        conditions = dict.fromkeys(names, "x")
        return {"transformations": [{"type": "add_condition", "conditions": conditions, **more}]}

    def said(self, found: Pipelines) -> list[str]:
        assert {each.code for each in found.warnings} <= {"W_PIPELINE_ORDER"}
        return [each.message.split("`")[1] for each in found.warnings]

    def test_a_field_that_is_mapped_before_it_is_added(self, pipelines: Any) -> None:
        early, late = self.mapped("A", "B"), {"priority": 10, **self.added("B", "C|contains")}
        found = pipelines(late, early)
        assert self.said(found) == ["B"]
        assert found.warnings[0].place.line == 5
        assert found.warnings[0].hint == "give this pipeline a `priority` above 10, which that has"
        assert self.said(pipelines({"priority": 20, **early}, late)) == []

    def test_nests_and_modifiers_are_looked_into(self, pipelines: Any) -> None:
        nested = {"type": "nest", "items": self.added("A|endswith")["transformations"]}
        assert self.said(pipelines(self.mapped("A"), {"transformations": [nested]})) == ["A"]

    def test_a_field_that_is_mapped_later_too_is_fine(self, pipelines: Any) -> None:
        assert self.said(pipelines(self.mapped("A"), self.added("A"), self.mapped("A"))) == []

    def test_other_logsources_and_other_variants_do_not_meet(self, pipelines: Any) -> None:
        linux = {"rule_conditions": [{"type": "logsource", "product": "linux"}]}
        windows = {"rule_conditions": [{"type": "logsource", "product": "Windows"}]}
        early = self.mapped("A", **linux)
        assert self.said(pipelines(early, self.added("A", **windows))) == []
        assert self.said(pipelines(early, self.added("A", **linux))) == ["A"]
        one, two = {"variant": "one", **self.mapped("A")}, {"variant": "two", **self.added("A")}
        assert self.said(pipelines(one, two)) == []

    def test_the_shipped_pipelines_have_no_fault_of_order(self) -> None:
        assert load_pipelines(["windows", "windows-audit"]).warnings == ()


class TestCorrelations:
    TEXT = b"""
title: Many logons
correlation:
  type: value_count
  rules: [a, b]
  group-by: [User, computer]
  aliases: {computer: {a: Host, b: Workstation}}
  timespan: 5m
  condition: {field: User, gte: 3}
fields: [User]
"""

    def correlation(self) -> Correlation:
        return read_file(self.TEXT, "c.yml").correlations[0]

    def test_field_names_are_mapped_everywhere(self, pipelines: Any) -> None:
        names = {"User": "user.name", "Host": "host.name", "computer": "never"}
        found = pipelines({"transformations": [{"type": "field_name_mapping", "mapping": names}]})
        made = found.apply_to_correlation(self.correlation())
        assert made.group_by == ("user.name", "computer")
        assert [name for _, name in made.aliases[0].fields] == ["host.name", "Workstation"]
        assert isinstance(made.condition, Threshold)
        assert made.condition.fields == ("user.name",)
        assert made.meta.fields == ("user.name",)

    def test_conditions_look_at_the_rules_that_it_refers_to(self, pipelines: Any) -> None:
        suffix = {"type": "field_name_suffix", "suffix": "s"}
        suffix["rule_conditions"] = [{"type": "logsource", "product": "windows"}]  # type: ignore[assignment]
        nested = {"type": "nest", "items": [suffix]}
        nested["rule_conditions"] = [{"type": "is_sigma_correlation_rule"}]
        found = pipelines({"transformations": [nested]})
        logsources = [LogSource(product="linux"), LogSource(product="Windows")]
        assert found.apply_to_correlation(self.correlation()).group_by[0] == "User"
        assert found.apply_to_correlation(self.correlation(), logsources).group_by[0] == "Users"

    def test_a_group_may_be_by_several_fields_but_a_condition_looks_at_one(
        self, pipelines: Any
    ) -> None:
        names = {"User": ["A", "B"]}
        found = pipelines({"transformations": [{"type": "field_name_mapping", "mapping": names}]})
        with pytest.raises(RuleError, match="`User` maps to several fields") as error:
            found.apply_to_correlation(self.correlation())
        assert error.value.diagnostic.code == "E_PIPELINE"

    def test_a_variant_takes_part_where_it_is_the_only_one(self, pipelines: Any) -> None:
        names = {"type": "field_name_mapping", "mapping": {"User": "U"}}
        one = {"variant": "one", "transformations": [names]}
        assert pipelines(one).apply_to_correlation(self.correlation()).group_by[0] == "U"
        two = {"variant": "two", "transformations": [names]}
        assert pipelines(one, two).apply_to_correlation(self.correlation()).group_by[0] == "User"

    def test_of_a_rule_set_each_sees_the_rules_below_it(self, pipelines: Any) -> None:
        suffix = {"type": "field_name_suffix", "suffix": "s"}
        suffix["rule_conditions"] = [{"type": "logsource", "product": "linux"}]  # type: ignore[assignment]
        linux = rule("{product: linux}")
        linux = replace(linux, meta=replace(linux.meta, name="a"))
        first = self.correlation()
        first = replace(first, meta=replace(first.meta, name="first"))
        second = replace(first, rules=(replace(first.rules[0], text="first"),))
        diagnostics = Diagnostics()
        found = pipelines({"transformations": [suffix]})
        made, refused = map_correlations([second, first], [linux], found, diagnostics)
        assert [each.group_by[0] for each in made] == ["Users", "Users"]
        assert not refused
        assert not diagnostics.found

    def test_one_that_is_refused_is_named_and_said(self, pipelines: Any) -> None:
        several = {"type": "field_name_mapping", "mapping": {"User": ["A", "B"]}}
        first = self.correlation()
        first = replace(first, meta=replace(first.meta, name="first"))
        diagnostics = Diagnostics()
        found = pipelines({"transformations": [several]})
        assert map_correlations([first], [], found, diagnostics) == ([], {"first"})
        assert [each.code for each in diagnostics] == ["E_PIPELINE"]

    def test_rule_failure_refuses_it(self, pipelines: Any) -> None:
        found = pipelines({"transformations": [{"type": "rule_failure", "message": "no"}]})
        with pytest.raises(RuleError, match="no"):
            found.apply_to_correlation(self.correlation())


def test_a_pipeline_given_twice_runs_once(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("transformations: [{type: field_name_suffix, suffix: s}]\n")
    (made,) = load_pipelines([str(file), str(file)]).apply(rule(), Diagnostics())
    assert fields(made.rule) == "Images"


def test_a_changed_item_says_by_what(pipelines: Any, tmp_path: Path) -> None:
    found = pipelines(
        {
            "transformations": [
                {"type": "field_name_suffix", "suffix": "s", "id": "named"},
                {"type": "case", "method": "upper"},
                {"type": "map_string", "mapping": {"q": "r"}},
            ]
        }
    )
    (made,) = found.apply(rule(), Diagnostics())
    (detection,) = made.rule.detections.values()
    assert detection.children[0].applied == {"named", f"{tmp_path / '0.yml'}:5"}  # type: ignore[union-attr]
