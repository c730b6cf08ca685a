"""Regular expressions of rules: what RE2 takes, what it does not have, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import re2

from sigmac.compiler.ir.values import Placeholder, Regex
from sigmac.compiler.syntax.modifiers.modifiers import REGEX_FLAGS, ModifierError

MAX_PATTERN = 100_000  # characters
MAX_PROGRAM = 200_000  # instructions of RE2: the steps that a character takes at worst

_ELSEWHERE = "find it by a pattern without, and rule out the rest by another item under `not`"
_NO_BACKTRACKING = "write `(?:…)` and a plain repeat: RE2 never tries twice"
# What RE2 does not have: how it is recognized, its name, and what to write instead.
_UNSUPPORTED = [
    (r"\(\?<?[=!]", "lookahead and lookbehind", _ELSEWHERE),
    (r"\\[1-9]|\\k|\(\?P=", "back-references", "write out what is repeated"),
    (r"\(\?>", "atomic groups", _NO_BACKTRACKING),
    (r"[*+?}]\+", "possessive repeats", _NO_BACKTRACKING),
    (r"\(\?\(", "conditional groups", "write both cases with `|` between them"),
    (r"\(\?(R|[0-9]|&|P>)", "recursion", "write out the levels that occur"),
    (r"\(\?#", "comments `(?#…)`", "remove the comment"),
    (r"\(\?[a-zA-Z]*x", "the flag x", "write the pattern without blanks and comments"),
    (r"\\u", r"`\uHHHH`", r"write `\x{HHHH}`"),
    (r"\\Z", r"`\Z`", "write `$`"),
    (r"\\h", r"`\h`", r"write `[ \t]`"),
    (r"\\R", r"`\R`", r"write `\r?\n`"),
    (r"\\e", r"`\e`", r"write `\x1b`"),
    (r"\\([HKEcNXGyY])", "this escape", "RE2's own escapes are in its syntax page"),
]


def re2_options() -> Any:
    """RE2's options as every part of sigmac uses them: UTF-8, nothing logged."""
    options = re2.Options()
    options.log_errors = False
    return options


def check_regex(pattern: str) -> int:
    """The number of instructions of RE2's program for a pattern.

    Raises `ModifierError`: `E_REGEX` or `E_REGEX_UNSUPPORTED` where RE2 does not take the pattern or it is too large.
    """
    if len(pattern) > MAX_PATTERN:
        message = f"the pattern is longer than {MAX_PATTERN:,} characters"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "split it")
    try:
        size: int = re2.compile(pattern, re2_options()).programsize
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else "not UTF-8"
        order = re.search(r"repetition size: (\{(\d+),(\d+)\})", reason)
        if order and int(order[2]) > int(order[3]):
            message = f"the bounds of the repeat `{order[1]}` are in the wrong order"
            raise ModifierError("E_REGEX", message, f"write `{{{order[3]},{order[2]}}}`") from None
        if "repetition size" in reason or "too large" in reason or "nesting" in reason:
            message = f"RE2 refuses the pattern: {reason[:120]}"
            raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeats go up to 1000") from None
        bare = re.sub(r"\\\\", "", pattern)
        for sign, what, hint in _UNSUPPORTED:
            if re.search(sign, bare):
                message = f"RE2, which runs in linear time, has no {what}"
                raise ModifierError("E_REGEX_UNSUPPORTED", message, hint) from None
        raise ModifierError("E_REGEX", f"not a regular expression: {reason[:120]}") from None
    if size > MAX_PROGRAM:
        message = f"the pattern takes {size:,} instructions, more than {MAX_PROGRAM:,}"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeat less, or use smaller classes")
    return size


_PERCENT = re.compile(r"(\\.)|%([^%*?\\]+)%", re.DOTALL)


def regex(
    chain: tuple[str, ...], value: Any, warnings: list[tuple[str, str, int | None]], index: int
) -> Regex:
    """The pattern of an item's value under `re` and what follows it; raises `ModifierError`."""
    if not isinstance(value, str):
        raise ModifierError("E_VALUE_TYPE", "`re` takes a string", "put the value in quotes")
    given = {REGEX_FLAGS[name] for name in chain if name in REGEX_FLAGS}
    flags = "".join(flag for flag in "ims" if flag in given)
    parts: list[str | Placeholder] = [value]
    if "expand" in chain:
        parts, end = [], 0
        for match in _PERCENT.finditer(value):
            if match[2]:
                parts += [value[end : match.start()], Placeholder(match[2])]
                end = match.end()
        parts.append(value[end:])
    made = Regex(tuple(part for part in parts if part != ""), flags)
    trial = "".join("x" if isinstance(part, Placeholder) else part for part in parts)
    size = check_regex(replace(made, parts=(trial,)).pattern)
    if value == "":
        warnings.append(("W_REGEX_EMPTY", "an empty pattern matches any text", index))
    return replace(made, size=size)
