"""Conditions: the grammar, what its errors say and where they point, what quantifiers select."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place, RuleError
from sigmac.compiler.ir.expressions import FALSE, TRUE, And, AtLeast, Const, Expression, Not, Or
from sigmac.compiler.syntax.condition import (
    MAX_DEPTH,
    Condition,
    name_faults,
    names_matching,
    names_used,
    parse,
    resolve,
)
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.yaml_nodes import documents

START = 16


def at(text: str) -> Place:
    """The place of a plain condition."""
    return Place("a.yml", 7, START, len(text))


def refusal(text: str, timeframe: str | None = None) -> Diagnostic:
    with pytest.raises(RuleError) as caught:
        parse(text, at(text), timeframe)
    return caught.value.diagnostic


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("sel", "sel"),
        ("a and b or c and not d", "(a and b) or (c and (not d))"),
        ("not a and b", "(not a) and b"),
        ("not (a or b)", "not (a or b)"),
        ("not not a", "not (not a)"),
        ("a\n  and\tb", "a and b"),
        ("((a))", "a"),
        ("(a)and(b)", "a and b"),
        ("1 of sel*", "1 of sel*"),
        ("any of them", "1 of them"),
        ("all of them and not 1 of filter_*", "all of them and (not 1 of filter_*)"),
        ("all of a", "all of a"),
        ("3 of *", "3 of *"),
        ("notepad or or_x and android", "notepad or (or_x and android)"),
        ("of_x and all_x and them-a and 1of", "of_x and all_x and them-a and 1of"),
        ("a.b-c_d", "a.b-c_d"),
    ],
)
def test_grammar(text: str, means: str) -> None:
    assert repr(parse(text, at(text)).expression) == means


@pytest.mark.parametrize(
    ("text", "column", "says", "hint"),
    [
        ("", 0, "empty", ""),
        ("   ", 2, "empty", ""),
        ("a b", 2, "unexpected `b`", "`and`"),
        ("a and", 4, "ends too early", "a name"),
        ("(a or b", 6, "ends too early", "`)`"),
        ("a)", 1, "unexpected `)`", "the end"),
        ("and a", 0, "unexpected `and`", "a name"),
        ("a && b", 2, "unexpected '&'", "write `and`"),
        ("a || b", 2, "unexpected '|'", "write `or`"),
        ("!a", 0, "unexpected '!'", "write `not`"),
        ("1 of a, b", 6, "unexpected ','", "write `or`"),
        ("1 of (a, b)", 5, "unexpected `(`", "a pattern"),
        ("0 of them", 0, "0 of", "1 of"),
        ("1 of", 3, "ends too early", "`them`"),
        ("sel*", 0, "unexpected `sel*`", "`1 of`"),
        ("a and 'b'", 6, "unexpected", "letters"),
        ("a and é", 6, "unexpected", "letters"),
        ("them", 0, "unexpected `them`", "a name"),
        ("a and and b", 6, "unexpected `and`", "a name"),
        ("a not b", 2, "unexpected `not`", "`and`"),
        ("1 of all", 5, "unexpected `all`", "`them`"),
    ],
)
def test_an_error_says_where_and_what_would_fit(
    text: str, column: int, says: str, hint: str
) -> None:
    found = refusal(text)
    assert found.code == "E_CONDITION"
    assert says in found.message
    assert hint in found.hint
    assert (found.place.line, found.place.column) == (7, START + column)


def test_quotes_around_a_condition_do_not_move_the_place() -> None:
    with pytest.raises(RuleError) as caught:
        parse("a b", Place("a.yml", 7, START, len("'a b'")))
    assert caught.value.diagnostic.place.column == START + 3


@pytest.mark.parametrize(
    ("text", "keywords"),
    [("a AND b", ["AND"]), ("NOT a Or b", ["NOT", "Or"]), ("All Of Them", ["All", "Of", "Them"])],
)
def test_keywords_in_any_letter_case_with_a_warning(text: str, keywords: list[str]) -> None:
    condition = parse(text, at(text))
    assert condition.expression is parse(text.lower(), at(text)).expression
    assert [(each.code, each.word) for each in condition.remarks] == [
        ("W_KEYWORD_CASE", word) for word in keywords
    ]
    assert [each.position for each in condition.remarks] == [text.index(word) for word in keywords]


def test_names_and_patterns_keep_their_letter_case() -> None:
    assert repr(parse("1 of Sel* and ANDROID", at("")).expression).count("Sel*") == 1
    assert names_matching("Sel*", ["sel_a", "Sel_b"]) == ["Sel_b"]


def test_more_than_one_of_is_remarked_on() -> None:
    (remark,) = parse("a or 2 of them", at("")).remarks
    assert (remark.code, remark.position, remark.word) == ("W_N_OF", 5, "2")
    assert parse("1 of them", at("1 of them")).remarks == ()


AGGREGATIONS = [
    ("sel | count() > 5", "event_count", "gt: 5"),
    ("sel | count() by a, b >= 5", "group-by: [a, b]", "gte: 5"),
    ("sel | count(user) by host < 3", "type: value_count", "field: user, lt: 3"),
    ("sel | sum(bytes) by src > 1000", "value_sum", "field: bytes, gt: 1000"),
    ("sel | avg(x) = 2.5", "value_avg", "eq: 2.5"),
    ("sel | near other", "temporal", "make a rule of each part"),
    ("sel | max(x) > 3", "no correlation type", ""),
    ("sel | what is this", "Sigma specification", ""),
]


@pytest.mark.parametrize(("text", "kind", "rest"), AGGREGATIONS)
def test_a_legacy_aggregation_is_answered_with_the_correlation(
    text: str, kind: str, rest: str
) -> None:
    found = refusal(text, "10m")
    assert found.code == "E_AGGREGATION"
    assert found.place.column == START + text.index("|")
    assert kind in found.hint
    assert rest in found.hint
    if "timespan" in found.hint:
        assert "timespan: 10m" in found.hint
        assert "timespan: <how long>" in refusal(text).hint


@pytest.mark.parametrize("text", [text for text, kind, _ in AGGREGATIONS if "_" in kind])
def test_the_correlation_that_answers_is_one(text: str) -> None:
    hint = refusal(text, "10m").hint
    written = hint[hint.index("correlation: {") : hint.rindex("`")].replace("<name>", "name")
    contents = read_file(f"title: t\n{written}\n".encode(), "a.yml")
    assert contents.diagnostics.errors == []
    assert len(contents.correlations) == 1


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ("them", ["sel_a", "sel_b", "filter", "a.b"]),
        ("sel*", ["sel_a", "sel_b"]),
        ("*_b", ["sel_b"]),
        ("s*l*a", ["sel_a"]),
        ("*", ["sel_a", "sel_b", "filter", "a.b"]),
        ("_*", ["_hidden"]),
        ("_hidden", ["_hidden"]),
        ("filter", ["filter"]),
        ("*hidden", []),
        ("SEL*", []),
        ("a.*", ["a.b"]),
        ("sel_a*a", []),
    ],
)
def test_what_a_target_selects(target: str, chosen: list[str]) -> None:
    assert names_matching(target, ["sel_a", "sel_b", "_hidden", "filter", "a.b"]) == chosen


@pytest.mark.parametrize(
    ("text", "code", "column", "hint"),
    [
        ("a and selektion", "E_CONDITION", 6, "did you mean `selection`?"),
        ("a and zzzzzz", "E_CONDITION", 6, "defined are `a`, `selection`"),
        ("1 of filter_*", "E_SELECTOR_EMPTY", 5, "defined are"),
        ("3 of them", "E_CONDITION", 5, ""),
        ("A", "E_CONDITION", 0, ""),
    ],
)
def test_names_that_do_not_exist(text: str, code: str, column: int, hint: str) -> None:
    (fault,) = name_faults(parse(text, at(text)), ["a", "selection"])
    found = fault.diagnostic
    assert (found.code, found.place.column) == (code, START + column)
    assert hint in found.hint


def test_every_name_that_does_not_exist_is_told() -> None:
    text = "x and a and (y or 1 of z*) and 3 of them"
    found = name_faults(parse(text, at(text)), ["a", "selection"])
    assert [each.diagnostic.place.column - START for each in found] == [0, 13, 23, 36]


def test_names_used() -> None:
    condition = parse("a and not 1 of f_*", at(""))
    assert names_used(condition, ["a", "b", "f_1", "f_2", "_f"]) == {"a", "f_1", "f_2"}


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("all of s*", lambda s1, s2, o: s1 and s2),
        ("1 of s*", lambda s1, s2, o: s1 or s2),
        ("2 of them", lambda s1, s2, o: s1 + s2 + o >= 2),
        ("not 1 of s* and o", lambda s1, s2, o: not (s1 or s2) and o),
        ("s1 or s2 and o", lambda s1, s2, o: s1 or (s2 and o)),
    ],
)
def test_truth_of_a_condition(text: str, means: object) -> None:
    assert callable(means)
    for bits in range(8):
        given_ = {name: bool(bits >> i & 1) for i, name in enumerate(("s1", "s2", "o"))}
        made = resolve(
            parse(text, at(text)).expression,
            list(given_),
            lambda name, given_=given_: TRUE if given_[name] else FALSE,  # type: ignore[misc]
        )
        assert truth(made) is bool(means(**given_)), given_


def truth(node: Expression) -> bool:
    match node:
        case Const():
            return node.value
        case Not():
            return not truth(node.operand)
        case And():
            return all(map(truth, node.operands))
        case Or():
            return any(map(truth, node.operands))
        case AtLeast():
            return sum(map(truth, node.operands)) >= node.count
    raise AssertionError(node)


def test_nesting_is_bounded_and_the_limit_itself_is_allowed() -> None:
    parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, at(""))
    assert "deeper" in refusal("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1)).message
    assert "deeper" in refusal("not " * (MAX_DEPTH + 1) + "a").message


def test_long_conditions_and_patterns_stay_fast() -> None:
    started = time.perf_counter()
    parse(" or ".join(f"s{i}" for i in range(5000)), at(""))
    assert "longer" in refusal("a or " * 50_000 + "a").message
    assert names_matching("*a" * 400 + "b", ["a" * 900]) == []
    assert time.perf_counter() - started < 5


@given(st.text("ab _*()|&!1,.é\n", max_size=12) | st.text(max_size=8))
def test_any_text_is_parsed_or_refused_with_a_place_inside_it(text: str) -> None:
    place = at(text)
    try:
        parse(text, place)
    except RuleError as error:
        found = error.diagnostic
        assert found.code in ("E_CONDITION", "E_AGGREGATION")
        assert found.place.line == 7
        assert START <= found.place.column <= START + max(len(text), 1)


# How a condition can be written in YAML; blanks of its text may become line ends.
STYLES = {
    "plain": "condition: {}\n",
    "folded": "condition: >\n   {}\n",
    "literal": "condition: |-  # why\n   {}\n",
    "single": "condition:   '{}'\n",
    "double": 'condition: "{}"\n',
    "item": "condition:\n- {}\n- x\n",
    "flow": "{{condition: [{}], x: y}}\n",
}
WORDS = ["sel", "not", "1 of f*", "(a", "b)", "x.y-z"]
GAPS = [" ", "  ", "\n   ", "\n\n   "]


@given(
    st.sampled_from(list(STYLES)),
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), min_size=1, max_size=8),
    st.sampled_from(["", "# é\r\n", "a: 1\n---\n"]),
)
def test_a_name_is_found_in_whatever_style_it_is_written(
    style: str, words: list[tuple[str, str]], before: str
) -> None:
    body = "".join(word + gap for word, gap in words) + "wanted"
    text = before + STYLES[style].format(body)
    *_, document = documents(text.encode(), "a.yml")
    node = document.root.value["condition"]
    node = node.value[0] if node.is_list else node
    place = Condition(node.value, FALSE, node.place("a.yml"), raw=node.raw).place_of("wanted")
    line = text.replace("\r\n", "\n").split("\n")[place.line - 1]
    assert line[place.column - 1 :][: place.width] == "wanted"


@pytest.mark.parametrize(
    ("text", "column", "width"),
    [
        ('"\\x73el and wanted"', 12, 19),  # behind an escape only the condition's place is known
        ('"a and wanted and \\x73el"', 19, 6),
        ('"a and wan\\\n  ted"', 19, 6),
    ],
)
def test_escapes_hide_what_stands_behind_them(text: str, column: int, width: int) -> None:
    (document,) = documents(f"condition: {text}\n".encode(), "a.yml")
    node = document.root.value["condition"]
    place = Condition(node.value, FALSE, node.place("a.yml"), raw=node.raw).place_of("wanted")
    assert (place.line, place.column, place.width) == (1, column, width)
