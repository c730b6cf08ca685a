"""A rule read back from a pack's code: it says what the rule said, and code that is none of ours is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.explanation import explain_rule
from sigmac.compiler.meaning.rule_of_code import CodeVariant, rule_of_code
from sigmac.compiler.syntax.rule import Rule, items
from sigmac.runtime import load_pack
from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.contents import Function, PackedRule, read_contents
from tests.unit.packs import rule, write_text_pack

ROOT = Path(__file__).resolve().parents[4]
EVENTS = [
    orjson.loads(line)
    for line in (ROOT / "rules" / "events" / "demo.ndjson").read_bytes().splitlines()
]
EACH_KIND = r"""
s:
  A|startswith|cased: Ab
  B: ['a*b?', 'a\*[b\?']
  C|contains|windash: ' -x'
  D|base64offset|contains: foobar
  E|re|i: ^x+$
  F|cidr: 10.0.0.0/8
t:
  G|gte: 3
  H|hour|lt: 6
  I|exists: false
  J: null
  K: ''
  L: '*'
  M: true
u:
  N|fieldref|endswith: A
  O|neq: [x, y]
  P|contains|all: ['1', '2']
v:
  - {Q: 1, R|contains: [a, b]}
  - {Q: 2, R|startswith|all: [a, ab]}
k: [word, 'a*b']
x1: {X: 1}
x2: {Y: 1}
x3: {Z: 1}
condition:
  - s or (t and not v)
  - not u
  - 2 of x* and k
