"""Mended rules say what they said: the reference finds the same events, and mending them again changes nothing."""

from __future__ import annotations

import contextlib
import random
import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.fixes.find_fixes import fixes_of, mend
from sigmac.compiler.fixes.fix import apply
from sigmac.compiler.meaning import reference
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.rule import Rule
from tests.examples import examples
from tests.property.strategies import PLACEHOLDERS, Event, aims, events, rule_sets

# What may be wrong with a rule beside its detection
METADATA = (
    {"date": "2024/1/5", "modified": "2024/02/06"},
    {"tags": ["attack.Lateral_Movement", "attack.T1059", "attack.t1059", "cve.2021.44228"]},
    {"Status": "test", "falsepositive": ["None"]},
    {"status": "TEST", "level": "HIGH", "author": 5},
    {"references": "https://example.com", "related": [{"id": "x", "type": "obsoletes"}]},
)
WORD = re.compile(r"\b(?:and|or|not|of|all|any|them)\b")


def spoiled(rule: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A rule with letter case, metadata and order of keys as careless authors have them."""
    made = {**rule, **chance.choice(METADATA)}
    search = dict(made.get("detection") or made["filter"])
    if isinstance(search["condition"], str):
        search["condition"] = WORD.sub(
            lambda word: chance.choice((str, str.upper, str.title))(word[0]), search["condition"]
        )
    made["detection" if "detection" in made else "filter"] = search
    keys = list(made)
    if chance.random() < 0.5:
        chance.shuffle(keys)
    return {key: made[key] for key in keys}


@st.composite
def written(draw: st.DrawFn) -> str:
    """A file of rules in one of the styles of YAML."""
    chance = random.Random(draw(st.integers(0, 10_000)))
    made = [spoiled(each, chance) for each in draw(rule_sets)]
    text: str = yaml.safe_dump_all(
        made,
        allow_unicode=chance.random() < 0.8,
        sort_keys=False,
        width=chance.choice((30, 10_000)),
        default_flow_style=chance.choice((None, False, False, True)),
        default_style=chance.choice((None, None, None, "'", '"')),
        indent=chance.choice((2, 4)),
        line_break=chance.choice(("\n", "\n", "\r\n")),
    )
    return text


def variants_of(text: str) -> dict[int, tuple[Rule, ...]]:
    """The rules of a file with the filters that act on them, as the reference sees them, by their documents."""
    loaded = load_pipelines((), PLACEHOLDERS)
    contents = read_file(text.encode(), "rules.yml")
    filters = acting_in([contents], Diagnostics()).on
    made = {}
    for rule, on_it in zip(contents.rules, filters, strict=True):
        with contextlib.suppress(RuleError):
            variants = loaded.apply(join(rule, on_it), Diagnostics())
            made[rule.place.document] = tuple(each.rule for each in variants)
    return made


def said(variants: dict[int, tuple[Rule, ...]], some: list[Event]) -> dict[int, list[list[int]]]:
    """Which conditions of each rule hold for each event."""
    return {
        document: [[n for each in rules for n in reference.matches(each, event)] for event in some]
        for document, rules in variants.items()
    }


@examples(100)
@given(st.data(), written())
def test_mended_rules_match_the_same_events(data: st.DataObject, text: str) -> None:
    before = variants_of(text)
    some = data.draw(st.lists(events(aims(before.values())), min_size=1, max_size=10))
    made = mend(text)
    after = variants_of(made.text)
    assert before.keys() <= after.keys()
    wanted = said(before, some)
    assert {document: said(after, some)[document] for document in before} == wanted
    again = mend(made.text)
    assert (again.text, again.fixes) == (made.text, ())
    for fix in fixes_of(text):
        alone = variants_of(apply(text, [fix]))
        assert {document: said(alone, some)[document] for document in before} == wanted
