"""Transformations of values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import re2

from sigmac.compiler.ir.values import (
    Alternatives,
    Number,
    Part,
    Regex,
    Text,
    Value,
    join,
    parse_text,
)
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.plain_text import PlainText
from sigmac.compiler.pipeline.conditions.processing_conditions import sigma_value
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.glob_parts import matches, symbols
from sigmac.compiler.pipeline.levels import ValueChange
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.syntax.rule import Item
from sigmac.compiler.syntax.yaml_nodes import Node

MAX_TEXT = 100_000  # characters of one replaced value
MATCHES = 8  # of an expression that count as one value made, whatever comes of them
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?", re.ASCII)


def case(given: Parameters) -> ValueChange:
    """Strings in `method`: lower (default), upper or snake_case."""
    function = _CASES[given.choice("method", _CASES, "lower")]

    def change(value: Value, item: Item, run: Run) -> Value:
        if not isinstance(value, Text):
            return value
        parts = tuple(function(part) if isinstance(part, str) else part for part in value.parts)
        return value if parts == value.parts else replace(value, parts=parts)

    return change


def _snake_case(text: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", text).lower()


_CASES: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "snake_case": _snake_case,
}


def map_string(given: Parameters) -> ValueChange:
    """`mapping` from a whole string to one or several, ORed; letter case and wildcards count."""
    mapping: dict[tuple[Part, ...], tuple[tuple[Part, ...], ...]] = {}
    for source, target in given.pairs("mapping"):
        nodes = target.value if target.is_list else [target]
        if not nodes:
            raise given.fail("a list of strings is empty", target)
        mapping[parse_text(given.as_text(source, "a key of `mapping`"))] = tuple(
            parse_text(given.as_text(node, "a value of `mapping`")) for node in nodes
        )

    def change(value: Value, item: Item, run: Run) -> Value:
        if not isinstance(value, Text) or value.parts not in mapping:
            return value
        texts = tuple(replace(value, parts=parts) for parts in mapping[value.parts])
        run.charge(len(texts))
        return texts[0] if len(texts) == 1 else Alternatives(texts)

    return change


def map_words(given: Parameters) -> ValueChange:
    """`mapping` from every word that a field may hold to what it is in these events.

    A value, also one with wildcards or a regular expression, becomes what each word that it matches
    is mapped to, ORed. One that matches no word is kept: it never matches.
    """
    words: dict[str, tuple[Value, ...]] = {}
    for source, target in given.pairs("mapping"):
        nodes = target.value if target.is_list else [target]
        word = given.name(source, "a key of `mapping`")
        texts = (given.as_text(node, "a value of `mapping`") for node in nodes)
        words[word] = tuple(Text((text,)) for text in texts)

    def change(value: Value, item: Item, run: Run) -> Value:
        fits = _fitting(value)
        if fits is None:
            return value
        found = [word for word in words if fits(word)]
        made = tuple(dict.fromkeys(target for word in found for target in words[word]))
        run.charge(len(made))
        if lost := [word for word in found if not words[word]]:
            message = f"`{lost[0][:60]}` does not occur in these events, so they never match it"
            run.warn("W_PIPELINE_LOSS", message, item.place)
        if not made:
            return value
        return made[0] if len(made) == 1 else Alternatives(made)

    return change


def _fitting(value: Value) -> Callable[[str], bool] | None:
    """Whether a word matches a value; None for a value that is no text."""
    if isinstance(value, Text) and not value.placeholders:
        pattern, cased = symbols(value.parts), value.cased
        return lambda word: matches(pattern, word, cased=cased)
    if isinstance(value, Regex):
        search = re2.compile(value.pattern, re2_options()).search
        return lambda word: search(word) is not None
    return None


def set_value(given: Parameters) -> ValueChange:
    """`value` in place of every value; `force_type` makes it `str` or `num`."""
    raw = given.scalar("value")
    forced = given.choice("force_type", ("str", "num", ""), "")
    if forced:
        raw = _forced(given, raw, forced)
    of_field = sigma_value(raw)
    keyword = sigma_value(raw, keyword=True) if raw not in (None, "") else None

    def change(value: Value, item: Item, run: Run) -> Value:
        made = of_field if item.field is not None else keyword
        if made is None:
            raise Refusal("a keyword cannot be empty", item.place)
        return value if made == value else made

    return change


def _forced(given: Parameters, raw: Any, forced: str) -> Any:
    node: Node | None = given.optional("value")
    if isinstance(raw, bool) or raw is None:
        raise given.fail("`force_type` is for text and numbers", node)
    if forced == "str":
        return str(raw)
    number = _number(raw) if isinstance(raw, str) else raw
    if number is None:
        raise given.fail(f"`{str(raw)[:60]}` is no number", node)
    return number


def convert_type(given: Parameters) -> ValueChange:
    """Numbers as strings, or strings as numbers, as `target_type` says: `str` or `num`."""
    target = given.choice("target_type", ("str", "num"))

    def change(value: Value, item: Item, run: Run) -> Value:
        if target == "str":
            return Text((str(value.value),)) if isinstance(value, Number) else value
        if not isinstance(value, Text):
            return value
        number = _number(value.literal or "")
        if number is None:
            text = PlainText(value.parts).text
            raise Refusal(f"`{text[:60]}` cannot be converted to a number", item.place)
        return Number(number)

    return change


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def replace_string(given: Parameters) -> ValueChange:
    r"""What `regex` matches in a string or number becomes `replacement`, a Sigma string with groups
    `\1`, `\g<name>`.

    The expression sees the string as `PlainText` shows it; with `skip_special` only its literal
    runs, and then the replacement is literal, unless `interpret_special`.
    """
    pattern = given.regex("regex")
    regex = re2.compile(pattern, re2_options())
    template = _template(given, regex)
    skip = given.flag("skip_special")
    interpret = given.flag("interpret_special") or not skip

    def replaced(parts: tuple[Part, ...], expand: bool, run: Run) -> tuple[Part, ...]:
        plain = PlainText(parts, escape=not skip)
        made: list[Part] = []
        size = end = 0
        for count, match in enumerate(regex.finditer(plain.text)):
            if count % MATCHES == 0:
                run.charge(1)
            made.extend(plain.slice(end, match.start()))
            new = list(_expanded(template, match, plain, interpret, expand))
            made.extend(new)
            size += (
                match.end() - end + sum(len(part) if isinstance(part, str) else 1 for part in new)
            )
            if size > MAX_TEXT:
                raise Refusal(f"a replaced string is longer than {MAX_TEXT} characters")
            end = match.end()
        made.extend(plain.slice(end, len(plain.text)))
        return join(made)

    def change(value: Value, item: Item, run: Run) -> Value:
        text = Text((str(value.value),)) if isinstance(value, Number) else value
        if not isinstance(text, Text):
            return value
        expand = bool(text.placeholders)
        if skip:
            runs = (replaced((p,), expand, run) if isinstance(p, str) else (p,) for p in text.parts)
            parts = join(itertools.chain.from_iterable(runs))
        else:
            parts = replaced(text.parts, expand, run)
        if parts == text.parts:
            return value
        run.charge(1, sum(len(part) for part in parts if isinstance(part, str)))
        return replace(text, parts=parts)

    return change


_PYTHON_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\[abfnrtvx0])")
_ESCAPED_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)+[*?]")
_REFERENCE = re.compile(r"\\(?:([1-9][0-9]?)|g<(\w{1,100})>)|(\\.|[^\\]+|\\)", re.DOTALL)


def _template(given: Parameters, regex: Any) -> list[str | int]:
    """Text and group numbers of `replacement` in turn."""
    written = given.text("replacement")
    _warn_of_escapes(given, written)
    pieces: list[str | int] = []
    for match in _REFERENCE.finditer(written):
        number, name, text = match.groups()
        if text is not None:
            if pieces and isinstance(pieces[-1], str):
                pieces[-1] += text
            else:
                pieces.append(text)
            continue
        group = number or name
        index = int(group) if group.isdecimal() else regex.groupindex.get(group)
        if index is None or index > regex.groups:
            message = f"`regex` has no group `{group[:60]}`"
            raise given.fail(
                message, given.optional("replacement"), "two backslashes stand for one"
            )
        pieces.append(index)
    return pieces


def _warn_of_escapes(given: Parameters, written: str) -> None:
    """What pySigma's regular expressions read in another way, and Windows paths are full of."""
    node = given.optional("replacement")
    if escape := _PYTHON_ESCAPE.search(written):
        message = f"`{escape[1]}` is a backslash and a character here, one character to pySigma"
        given.warn("W_PIPELINE_DIFFERS", message, node, f"write `\\{escape[1]}`")
    if _ESCAPED_WILDCARD.search(written):
        message = (
            "two backslashes before a wildcard are a backslash here; pySigma escapes with them"
        )
        hint = "for a literal star or question mark write one backslash"
        given.warn("W_PIPELINE_DIFFERS", message, node, hint)


def _expanded(
    template: list[str | int], match: Any, plain: PlainText, interpret: bool, expand: bool
) -> Iterator[Part]:
    for piece in template:
        if isinstance(piece, int):
            start, end = match.span(piece)
            yield from plain.slice(max(start, 0), end)
        elif interpret:
            yield from parse_text(piece, expand=expand)
        else:
            yield piece.replace("\\\\", "\\")
