"""Pipelines and rules made to hurt are refused or carried out, in bounded time and memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.conditions.processing_conditions import (
    FIELD_CONDITIONS,
    ITEM_CONDITIONS,
    RULE_CONDITIONS,
)
from sigmac.compiler.pipeline.transformations import TRANSFORMATIONS
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from tests.examples import examples


def rule(detection: dict[str, Any]) -> Rule:
    document = {
        "title": "t",
        "logsource": {"product": "windows"},
        "detection": {**detection, "condition": "s"},
    }
    contents = read_file(yaml.safe_dump(document).encode(), "rule.yml")
    assert not contents.diagnostics.errors
    return contents.rules[0]


REPLACE = "transformations: [{type: replace_string, replacement: x, "
PLAIN = rule({"s": {"A": ["x", 1, None], "B|contains": "y"}})


def outcome(text: str | bytes, folder: Path, found: Rule = PLAIN) -> str:
    """`"applied"`, or the code of the error."""
    file = folder / "p.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    begin = time.process_time()
    try:
        load_pipelines([str(file)]).apply(found, Diagnostics())
        return "applied"
    except RuleError as error:
        return error.diagnostic.code
    finally:
        assert time.process_time() - begin < 20


def transformations(*each: dict[str, Any], **top: Any) -> str:
    return str(yaml.safe_dump({"transformations": list(each), **top}))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nd: [" + "*b, " * 40_000 + "]", "E_YAML"),
        ("x: " + "[" * 5000, "E_YAML"),
        ("transformations: [" + "{type: nest, items: [" * 200 + "]}" * 200 + "]", "E_YAML"),
        (b"\xff\xfe\x00", "E_YAML"),
        (b"\x7fELF\x00\x00", "E_YAML"),
        ("name: !!python/name:os.system", "E_YAML"),
        ("a: *b", "E_YAML"),
        ("vars: {x: [" + "1, " * 200_000 + "]}", "E_YAML"),
        ("? 12\n: 1", "E_PIPELINE"),
        ("transformations: [{type: set_value, value: 0x" + "F" * 5000 + "}]", "E_YAML"),
        ("transformations: [{type: " + "x" * 10_000 + "}]", "E_PIPELINE"),
        (REPLACE + "regex: '" + "(" * 2000 + "'}]", "E_PIPELINE"),
        (REPLACE + "regex: '((a{100}){100}){100}'}]", "E_PIPELINE"),
        ("variant: ''", "applied"),
        ("variant: __import__('os')", "E_PIPELINE"),
    ],
)
def test_hostile_file(text: str | bytes, code: str, tmp_path: Path) -> None:
    assert outcome(text, tmp_path) == code


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigmac.compiler.pipeline.conditions.processing_run.MAX_MADE", 10_000)


def test_fields_that_multiply_are_stopped(tmp_path: Path, small_budget: None) -> None:
    double = {"type": "field_name_mapping", "mapping": {"A": ["A", "B"], "B": ["A", "B"]}}
    negated = rule({"s": {"A|neq": "x"}})
    assert outcome(transformations(*[double] * 64), tmp_path, negated) == "E_PIPELINE"


def test_references_that_multiply_are_one(tmp_path: Path) -> None:
    double = {"type": "field_name_mapping", "mapping": {"B": ["B", "C"], "C": ["C", "B"]}}
    found = rule({"s": {"A|fieldref": "B"}})
    assert outcome(transformations(*[double] * 64), tmp_path, found) == "applied"


def test_names_that_grow_are_stopped(tmp_path: Path) -> None:
    grow = [{"type": "field_name_prefix", "prefix": "x" * 10_000}] * 1000
    assert outcome(transformations(*grow), tmp_path) == "E_PIPELINE"


def test_placeholders_that_multiply_are_stopped(tmp_path: Path, small_budget: None) -> None:
    many = [f"{n}" for n in range(900)]
    text = transformations({"type": "value_placeholders"}, vars={"x": many, "y": many})
    assert outcome(text, tmp_path, rule({"s": {"A|expand": "%x%%y%"}})) == "E_PIPELINE"
    assert outcome(text, tmp_path, rule({"s": {"A|expand": ["%x%"] * 90}})) == "E_PIPELINE"
    assert outcome(text, tmp_path, rule({"s": {"A|expand": ["%x%"] * 9}})) == "applied"
    assert outcome(text, tmp_path, rule({"s": {"A|expand": "%x%%y%" * 500}})) == "E_PIPELINE"


def test_long_values_of_placeholders_are_stopped(tmp_path: Path) -> None:
    long = ["x" * 5_000 + str(n) for n in range(90)]
    text = transformations(vars={"x": long})
    found = rule({"s": {"A|expand": "%x%%x%"}})
    assert outcome(text, tmp_path, found) == "E_PIPELINE"


def test_strings_that_grow_are_stopped(tmp_path: Path) -> None:
    found = rule({"s": {"A": "a" * 10_000}})
    once = {"type": "replace_string", "regex": "", "replacement": "b" * 10_000}
    assert outcome(transformations(once), tmp_path, found) == "E_PIPELINE"
    double = {"type": "replace_string", "regex": "(.+)", "replacement": r"\1\1"}
    assert outcome(transformations(*[double] * 64), tmp_path, found) == "E_PIPELINE"


@pytest.mark.parametrize("regex", ["a", "", "(a)"])
def test_strings_that_grow_by_many_matches_are_stopped_at_once(regex: str, tmp_path: Path) -> None:
    double = {"type": "replace_string", "regex": regex, "replacement": "aa"}
    begin = time.process_time()
    assert outcome(transformations(*[double] * 40), tmp_path, rule({"s": {"A": "a"}})) == (
        "E_PIPELINE"
    )
    assert time.process_time() - begin < 3


def test_matches_that_change_nothing_are_counted(tmp_path: Path, small_budget: None) -> None:
    same = {"type": "replace_string", "regex": "a", "replacement": "a"}
    found = rule({"s": {"A": "a" * 50_000}})
    assert outcome(transformations(same), tmp_path, found) == "applied"
    assert outcome(transformations(same, same), tmp_path, found) == "E_PIPELINE"


def test_mapped_strings_that_multiply_are_stopped(tmp_path: Path, small_budget: None) -> None:
    many = [f"{n}" for n in range(900)]
    text = transformations({"type": "map_string", "mapping": {"x": many}})
    assert outcome(text, tmp_path, rule({"s": {"A": ["x"] * 100}})) == "E_PIPELINE"


def test_conditions_that_pile_up_are_stopped(tmp_path: Path) -> None:
    add = {"type": "add_condition", "conditions": {"C": 1}}
    assert outcome(transformations(*[add] * 100), tmp_path) == "applied"
    assert outcome(transformations(*[add] * 101), tmp_path) == "E_PIPELINE"


def test_a_large_mapping_over_a_large_rule_is_fast(tmp_path: Path) -> None:
    mapping = {f"field{n}": f"new{n}" for n in range(2000)}
    found = rule({"s": {f"field{n}": "x" for n in range(2000)}})
    text = transformations({"type": "field_name_mapping", "mapping": mapping})
    begin = time.process_time()
    assert outcome(text, tmp_path, found) == "applied"
    assert time.process_time() - begin < 5


def test_a_logsource_cannot_write_patterns(tmp_path: Path) -> None:
    text = (
        "title: t\nlogsource: {product: '*$category${service}\\'}\n"
        "detection: {s: {A: 1}, condition: s}"
    )
    found = read_file(text.encode(), "rule.yml").rules[0]
    file = tmp_path / "p.yml"
    add = {"type": "add_condition", "template": True, "conditions": {"P": "x-$product"}}
    file.write_text(transformations(add))
    (made,) = load_pipelines([str(file)]).apply(found, Diagnostics())
    (item,) = made.rule.detections["_cond_1"].children  # type: ignore[union-attr]
    assert item.values[0].literal == "x-*$category${service}\\"  # type: ignore[union-attr]


KEYS = """
    type id nest items mapping prefix suffix field fields value val key op regex replacement method
    conditions rule_conditions field_name_conditions detection_item_conditions rule_cond_op
    rule_cond_not rule_cond_expr product category message cond pattern attribute level any and
    windows A x* \\1 %x% valid_hash_algos MD5 target_type num str include name processing_item_id
    template
"""
WORDS = sorted(
    {*KEYS.split(), *TRANSFORMATIONS, *RULE_CONDITIONS, *ITEM_CONDITIONS, *FIELD_CONDITIONS}
)
SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=5),
)
NODES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)
    ),
    max_leaves=20,
)
RELAXED: Any = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
ITEMS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from([*TRANSFORMATIONS, "nest"]),
    st.dictionaries(st.sampled_from(WORDS), NODES, max_size=6),
)


@examples(100, **RELAXED)
@given(items=st.lists(st.one_of(ITEMS, NODES), max_size=3))
def test_any_yaml_is_applied_or_refused(items: list[Any], tmp_path: Path) -> None:
    text = str(yaml.safe_dump({"transformations": items}, allow_unicode=True))
    made = outcome(text, tmp_path)
    assert made == "applied" or made.startswith("E_")


@examples(100, **RELAXED)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_applied_or_refused(data: bytes, tmp_path: Path) -> None:
    made = outcome(b"transformations: " + data, tmp_path)
    assert made == "applied" or made.startswith("E_")
