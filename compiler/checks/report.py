"""Diagnostics as text for people, as JSON and as SARIF.

All three list them by file and line. What rules and file names say is hostile text: on a terminal
every control character, escape sequence and bidirectional mark is shown escaped, and JSON is plain
ASCII.
"""

from __future__ import annotations

import json
import os
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote_from_bytes

from sigmac import __version__
from sigmac.compiler.diagnostics.catalogue import Check, catalogue, markdown, visible
from sigmac.compiler.diagnostics.diagnostic import (
    LINE_BREAK,
    SEVERITIES,
    Diagnostic,
    Place,
    RuleError,
)
from sigmac.compiler.syntax.yaml_nodes import Node, documents
from sigmac.runtime.printable import escaped

Sources = Callable[[str], bytes | None]  # the bytes of a file by the name that diagnostics give it

LINE_CELLS = 100  # of a source line, what a terminal surely shows
TAB_CELLS = 4
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES.values())}
_COLOR = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
}
_RESET = "\x1b[0m"


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, line and column, then the worst first; what was said twice stands once."""
    return sorted(
        dict.fromkeys(diagnostics),
        key=lambda d: (d.place.file, d.place.line, d.place.column, _RANK[d.severity], d.code),
    )


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Counts in words, as `3 errors, 2 warnings in 4 files`; `no problems found` where there are
    none.
    """
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
    """Diagnostics for a terminal, each with its source line, a caret underline and the hint; counts
    in the last line.

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
    """Lines of files by place; holds the lines of one file at a time, as diagnostics come file by
    file.
    """

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
            self.file, self.lines = place.file, LINE_BREAK.split(text) if text else []
        return self.lines[place.line - 1] if place.line <= len(self.lines) else None


_Cell = tuple[str, int]  # a character as it is shown, and its width


def excerpt(line: str, column: int, width: int) -> tuple[str, str]:
    r"""A source line as a terminal shows it, cut on both sides where it is long, and its carets.

    `column` counts characters from 1; 0 is unknown and gives no carets.

    >>> print(*excerpt("a: 'x\ty\x1bz'", 6, 3), sep="\n")
    a: 'x   y\x1bz'
         ^^^^^^^^
    """
    start = max(column - 1, 0)
    end = start + max(width, 1)
    # What lies further away than a line can show costs nothing, however long the line is.
    first = max(start - LINE_CELLS, 0)
    cells = _cells(line[first : start + LINE_CELLS])
    before, marked = cells[: start - first], cells[start - first : end - first]
    after = cells[end - first :]
    behind = min(_width(marked) + _width(after), LINE_CELLS * 2 // 3)
    before = _fitting(before[::-1], LINE_CELLS - behind)[::-1]
    marked = _fitting(marked, LINE_CELLS - _width(before))
    after = _fitting(after, LINE_CELLS - _width(before) - _width(marked))
    front = "…" if start > len(before) else ""
    back = "…" if start + len(marked) + len(after) < len(line) else ""
    shown = front + "".join(text for text, _ in (*before, *marked, *after)) + back
    if not column:
        return shown, ""
    return shown, " " * (len(front) + _width(before)) + "^" * max(_width(marked), 1)


def _cells(text: str) -> list[_Cell]:
    cells: list[_Cell] = []
    at = 0
    for char in text:
        cells.append(_cell(char, at))
        at += cells[-1][1]
    return cells


def _cell(char: str, at: int) -> _Cell:
    if char == "\t":
        size = TAB_CELLS - at % TAB_CELLS
        return " " * size, size
    shown = escaped(char)
    if len(shown) > 1 or char.isascii():
        return shown, len(shown)
    if unicodedata.category(char) in ("Mn", "Me"):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _width(cells: list[_Cell]) -> int:
    return sum(size for _, size in cells)


def _fitting(cells: list[_Cell], room: int) -> list[_Cell]:
    """The cells from the first on that a room holds."""
    used = 0
    for index, (_, size) in enumerate(cells):
        used += size
        if used > room:
            return cells[:index]
    return cells


# JSON


def render_json(
    diagnostics: Iterable[Diagnostic], sources: Sources, more: Mapping[str, Any] | None = None
) -> str:
    """Diagnostics as one JSON object in ASCII, with `more` keys; `docs/checks.md` describes it.

    `{"version": 1, "diagnostics": [{code, severity, message, file, line, column, width, document,
    hint, pointer}], "counts": {errors, warnings, notes, files}}`; keys may be added, never renamed.
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
        **(more or {}),
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


def _with_pointers(found: list[Diagnostic], sources: Sources) -> Iterator[tuple[Diagnostic, str]]:
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
        return  # a file that is not YAML has no pointers, and a diagnostic that says so


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
        """The pointer of the node at a place, or of the innermost node around it; "" where there is
        none.
        """
        key = (place.document, place.line, place.column, place.width)
        if key in self.exact:
            return self.exact[key]
        around = [
            spot
            for spot in self.lines.get(key[:2], ())
            if spot[2] <= place.column < spot[2] + spot[3] or spot[2] == place.column
        ]
        return max(around, key=lambda spot: (spot[2], -spot[3]))[4] if around else ""


# SARIF


_SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render_sarif(diagnostics: Iterable[Diagnostic], sources: Sources) -> str:
    """Diagnostics as a SARIF 2.1.0 log in ASCII, as code hosts read it: one run, every check a rule
    with its help.

    Files inside the current folder get relative URIs.
    """
    found = ordered(diagnostics)
    checks = list(catalogue().values())
    index = {check.code: number for number, check in enumerate(checks)}
    rules = [_sarif_rule(check) for check in checks]
    log = {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "sigmac", "version": __version__, "rules": rules}},
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
    result: dict[str, Any] = {
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
        keys = ("code", "severity", "topic", "summary", "explanation", "fix", "bad", "good")
        return json.dumps([{key: getattr(each, key) for key in keys} for each in checks], indent=2)
    return "\n\n".join(_listed(check) for check in checks)


def _listed(check: Check) -> str:
    explanation = textwrap.indent(textwrap.fill(check.explanation, LINE_CELLS - 4), " " * 4)
    bad, good = (textwrap.indent(visible(each), " " * 8) for each in (check.bad, check.good))
    if check.fix:
        fix = textwrap.fill(f"--fix: {check.fix}.", LINE_CELLS - 4)
        explanation += "\n\n" + textwrap.indent(fix, " " * 4)
    return (
        f"{check.code} ({check.severity}): {check.summary}\n\n{explanation}\n\n"
        f"    Instead of\n\n{bad}\n    write\n\n{good}".rstrip()
    )
