"""What a hostile record may cost: a bound on its values, answers that do not depend on how a value is written."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from sigmac.runtime import EventError, load_pack
from tests.unit.packs import rule, write_text_pack

# One text as JSON may hold it; each alone, in arrays, and after each other in one batch
TEXTS = ("1704171900", "5", "1", "0", "-0", "1.0", "1e0", "10", "true", "null", "127.0.0.1", "")
PARTS = {"hour": 5, "minute": 5, "day": 2, "month": 1, "year": 2024, "week": 1}
OPERATORS = {
    "equals": "A: '{}'",
    "equals a number": "A: 1",
    "a number": "A|gt: 4",
    "contains": "A|contains: '1'",
    "starts": "A|startswith: '1'",
    "ends": "A|endswith: '0'",
    "a wildcard": "A: '1*0'",
    "a pattern": "A|re: '^1.*0$'",
    "cased": "A|cased: 'true'",
    "null": "A: null",
    "empty": "A: ''",
    "exists": "A|exists: true",
    "true": "A: true",
    "a network": "A|cidr: 127.0.0.0/8",
    "not equal": "A|neq: '1'",
    "a field": "A|fieldref: B",
    **{f"the {part}": f"A|{part}: {number}" for part, number in PARTS.items()},
}


def forms(text: str) -> list[Any]:
    """The JSON values that are written with these characters."""
    try:
        return [text, json.loads(text)]
    except ValueError:
        return [text]


VALUES = [value for text in TEXTS for value in forms(text)]


def events() -> list[dict[str, Any]]:
    pairs = [*itertools.permutations(VALUES, 2)]
    alone: list[dict[str, Any]] = [{"A": value, "B": "1"} for pair in pairs for value in pair]
    return alone + [{"A": [*pair], "B": pair[0]} for pair in pairs]


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_no_form_of_a_value_answers_for_another(backwards: bool, tmp_path: Path) -> None:
    texts = [
        rule(f"s: {{{each.format('1')}}}\ncondition: {condition}", title=f"{name}, {condition}")
        for name, each in OPERATORS.items()
        for condition in ("s", "not s")
    ]
    text = "---\n".join(texts)
    rules = read_file(text.encode(), "rules.yml").rules
    folder = write_text_pack(text, tmp_path)
    given = events()[::-1] if backwards else events()
    expected = [
        [each.meta.title for each in rules if reference.matches(each, event)] for event in given
    ]
    lines = b"\n".join(map(orjson.dumps, given))
    pack = load_pack(folder)
    for result in (pack.match_batch(lines), pack.match_each(lines), pack.match_batch(lines)):
        found: list[list[str]] = [[] for _ in given]
        for record, index in zip(result.record.tolist(), result.rule.tolist(), strict=True):
            found[record].append(pack.rules[index].title)
        assert [sorted(each) for each in found] == [sorted(each) for each in expected]
    for event, titles in zip(given[:500], expected, strict=False):
        assert sorted(match.rule.title for match in pack.match(event)) == sorted(titles)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"A": ["evil"] * (n - 1)},
        lambda n: {"A": list(range(n - 1))},
        lambda n: {"other": [[]] * (n - 1)},
        lambda n: {str(i): None for i in range(n)},
        lambda n: {"a": {"b": [{"c": 1}] * ((n - 2) // 2)}},
    ],
)
def test_a_record_with_too_many_values_is_rejected_by_every_path(make: Any, tmp_path: Path) -> None:
    pack = load_pack(write_text_pack(rule("s: {A: evil}\ncondition: s"), tmp_path), max_values=1000)
    few, many = make(1000), make(1002)
    lines = b"\n".join([orjson.dumps(few), orjson.dumps(many), b'{"A": "evil"}'])
    for result in (pack.match_batch(lines), pack.match_each(lines)):
        assert [each.record for each in result.rejected] == [1]
        assert result.rejected[0].reason == "the record has more than 1,000 values"
        assert 2 in result.record.tolist()
    for _ in range(70):  # by the scalar path, then by the engine
        pack.match(few)
        with pytest.raises(EventError, match="more than 1,000 values"):
            pack.match(many)
