"""YAML with places: what is read, where it stands, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, RuleError
from sigmac.compiler.syntax.yaml_nodes import MAX_DEPTH, MAX_NODES, Node, documents

RULE = """\
title: Whoami
logsource:
    category: process_creation
detection:
    selection:
        Image|endswith:
            - '\\whoami.exe'
            - "quoted"
    condition: selection
"""


def root(text: str) -> Node:
    (document,) = documents(text.encode(), "a.yml")
    return document.root


def refusal(data: str | bytes) -> Diagnostic:
    with pytest.raises(RuleError) as caught:
        list(documents(data.encode() if isinstance(data, str) else data, "a.yml"))
    return caught.value.diagnostic


def place(node: Node) -> tuple[int, int, int]:
    return node.line, node.column, node.width


def test_every_node_knows_where_it_stands() -> None:
    read = root(RULE)
    selection = read.value["detection"].value["selection"]
    values = selection.value["Image|endswith"].value
    assert place(read.value["title"]) == (1, 8, 6)
    assert place(read.keys["detection"]) == (4, 1, 9)
    assert place(selection.keys["Image|endswith"]) == (6, 9, 14)
    assert [place(each) for each in values] == [(7, 15, 13), (8, 15, 8)]


def test_columns_count_characters() -> None:
    assert place(root("{é: 日本, b: x}").value["b"]) == (1, 12, 1)


def test_documents_are_numbered_as_they_stand_and_empty_ones_are_passed_over() -> None:
    found = list(documents(b"a: 1\n---\n---\n# nothing\n---\nb: 2\n", "a.yml"))
    assert [(each.index, each.root.plain()) for each in found] == [(0, {"a": 1}), (3, {"b": 2})]


def test_a_byte_order_mark_is_tolerated() -> None:
    (document,) = documents(b"\xef\xbb\xbfa: 1\n", "a.yml")
    assert document.root.plain() == {"a": 1}
    assert place(document.root.value["a"]) == (1, 4, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("0x1F", 31),
        ("010", 8),
        ("12:30", 750),
        ("1e3", "1e3"),
        ("~", None),
        ("''", ""),
        ("'yes'", "yes"),
        ("!!str 1", "1"),
        ("2024-99-01", "2024-99-01"),
    ],
)
def test_scalars_are_those_of_yaml_1_1(text: str, value: Any) -> None:
    assert root(f"a: {text}").value["a"].value == value


def test_anchors_aliases_and_merge_keys() -> None:
    text = """\
    base: &base {a: 1, b: 2}
    list: &list [x]
    one: {<<: *base, b: 3}
    two: {<<: [*base, {a: 9, c: 4}]}
    three: *list
    """
    read = root(text).plain()
    assert read["one"] == {"a": 1, "b": 3}
    assert read["two"] == {"a": 1, "b": 2, "c": 4}
    assert read["three"] == ["x"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1),
        ("d:\n  s: {x: 1, y: 2, x: 3}\n", 2, 19),
        ("a: 1\n'a': 2\n", 2, 1),
        ("a: 1\n---\nb: 1\nb: 2\n", 4, 1),
    ],
)
def test_a_key_twice_in_one_map_is_refused_where_it_stands_again(
    text: str, line: int, column: int
) -> None:
    found = refusal(text)
    assert (found.code, found.place.line, found.place.column) == ("E_YAML_DUP", line, column)


@pytest.mark.parametrize(
    ("data", "at", "says", "hint"),
    [
        ("a: !!python/object:os.system x\n", (1, 4), "", ""),
        ("a: !mine {b: 1}\n", (1, 4), "tag", ""),
        ("{[a]: 1}\n", (1, 2), "scalar", ""),
        (b"a: \xff\n", (1, 4), "UTF-8", "UTF-8"),
        (b"ok: 1\n\0\xff\0", (2, 2), "UTF-8", "binary"),
        ("a: &a [*a]\n", (1, 4), "alias", ""),
        (f"a: {'1' * 2000}\n", (1, 4), "number", ""),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(
    data: str | bytes, at: tuple[int, int], says: str, hint: str
) -> None:
    found = refusal(data)
    assert found.code == "E_YAML"
    assert (found.place.line, found.place.column) == at
    assert says in found.message
    assert hint in found.hint


def test_depth_is_bounded_and_the_limit_itself_is_allowed() -> None:
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert root(f"a: {deep}").is_map
    assert "deeper" in refusal(f"a: [{deep}]").message
    assert "deeper" in refusal("[" * 500_000).message


def test_alias_bombs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    started = time.perf_counter()
    assert f"{MAX_NODES} nodes" in refusal("\n".join(lines)).message
    merges = ["m0: &m0 {k: 1}"] + [
        f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], k{i}: 1}}" for i in range(1, 40)
    ]
    assert "expand" in refusal("\n".join(merges)).message
    assert time.perf_counter() - started < 5


SCALARS = st.none() | st.booleans() | st.integers() | st.text("ab*&:-#'\"\\é \n", max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:é", max_size=3), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), TREES, min_size=1))
def test_what_is_read_is_what_the_safe_loader_reads(tree: dict[str, Any]) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    assert root(text).plain() == yaml.safe_load(text)
