"""The reader of unfinished YAML: of finished YAML it says what a parser says, and it stops at any text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.lsp.texts.loose_yaml import Path as NodePath
from sigmac.lsp.texts.open_text import MAX_READ, OpenText

ROOT = Path(__file__).resolve().parents[3]
# Without those that have anchors and merges
RULES = sorted(each for each in (ROOT / "rules").rglob("*.yml") if b"<<:" not in each.read_bytes())


def nodes(value: Any, path: NodePath = ()) -> Iterator[NodePath]:
    """The paths of all keys, and of the scalars in lists."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*path, str(key))
            yield from nodes(child, (*path, str(key)))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            if not isinstance(child, (dict, list)):
                yield (*path, number)
            yield from nodes(child, (*path, number))


@pytest.mark.parametrize("file", RULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_example_rules_have_the_nodes_that_a_parser_sees(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    parsed = [[*nodes(document)] for document in yaml.safe_load_all(text) if document is not None]
    loose = [[each.path for each in found.entries] for found in OpenText("", text).documents]
    assert [sorted(each, key=repr) for each in loose if each] == [
        sorted(each, key=repr) for each in parsed
    ]


@pytest.mark.parametrize("file", RULES[::5], ids=lambda file: str(file.relative_to(ROOT)))
def test_a_text_may_end_anywhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    opened = OpenText("", text)
    for offset in range(len(text)):
        assert opened.where(offset).start <= offset


def test_any_text_is_read() -> None:
    chosen = random.Random(5)
    for _ in range(2000):
        text = "".join(chosen.choices("ab:-{}[],'\"|># \n\t\r", k=40))
        opened = OpenText("", text)
        for document in opened.documents:
            for each in document.entries:
                assert 0 <= each.start <= each.end <= len(text)
        assert opened.where(len(text)).start <= len(text)


def test_what_is_nested_deep_ends_the_reading() -> None:
    (document,) = OpenText("", "a: " + "[" * 100_000).documents
    assert len(document.entries) == 1


def test_a_document_that_is_too_large_is_not_read() -> None:
    opened = OpenText("", "a: b\n---\n" + "c: d\n" * (MAX_READ // 5 + 1) + "---\ne: f\n")
    assert [len(each.entries) for each in opened.documents] == [1, 0, 1]
    assert opened.where(20).role == "comment"
