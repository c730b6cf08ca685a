"""Diagnostics as text for people, as JSON and as SARIF.

All three list them by file and line. What rules and file names say is hostile text: on a terminal every control
character, escape sequence and bidirectional mark is shown escaped, and JSON is plain ASCII.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import PurePath
from typing import Any
from urllib.parse import quote_from_bytes

from sigmac.compiler.checks.catalogue import Check, catalogue, markdown
from sigmac.compiler.diagnostics import SEVERITIES, Diagnostic, Place, RuleError
from sigmac.compiler.source import Node, documents

Sources = Callable[[str], bytes | None]  # the bytes of a file by the name that diagnostics give it

LINE_CELLS = 100  # of a source line, what a terminal surely shows
TAB_CELLS = 4
_INDENTED = {"initial_indent": " " * 4, "subsequent_indent": " " * 4}
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES.values())}
# YAML's line breaks: what PyYAML counts lines by.
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# Controls, formats (bidirectional and zero-width marks), surrogates, private and unknown characters, separators
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COLOR = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
}
_RESET = "\x1b[0m"


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, line and column, then the worst first; what was said twice of one place stands once."""
    return sorted(
        dict.fromkeys(diagnostics),
        key=lambda d: (d.place.file, d.place.line, d.place.column, _RANK[d.severity], d.code),
    )


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Counts in words, as `3 errors, 2 warnings in 4 files`; `no problems found` where there are none."""
    found = list(diagnostics)
    counts = Counter(d.severity for d in found)
    parts = [_count(counts[s], s) for s in SEVERITIES.values() if counts[s]]
    if not parts:
        return "no problems found"
    return f"{', '.join(parts)} in {_count(len({d.place.file for d in found}), 'file')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Text


def render_text(diagnostics: Iterable[Diagnostic], sources: Sources, *, color: bool) -> str:
    """Diagnostics for a terminal, each with its source line, a caret underline and the hint; counts in the last line.

    `sources` gives a file's bytes, or None where it cannot; then the line is left out.
    """
    found = ordered(diagnostics)
    lines = _SourceLines(sources)
    made: list[str] = []
    for each in found:
        made.extend(_text(each, lines.line(each.place), _Paint(color)))
        made.append("")
    made.append(summary(found))
    return "\n".join(made) + "\n"


def _text(diagnostic: Diagnostic, line: str | None, paint: _Paint) -> Iterator[str]:
    place, severity = diagnostic.place, diagnostic.severity
    where = paint("bold", escaped(str(place)) + ":")
    what = f"{paint(severity, severity + ':')} {escaped(diagnostic.message)}"
    yield f"{where} {what} [{diagnostic.code}]"
    margin = f"{place.line:>5}" if place.line else "     "
    if line is not None:
        shown, underline = excerpt(line, place.column, place.width)
        yield f"{paint('dim', margin + ' |')} {shown}".rstrip()
        if underline:
            yield f"{paint('dim', ' ' * len(margin) + ' |')} {paint(severity, underline)}"
    if diagnostic.hint:
        yield f"{' ' * len(margin)} {paint('dim', '=')} hint: {escaped(diagnostic.hint)}"


class _Paint:
    """Text in a colour of `_COLOR`, or as it is."""

    def __init__(self, color: bool):
        self.color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{_COLOR[style]}{text}{_RESET}" if self.color else text


class _SourceLines:
    """Lines of files by place; holds the lines of one file at a time, as diagnostics come file by file."""

    def __init__(self, sources: Sources):
        self.sources = sources
        self.file: str | None = None
        self.lines: list[str] = []

    def line(self, place: Place) -> str | None:
        if not place.line:
            return None
        if place.file != self.file:
            data = self.sources(place.file)
            text = "" if data is None else data.decode("utf-8-sig", "replace")
            self.file, self.lines = place.file, _LINE_BREAK.split(text) if text else []
        return self.lines[place.line - 1] if place.line <= len(self.lines) else None


def escaped(text: str) -> str:
    r"""Text that a terminal can show as it is: hidden characters as escapes.

    >>> print(escaped("a\tb \x1b[2J \u202egpj.exe"))
    a\tb \x1b[2J \u202egpj.exe
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _escape(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if char > "~" else repr(char)[1:-1]


def excerpt(line: str, column: int, width: int) -> tuple[str, str]:
    r"""A source line as a terminal shows it and the carets below it; cut on both sides where it is long.

    `column` counts characters from 1, 0 is unknown and gives no carets.

    >>> print(*excerpt("a: 'x\ty\x1bz'", 6, 4), sep="\n")
    a: 'x   y\x1bz'
         ^^^^^^^^^
    """
    start, end = max(column - 1, 0), max(column - 1, 0) + max(width, 1)
    # What lies further from the place than a line can show costs nothing, however long the line is.
    first = max(0, start - LINE_CELLS)
    kept = line[first : start + 2 * LINE_CELLS]
    cells: list[tuple[str, int]] = []
    at = 0
    for char in kept:
        shown, size = _cell(char, at)
        cells.append((shown, size))
        at += size
    start, end = min(start - first, len(cells)), min(end - first, len(cells))
    before = sum(size for _, size in cells[:start])
    marked = min(max(sum(size for _, size in cells[start:end]), 1), LINE_CELLS)
    left = right = 0
    if first or len(kept) < len(line) or at > LINE_CELLS:
        # As much before the place as fits when it and a little after it must be seen.
        room = max(LINE_CELLS - marked, 0)
        left, cut = 0, before
        while left < start and cut > room * 2 // 3:
            cut -= cells[left][1]
            left += 1
        right, used = left, 0
        while right < len(cells) and used + cells[right][1] <= LINE_CELLS:
            used += cells[right][1]
            right += 1
        marked = min(marked, max(used - cut, 1))
        before = cut
    else:
        right = len(cells)
    front = "…" if first or left else ""
    back = "…" if first + right < len(line) else ""
    text = front + "".join(shown for shown, _ in cells[left:right]) + back
    return text, " " * (len(front) + before) + "^" * marked if column else ""


def _cell(char: str, at: int) -> tuple[str, int]:
    """How a character is shown at a cell of the line, and how many cells it takes."""
    if " " <= char <= "~":
        return char, 1
    if char == "\t":
        size = TAB_CELLS - at % TAB_CELLS
        return " " * size, size
    if unicodedata.category(char) in _HIDDEN:
        shown = _escape(char)
        return shown, len(shown)
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in "WF" else 1


# JSON


def render_json(diagnostics: Iterable[Diagnostic], sources: Sources) -> str:
    """Diagnostics as one JSON object in ASCII, `docs/checks.md` describes it.

    `{"version": 1, "diagnostics": [{code, severity, message, file, line, column, width, document, hint, pointer}],
    "counts": {errors, warnings, notes, files}}`; keys may be added, never renamed.
    """
    found = ordered(diagnostics)
    counts = Counter(d.severity for d in found)
    report = {
        "version": 1,
        "diagnostics": [_as_json(d, pointer) for d, pointer in _with_pointers(found, sources)],
        "counts": {
            **{f"{severity}s": counts[severity] for severity in SEVERITIES.values()},
            "files": len({d.place.file for d in found}),
        },
    }
    return json.dumps(report, indent=2)


def _as_json(diagnostic: Diagnostic, pointer: str) -> dict[str, Any]:
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "width": place.width,
        "document": place.document,
        "hint": diagnostic.hint,
        "pointer": pointer,
    }


def _with_pointers(
    found: list[Diagnostic], sources: Sources
) -> Iterator[tuple[Diagnostic, str]]:
    """Each diagnostic with the JSON pointer of the node that it speaks of, found by its place."""
    file, index = None, _Pointers([])
    for each in found:
        if not each.pointer and each.place.file != file:
            file = each.place.file
            index = _Pointers(_nodes(sources(file), file))
        yield each, each.pointer or index.at(each.place)


_Spot = tuple[int, int, int, int, str]  # document, line, column, width, pointer


def _nodes(data: bytes | None, file: str) -> Iterator[_Spot]:
    if data is None:
        return
    try:
        for document in documents(data, file):
            yield from _spots(document.root, document.index, "")
    except RuleError:
        return  # a file that is not YAML has no pointers behind the fault, and has its own diagnostic


def _spots(node: Node, document: int, pointer: str) -> Iterator[_Spot]:
    # A document is at most source.MAX_DEPTH deep.
    yield document, node.line, node.column, node.width, pointer
    if node.is_map:
        for key, child in node.value.items():
            below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from _spots(child, document, below)
            if node.keys and key in node.keys:
                at = node.keys[key]
                yield document, at.line, at.column, at.width, below
    elif node.is_list:
        for number, child in enumerate(node.value):
            yield from _spots(child, document, f"{pointer}/{number}")


class _Pointers:
    """The pointers of a file's nodes by place."""

    def __init__(self, spots: Iterable[_Spot]):
        self.exact: dict[tuple[int, int, int, int], str] = {}
        self.lines: dict[tuple[int, int], list[_Spot]] = {}
        for spot in spots:
            self.exact.setdefault(spot[:4], spot[4])
            self.lines.setdefault(spot[:2], []).append(spot)

    def at(self, place: Place) -> str:
        """The pointer of the node at a place, or of the innermost node around it; "" where there is none."""
        key = (place.document, place.line, place.column, place.width)
        if key in self.exact:
            return self.exact[key]
        around = [
            spot
            for spot in self.lines.get(key[:2], ())
            if spot[2] <= place.column < spot[2] + spot[3] or spot[2] == place.column
        ]
        return max(around, key=lambda spot: (spot[2], -spot[3]), default=(0, 0, 0, 0, ""))[4]


# SARIF


_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(diagnostics: Iterable[Diagnostic], sources: Sources) -> str:
    """Diagnostics as a SARIF 2.1.0 log in ASCII, as code hosts read it: one run, every check a rule with its help.

    Files inside the current folder get relative URIs.
    """
    found = ordered(diagnostics)
    checks = list(catalogue().values())
    index = {check.code: number for number, check in enumerate(checks)}
    driver: dict[str, Any] = {"name": "sigmac", "rules": [_sarif_rule(c) for c in checks]}
    try:
        driver["version"] = metadata.version("sigmac")
    except metadata.PackageNotFoundError:
        pass  # run from a source tree that is not installed; the version is optional
    log = {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _sarif_result(each, pointer, index)
                    for each, pointer in _with_pointers(found, sources)
                ],
            }
        ],
    }
    return json.dumps(log, indent=2)


