"""Files of several documents: kinds, isolation, legacy actions."""

from __future__ import annotations

import pytest

from sigmac.compiler.ir.values import Text
from sigmac.compiler.syntax.documents import FileContents, read_file
from sigmac.compiler.syntax.rule import items

RULE = (
    "title: {title}\nlogsource: {{product: x}}\ndetection:\n  s: {{f: {value}}}\n  condition: s\n"
)


def read(*documents: str) -> FileContents:
    return read_file("---\n".join(documents).encode(), "a.yml")


def rule(title: str, value: str = "a") -> str:
    return RULE.format(title=title, value=value)


def values(contents: FileContents) -> list[tuple[str, dict[str, list[str]]]]:
    """Title and, by field, the strings of each rule."""
    found = []
    for each in contents.rules:
        fields: dict[str, list[str]] = {}
        for detection in each.detections.values():
            for item in items(detection):
                fields[item.field or ""] = [str(v) for v in item.values if isinstance(v, Text)]
        found.append((each.meta.title, fields))
    return found


def codes(contents: FileContents) -> list[tuple[str, int, int]]:
    return [(d.code, d.place.document, d.place.line) for d in contents.diagnostics.errors]


def test_a_faulty_document_is_refused_alone() -> None:
    contents = read(rule("A"), "title: B\nid: b-id\nname: b\n", "- list\n", "5\n", rule("C"))
    assert [each.meta.title for each in contents.rules] == ["A", "C"]
    assert {code for code, _, _ in codes(contents)} == {"E_LOGSOURCE", "E_DETECTION", "E_DOC_TYPE"}
    assert contents.refused == 3
    assert sorted(contents.refused_names) == ["b", "b-id"]


def test_a_file_that_is_no_yaml_is_refused_as_a_whole() -> None:
    contents = read(rule("A"), "a: [\n")
    assert contents.rules == []
    assert [code for code, _, _ in codes(contents)] == ["E_YAML"]
    assert contents.refused == 1


@pytest.mark.parametrize("kind", ["correlation", "filter"])
def test_a_document_has_one_kind(kind: str) -> None:
    assert codes(read(rule("A") + f"{kind}: {{}}\n")) == [("E_DOC_KIND", 0, 6)]


def test_global_is_merged_into_later_rules_and_wins() -> None:
    contents = read(
        rule("First"),
        "action: global\nlevel: high\ndetection: {s: {g: b}}\n",
        rule("Second") + "level: low\n",
        rule("Third"),
        "action: reset\n",
        rule("Fourth"),
    )
    assert codes(contents) == []
    assert values(contents) == [
        ("First", {"f": ["a"]}),
        ("Second", {"f": ["a"], "g": ["b"]}),
        ("Third", {"f": ["a"], "g": ["b"]}),
        ("Fourth", {"f": ["a"]}),
    ]
    assert [each.meta.level for each in contents.rules] == [None, "high", "high", None]


def test_global_replaces_lists_and_scalars() -> None:
    contents = read("action: global\ndetection: {s: {f: [x, y]}}\n", rule("A", "[a, b, c]"))
    assert values(contents) == [("A", {"f": ["x", "y"]})]


def test_repeat_changes_the_document_before() -> None:
    contents = read(
        rule("A"),
        "action: repeat\ntitle: B\ndetection: {s: {f: b}}\n",
        "action: repeat\ntitle: C\ndetection: {s: {g: c}}\n",
    )
    assert values(contents) == [
        ("A", {"f": ["a"]}),
        ("B", {"f": ["b"]}),
        ("C", {"f": ["b"], "g": ["c"]}),
    ]


def test_actions_that_cannot_be() -> None:
    contents = read("action: repeat\n", "action: explode\n" + rule("A"), "action: 5\n", rule("B"))
    assert codes(contents) == [("E_DOC_KIND", 0, 1), ("E_DOC_KIND", 1, 3), ("E_DOC_KIND", 2, 10)]
    assert [each.meta.title for each in contents.rules] == ["B"]


def test_correlations_and_filters_are_not_merged_with_a_global_document() -> None:
    contents = read(
        "action: global\nlevel: high\n",
        "title: Many\ncorrelation:\n  type: event_count\n  rules: a\n  timespan: 5m\n"
        "  condition: {gte: 3}\n",
        "title: Not me\nlogsource: {product: x}\nfilter:\n  rules: any\n  s: {f: a}\n"
        "  condition: not s\n",
    )
    assert codes(contents) == []
    assert [each.meta.level for each in contents.correlations] == [None]
    assert [each.meta.level for each in contents.filters] == [None]
