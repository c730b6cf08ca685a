"""Keyword gates: never shut on an event that a keyword is in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from tests.unit.packs import make_pack, rule

RULES = "---\n".join(
    [
        rule("k: [root, 'su*do']\ncondition: k", "Words"),
        rule("k: {'|all': [ab, ba]}\ncondition: k", "All"),
        rule("k: {'|re': 'a.b'}\ncondition: k", "Pattern"),
        rule("k: {'|startswith': ab}\nn: [5, true]\ncondition: k and n", "Both"),
        rule("k: {'|cased': AB}\ncondition: k", "Cased"),
        rule("k: [root]\ncondition: not k", "Without"),
        rule("k: {'|gt': 6}\ncondition: k", "Greater"),
    ]
)
LEAVES = st.text("abAB\0", max_size=5) | st.sampled_from(
    ["ROOT", "sudo", "su\ndo", "su", "do", 5, 55, 7.5, True, None]
)
EVENTS = st.dictionaries(
    st.sampled_from(["x", "root", "z"]),
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("root"), inner),
        max_leaves=5,
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    contents = read_file(RULES.encode(), "rules.yml")
    return make_pack(RULES, tmp_path_factory.mktemp("keywords")), contents.rules


@given(event=EVENTS)
def test_keyword_rules_match_what_the_reference_matches(
    both: tuple[Any, Any], event: dict[str, Any]
) -> None:
    pack, rules = both
    expected = [each.meta.title for each in rules if reference.matches(each, event)]
    assert [match.rule.title for match in pack.match(event)] == expected