def _sarif_rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.code,
        "shortDescription": {"text": check.summary},
        "fullDescription": {"text": check.explanation},
        "help": {"text": check.explanation, "markdown": markdown(check)},
        "defaultConfiguration": {"level": check.severity},
    }


def _sarif_result(diagnostic: Diagnostic, pointer: str, index: dict[str, int]) -> dict[str, Any]:
    place = diagnostic.place
    physical: dict[str, Any] = {"artifactLocation": _artifact(place.file)}
    if place.line:
        physical["region"] = {"startLine": place.line}
        if place.column:
            physical["region"] |= {
                "startColumn": place.column,
                "endColumn": place.column + max(place.width, 1),
            }
    location: dict[str, Any] = {"physicalLocation": physical}
    if pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": pointer}]
    hint = f"\nHint: {diagnostic.hint}" if diagnostic.hint else ""
    result = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": diagnostic.message + hint},
        "locations": [location],
    }
    if diagnostic.code in index:
        result["ruleIndex"] = index[diagnostic.code]
    return result


def _artifact(file: str) -> dict[str, str]:
    path = PurePath(os.path.normpath(file)) if file else PurePath()
    if path.is_absolute():
        here = os.getcwd()
        if not path.is_relative_to(here):
            return {"uri": "file://" + quote_from_bytes(os.fsencode(path))}
        path = path.relative_to(here)
    return {"uri": quote_from_bytes(os.fsencode(path.as_posix())), "uriBaseId": "%SRCROOT%"}


# The list of all codes


def render_list(as_json: bool) -> str:
    """Every code with its explanation and examples, for people or as a JSON list."""
    checks = catalogue().values()
    if as_json:
        keys = ("code", "severity", "topic", "summary", "explanation", "bad", "good")
        return json.dumps([{key: getattr(each, key) for key in keys} for each in checks], indent=2)
    return "\n\n".join(_listed(check) for check in checks)


def _listed(check: Check) -> str:
    explanation = textwrap.fill(check.explanation, LINE_CELLS, **_INDENTED)
    bad, good = (textwrap.indent(shown(each), " " * 8) for each in (check.bad, check.good))
    return (
        f"{check.code} ({check.severity}): {check.summary}\n\n{explanation}\n\n"
        f"    Instead of\n\n{bad}\n    write\n\n{good}".rstrip()
    )