"""
VALUES: dict[str, list[Any]] = {
    "A": ["Abc", "abc"],
    "B": ["axbc", "a*[b?", "b"],
    "C": ["a -x", "a /x", 1],
    "D": ["Zm9vYmFy"],
    "E": ["XX", "y"],
    "F": ["10.1.2.3", "::1"],
    "G": [3, 2.5, "7"],
    "H": ["2026-01-01T05:00:00Z"],
    "I": [0],
    "J": [None, "x"],
    "K": ["", "k"],
    "L": ["l"],
    "M": [True, "false"],
    "N": ["xAbc", "Abc"],
    "O": ["x", "z"],
    "P": ["12", "1"],
    "Q": [1, 2],
    "R": ["ab", "b"],
    "X": [1],
    "Y": [1],
    "word": ["a word", "axxb"],
}


def events_of_each_kind() -> list[dict[str, Any]]:
    """Events with each value alone, all first values, and all but one."""
    first = {name: values[0] for name, values in VALUES.items()}
    alone = [{name: each} for name, values in VALUES.items() for each in values]
    without = [{k: v for k, v in first.items() if k != name} for name in VALUES]
    changed = [{**first, name: each} for name, values in VALUES.items() for each in values]
    return [{}, first, *alone, *without, *changed, {name: v[-1] for name, v in VALUES.items()}]


def read_back(pack: Path) -> list[tuple[Rule, tuple[CodeVariant, ...]]]:
    contents = read_contents(pack)
    assert contents.problem is None
    return [rule_of_code(each) for each in contents.rules]


def agree(folder: Path, events: list[dict[str, Any]]) -> None:
    pack = load_pack(folder)
    rules = read_back(folder)
    assert len(rules) == len(pack.rules)
    for event in events:
        matched = {match.rule.source for match in pack.match(event)}
        said = {
            own.source
            for own, (each, _) in zip(pack.rules, rules, strict=True)
            if reference.matches(each, event)
        }
        of_variants = {
            own.source
            for own, (_, variants) in zip(pack.rules, rules, strict=True)
            if any(reference.matches(each.rule, event) for each in variants)
        }
        assert said == of_variants == matched, event


@pytest.mark.parametrize("optimize", [True, False])
def test_a_rule_with_each_kind_of_value_says_what_its_pack_does(
    optimize: bool, tmp_path: Path
) -> None:
    agree(write_text_pack(rule(EACH_KIND), tmp_path, optimize=optimize), events_of_each_kind())


def test_the_example_rules_say_what_their_pack_does(tmp_path: Path) -> None:
    text = "\n---\n".join(
        path.read_text("utf-8") for path in sorted((ROOT / "rules" / "examples").rglob("*.yml"))
    )
    pipelines = ("windows", str(ROOT / "rules" / "pipelines" / "demo.yml"))
    agree(write_text_pack(text, tmp_path, pipelines=pipelines), EVENTS)


def test_selections_variants_and_filters_are_called_as_in_the_rule(tmp_path: Path) -> None:
    text = rule(
        "selection-1: {Image|endswith: a}\nfilter: {User|neq: b}\ncondition: selection-1 and filter",
        logsource="product: windows, category: process_creation",
    )
    of_filter = (
        "title: Known\nlogsource: {product: windows}\nfilter: {rules: any, f: {Image: c}, "
        "condition: not f}\n"
    )
    folder = write_text_pack(
        f"{text}---\n{of_filter}", tmp_path, pipelines=("windows", "windows-audit")
    )
    ((whole, (windows, audit)),) = read_back(folder)
    assert [windows.name, audit.name] == ["windows", "audit"]
    assert {"windows_selection-1", "audit_selection-1"} <= set(whole.detections)
    names = list(windows.rule.detections)
    assert {"logsource", "selection-1", "filter"} <= set(names)
    assert [name for name in names if name.startswith("filter known")]
    (item,) = items(windows.rule.detections["filter"])
    assert (item.modifiers, item.negated) == (("neq",), True)
    assert explain_rule(whole, (windows, audit), {"User": "b"}).matched is False


def test_several_conditions_are_conditions(tmp_path: Path) -> None:
    folder = write_text_pack(rule("a: {A: 1}\nb: {B: 1}\ncondition: [a, not b]"), tmp_path)
    ((found, _),) = read_back(folder)
    assert [each.text for each in found.conditions] == ["a", "not b"]
    assert [reference.matches(found, each) for each in ({"B": 1}, {"A": 1})] == [[], [0, 1]]


def code(body: str, name: str = "rule") -> PackedRule:
    source = f'def {name}(event: Event) -> bool:\n    """Rule"""\n{body}'
    function = Function(Path("conditions.py"), 7, source)
    return PackedRule({"title": "Rule", "source": "a:1", "logsource": {}}, function, None)


DEEP = "    return " + "not (" * 80 + 'event.null("A")' + ")" * 80
DOUBLED = "".join(f"    p{i + 1} = p{i} and not p{i}\n" for i in range(60))


@pytest.mark.parametrize(
    "body",
    [
        "    return __import__('os').system('true')",
        "    import os\n    return True",
        "    return event.equals('A', open('x'))",
        "    return event.remove('A')",
        "    return event.equals()",
        "    return event.equals(1, 'x')",
        "    return event.equals('A', 1)",
        "    return event.regex('A', '(')",
        "    return event.cidr('A', 'x')",
        "    return event.time('A', 'century', 'eq', 1)",
        "    return event.same('A', 'B', 'around')",
        "    return event.like('A', 'x\\\\')",
        "    return unknown",
        "    return",
        "    pass",
        "    for x in y:\n        pass",
        f'    p0 = event.null("A")\n{DOUBLED}    return p60',
        "    return " + "(" * 300 + "True" + ")" * 300,
    ],
)
def test_code_that_is_none_of_ours_is_refused_and_never_run(body: str) -> None:
    renamed = {f"p{i}": "" for i in range(61)}
    packed = code(body)
    packed = PackedRule({**packed.metadata, "renamed": renamed}, packed.function, None)
    with pytest.raises(PackError, match=r"conditions.py:7: this is no condition that sigmac"):
        rule_of_code(packed)


def test_questions_outside_of_selections_have_selections_of_their_own() -> None:
    found, _ = rule_of_code(
        code(
            '    s = event.equals("A", "x")\n    if not s:\n        return False\n'
            '    return sum([s, event.null("B"), not event.null("B"), True]) >= 3'
        )
    )
    assert list(found.detections) == ["s", "B", "B 2", "true"]
    assert reference.matches(found, {"A": "X"}) == [0]
    assert not reference.matches(found, {"A": "y"})
