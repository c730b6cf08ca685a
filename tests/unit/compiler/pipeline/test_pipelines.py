"""Variants, warnings, placeholders, correlations and the digest: pipelines as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import Pipelines, load_pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations, map_fields
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.links import Targets
from sigmac.compiler.syntax.rule import Rule, all_items


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
    """What pipelines make of the names of correlations, and of correlations as a whole."""

    TEXT = """
title: A
name: a
logsource: {product: linux}
detection: {s: {k: v}, condition: s}
---
title: B
name: b
logsource: {product: Windows}
detection: {s: {k: v}, condition: s}
---
title: Many logons
name: many
correlation:
  type: TYPE
  rules: [a, b]
  group-by: [User, computer]
  aliases: {computer: {a: Host, b: Workstation}}
  timespan: 5m
  condition: {field: User, gte: 3}
fields: [User]
---
title: Above
name: above
correlation: {type: event_count, rules: many, group-by: [User, Other], timespan: 1h, condition: {gte: 2}}
"""

    def mapped(
        self, pipelines: Pipelines, kind: str = "value_count"
    ) -> tuple[list[Any], list[str]]:
        """The fields that names stand for, of each correlation that is left, and the codes of errors."""
        contents = read_file(self.TEXT.replace("TYPE", kind).encode(), "c.yml")
        targets = Targets.of([*contents.rules, *contents.correlations])
        diagnostics = Diagnostics()
        found = map_fields(
            contents.correlations, targets, pipelines, lambda rule: rule, diagnostics
        )
        return [fields for _, fields in found], [each.code for each in diagnostics]

    def test_names_mean_what_a_pipeline_makes_of_them_in_each_rule(self, pipelines: Any) -> None:
        names = {"User": "user.name", "Host": "host.name", "computer": "never"}
        only = [{"type": "logsource", "product": "linux"}]
        mapping = {"type": "field_name_mapping", "mapping": names, "rule_conditions": only}
        (many, above), errors = self.mapped(pipelines({"transformations": [mapping]}))
        assert not errors
        assert many == {
            "User": {"a": ("user.name",)},
            "computer": {"a": ("host.name",), "b": ("Workstation",)},
        }
        # `User` is the group of the correlation below; `Other` is asked of all events below it.
        assert above == {}

    def test_through_a_correlation_a_name_is_that_of_all_rules_below_it(
        self, pipelines: Any
    ) -> None:
        mapping = {"type": "field_name_mapping", "mapping": {"Other": "o"}}
        mapping["rule_conditions"] = [{"type": "logsource", "product": "linux"}]
        (_, above), _ = self.mapped(pipelines({"transformations": [mapping]}))
        assert above == {"Other": {"many": ("o", "Other")}}

    def test_several_fields_are_taken_together_but_for_numbers(self, pipelines: Any) -> None:
        found = pipelines(
            {"transformations": [{"type": "field_name_mapping", "mapping": {"User": ["A", "B"]}}]}
        )
        (many, _), errors = self.mapped(found)
        assert many["User"] == {"a": ("A", "B"), "b": ("A", "B")}
        assert not errors
        assert self.mapped(found, "value_sum") == ([], ["E_CORRELATION", "E_REFERENCE"])

    def test_variants_may_differ(self, pipelines: Any) -> None:
        one = {"type": "field_name_mapping", "mapping": {"User": "U", "k": "kk"}}
        two = {"type": "field_name_suffix", "suffix": "s"}
        found = pipelines(
            {"variant": "one", "transformations": [one]},
            {"variant": "two", "transformations": [two]},
        )
        (many, _), _ = self.mapped(found)
        assert many["computer"]["b"] == {"one": ("Workstation",), "two": ("Workstations",)}
        assert many["User"]["a"] == {"one": ("U",), "two": ("Users",)}

    def test_conditions_on_items_and_fields_to_report_do_not_matter(self, pipelines: Any) -> None:
        never = [{"type": "match_string", "pattern": "nothing", "cond": "any"}]
        mapping = {"type": "field_name_mapping", "mapping": {"User": "U"}}
        mapping["detection_item_conditions"] = never  # type: ignore[assignment]
        fields = {"type": "set_field", "fields": ["x", "y"]}
        (many, _), _ = self.mapped(pipelines({"transformations": [fields, mapping]}))
        assert many["User"] == {"a": ("U",), "b": ("U",)}

    def test_a_refusal_is_named_and_said(self, pipelines: Any) -> None:
        failure = {"type": "rule_failure", "message": "no"}
        failure["rule_conditions"] = [{"type": "is_sigma_correlation_rule"}]  # type: ignore[assignment]
        found = pipelines({"transformations": [failure]})
        contents = read_file(self.TEXT.replace("TYPE", "value_count").encode(), "c.yml")
        diagnostics = Diagnostics()
        kept = map_correlations(contents.correlations, contents.rules, found, diagnostics)
        assert kept == ([], {"many", "above"})
        assert [each.code for each in diagnostics] == ["E_PIPELINE"] * 2

    def test_conditions_look_at_the_rules_below(self, pipelines: Any) -> None:
        failure = {"type": "rule_failure", "message": "no"}
        failure["rule_conditions"] = [{"type": "logsource", "product": "windows"}]  # type: ignore[assignment]
        found = pipelines({"transformations": [failure]})
        contents = read_file(self.TEXT.replace("TYPE", "value_count").encode(), "c.yml")
        _, refused = map_correlations(contents.correlations, contents.rules, found, Diagnostics())
        assert refused == {"many", "above"}


def test_a_pipeline_given_twice_runs_once(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("transformations: [{type: field_name_suffix, suffix: s}]\n")
    (made,) = load_pipelines([str(file), str(file)]).apply(rule(), Diagnostics())
    assert fields(made.rule) == "Images"


def test_a_pipeline_runs_what_it_builds_on_in_its_own_variant(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    mapping = (
        "{type: field_name_mapping, mapping: {EventID: event.code, Image: process.executable}}"
    )
    file.write_text(
        f"variant: mine\npriority: 20\nbuilds_on: windows\ntransformations: [{mapping}]\n"
    )
    found = rule("{product: windows, category: process_creation}")
    (alone,) = load_pipelines([str(file)]).apply(found, Diagnostics())
    asked = {item.field for item in all_items(alone.rule)}
    assert (alone.name, asked) == ("mine", {"Channel", "event.code", "process.executable"})
    both = load_pipelines(["windows", str(file), "sysmon"]).apply(found, Diagnostics())
    asked = {item.field for each in both for item in all_items(each.rule) if each.name != "mine"}
    assert ([each.name for each in both], asked) == (
        ["windows", "mine"],
        {"Channel", "EventID", "Image"},
    )


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
