"""Text on its way into generated source: literals, names, prose."""

from __future__ import annotations

import ast
import doctest
import keyword
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.codegen import quoting as module
from sigmac.compiler.codegen.quoting import Code, identifier, literal, prose, quote
from sigmac.compiler.codegen.templates import render

# Hypothesis' text leaves surrogates out unless asked; YAML cannot bring them either.
TEXT = st.text(st.characters(exclude_categories=())) | st.text(
    "\"'\\\n\r{}#%\u2028\u202e\0 abN", max_size=12
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def test_docstrings() -> None:
    assert doctest.testmod(module).failed == 0


@given(TEXT)
@example("\\")
@example('ends with \\"')
@example("\\N{BULLET}")
@example('"""')
@example("\u2028\x85\x0c\ufeff")
def test_a_quoted_text_is_itself_and_stands_on_one_line(text: str) -> None:
    made = quote(text)
    assert ast.literal_eval(made) == text
    assert made.isprintable()
    assert ast.literal_eval(f"[{made}, 1]") == [text, 1]


def as_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(as_tuples, value))
    if isinstance(value, dict):
        return {key: as_tuples(each) for key, each in value.items()}
    return value


@given(VALUES)
def test_a_literal_is_its_value(value: Any) -> None:
    made = literal(value)
    assert repr(ast.literal_eval(made)) == repr(as_tuples(value))
    assert made.isprintable()


@given(TEXT, st.sampled_from(["rule", "field", "selection", "logsource"]))
@example("__import__", "rule")
@example("_", "rule")
@example("match", "rule")
@example("print", "rule")
@example("event", "rule")
@example("Klasse", "rule")
def test_a_name_is_a_name_and_nothing_that_means_something(text: str, prefix: str) -> None:
    made = identifier(text, prefix)
    assert made.isidentifier()
    assert made.isascii()
    assert not keyword.iskeyword(made)
    assert made not in {"event", "Event", "Rule", "LogSource", "njit", "np", "print", "match"}
    assert not made.startswith("__")
    assert len(made) < 140


@given(TEXT)
@example('"""\nimport os\n"""')
def test_prose_cannot_leave_a_docstring_or_a_comment(text: str) -> None:
    made = prose(text)
    assert made.isprintable()
    assert len(made) <= 200
    assert len(ast.parse(f'"""{made} ({made})"""\n# {made}\n').body) == 1


@pytest.mark.parametrize("value", ["text", "", None, 1.5, True, ["x"]])
def test_templates_print_code_and_numbers_only(value: Any) -> None:
    with pytest.raises(TypeError, match="tried to print"):
        render("logsource_function", name=Code("f"), subject=value, value=Code("True"))
