"""Sigma strings: the examples of the docstrings, and laws."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.ir import values
from sigmac.compiler.ir.values import ANY, DASH, ONE, Part, glob, join, parse_text
from sigmac.runtime.scalar.globs import Wild, tokens

PARTS = st.lists(st.sampled_from([ANY, ONE]) | st.text("ab\\*?[]-%é", max_size=4)).map(join)


def test_docstrings() -> None:
    assert doctest.testmod(values).failed == 0


@given(PARTS)
def test_what_is_escaped_is_read_back(parts: tuple[Part, ...]) -> None:
    escaped = "".join(
        part.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
        if isinstance(part, str)
        else str(part.value)
        for part in parts
    )
    assert parse_text(escaped) == parts


@given(st.text("ab\\*?", max_size=12))
def test_joining_is_idempotent(text: str) -> None:
    parts = parse_text(text)
    assert join(parts) == parts


@given(PARTS, st.booleans())
def test_the_runtime_reads_a_glob_as_the_compiler_wrote_it(
    parts: tuple[Part, ...], dash: bool
) -> None:
    parts = join((*parts, DASH)) if dash else parts
    read = [(isinstance(token, Wild), str(token)) for token in tokens(glob(parts))]
    assert read == [
        (False, part) if isinstance(part, str) else (True, part.value)
        for part in parts
        if not isinstance(part, values.Placeholder)
    ]
