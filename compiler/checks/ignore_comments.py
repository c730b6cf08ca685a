"""Comments in files of rules that take warnings and notes back: `# sigmac: ignore[CODE, …] reason`.

Behind something such a comment is about its line, alone on a line about the next one that says something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.diagnostic import LINE_BREAK, Diagnostic, Place, did_you_mean

_SIGN = b"sigmac:"
_COMMENT = re.compile(r"(?<!\S)#\s*sigmac:\s*ignore\[([^\]]*)\]")
_SAYS_NOTHING = re.compile(r"\s*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class IgnoreComment:
    """A comment: the line that it is about, from 1, and each of its codes with its place."""

    line: int
    codes: tuple[tuple[str, Place], ...]


def ignore_comments(data: bytes, file: str) -> Iterator[IgnoreComment]:
    """The comments of a file. Where a text holds what looks like one, it is one."""
    if _SIGN not in data:
        return
    lines = LINE_BREAK.split(data.decode("utf-8", "replace"))
    for number, line in enumerate(lines, 1):
        for found in _COMMENT.finditer(line):
            about = number
            if _SAYS_NOTHING.fullmatch(line):
                later = range(number + 1, len(lines) + 1)
                about = next(
                    (n for n in later if not _SAYS_NOTHING.fullmatch(lines[n - 1])), number
                )
            codes = re.finditer(r"[^\s,]+", found[1])
            begin = found.start(1) + 1
            yield IgnoreComment(
                about,
                tuple(
                    (code[0], Place(file, number, begin + code.start(), len(code[0])))
                    for code in codes
                ),
            )


def without_ignored(found: Iterable[Diagnostic], files: Mapping[str, bytes]) -> list[Diagnostic]:
    """The diagnostics that no comment of the `files` (their bytes by name) takes back; errors always stay."""
    return _judged(found, files)[0]


def check_ignored(found: Iterable[Diagnostic], files: Mapping[str, bytes]) -> list[Diagnostic]:
    """The same, with N_IGNORE for each code that takes nothing back."""
    kept, comments = _judged(found, files)
    return [*kept, *(Diagnostic("N_IGNORE", *_said(code, place)) for code, place in comments)]


def _judged(
    found: Iterable[Diagnostic], files: Mapping[str, bytes]
) -> tuple[list[Diagnostic], list[tuple[str, Place]]]:
    """What stays, and what of the comments was of no use."""
    wanted: dict[tuple[str, int, str], list[Place]] = {}
    for file, data in files.items():
        for comment in ignore_comments(data, file):
            for code, place in comment.codes:
                wanted.setdefault((file, comment.line, code), []).append(place)
    kept, used = [], set()
    for each in found:
        key = (each.place.file, each.place.line, each.code)
        if key in wanted and not each.is_error:
            used.add(key)
        else:
            kept.append(each)
    unused = [
        (code, place)
        for (file, line, code), places in wanted.items()
        if (file, line, code) not in used and not _is_style(code)
        for place in places
    ]
    return kept, unused


def _is_style(code: str) -> bool:
    """Whether `sigmac check --fix` alone tells of it."""
    return code in catalogue() and catalogue()[code].style


def _said(code: str, place: Place) -> tuple[str, Place, str]:
    if code not in catalogue():
        return f"there is no check `{code[:60]}`", place, did_you_mean(code, catalogue())
    if code.startswith("E_"):
        return f"{code} is an error, which no comment takes back", place, "mend it"
    return f"there is no {code} here to ignore", place, "leave the comment out"
