"""Quick fixes: what mends a finding, a word that was meant, a comment that takes the finding back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lsprotocol import types

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, RuleError
from sigmac.compiler.fixes.fix import Fix
from sigmac.compiler.syntax.yaml_nodes import documents
from sigmac.lsp.checking import Checked
from sigmac.lsp.texts.open_text import OpenText

KINDS = (types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll)
_MOST = 20  # findings of one answer
_MEANT = re.compile(r"did you mean `([^`]+)`\?")
_NAMED = re.compile(r"`([^`]+)`")
_IGNORED = re.compile(r"#\s*sigmac:\s*ignore\[([^\]]*)\]")


def actions(
    text: OpenText, start: int, end: int, checked: Checked, told: Sequence[types.Diagnostic]
) -> Iterator[types.CodeAction]:
    """What may be done about the findings between two offsets, the best first; `told` is what the editor shows."""
    chosen = [each for each in checked.found if _touches(text, each, start, end)][:_MOST]
    for found in chosen:
        fixes = [fix for fix in checked.fixes if (fix.code, fix.place) == (found.code, found.place)]
        for fix in fixes:
            edits = [(edit.start, edit.end, edit.text) for edit in fix.edits]
            yield _action(text, fix.title, edits, _those(told, text, found), is_preferred=True)
        meant = None if fixes else _meant(text, found)
        if meant is not None:
            at, last, word = meant
            shown, edits = _those(told, text, found), [(at, last, word)]
            yield _action(text, f"write `{word}`", edits, shown, is_preferred=True)
    for found in {each.code: each for each in chosen if not each.is_error}.values():
        edit = _ignoring(text, found)
        if edit is not None:
            title, shown = f"ignore {found.code} here", _those(told, text, found)
            yield _action(text, title, [edit], shown, is_preferred=False)


def fix_all(text: OpenText, fixes: Sequence[Fix]) -> types.CodeAction | None:
    """The action that mends all of a text, whose edit is made when it is chosen; None where nothing can be mended."""
    if not fixes:
        return None
    title = "Mend all that has one right answer"
    return types.CodeAction(title, types.CodeActionKind.SourceFixAll, data={"uri": text.uri})


def replaced(text: OpenText, new: str) -> types.WorkspaceEdit:
    """The edit that makes a text of another: what both begin and end with stays."""
    old = text.text
    shortest = min(len(old), len(new))
    start = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    tail = next(
        (i for i in range(shortest - start) if old[-1 - i] != new[-1 - i]), shortest - start
    )
    span = text.positions.range(start, len(old) - tail)
    edit = types.TextEdit(span, new[start : len(new) - tail])
    return types.WorkspaceEdit({text.uri: [edit]})


def _touches(text: OpenText, found: Diagnostic, start: int, end: int) -> bool:
    span = text.positions.range_of(found.place)
    return text.offset(span.start) <= end and start <= text.offset(span.end)


def _action(
    text: OpenText,
    title: str,
    edits: Sequence[tuple[int, int, str]],
    shown: list[types.Diagnostic],
    *,
    is_preferred: bool,
) -> types.CodeAction:
    made = [types.TextEdit(text.positions.range(start, end), new) for start, end, new in edits]
    return types.CodeAction(
        title[:1].upper() + title[1:],
        types.CodeActionKind.QuickFix,
        diagnostics=shown or None,
        is_preferred=is_preferred or None,
        edit=types.WorkspaceEdit({text.uri: made}),
    )


def _those(
    told: Sequence[types.Diagnostic], text: OpenText, found: Diagnostic
) -> list[types.Diagnostic]:
    """What the editor shows of a finding."""
    span = text.positions.range_of(found.place)
    return [each for each in told if (each.code, each.range) == (found.code, span)]


def _meant(text: OpenText, found: Diagnostic) -> tuple[int, int, str] | None:
    """Where the word stands that was meant otherwise, and what was meant."""
    hint, named = _MEANT.search(found.hint), _NAMED.search(found.message)
    if hint is None or named is None:
        return None
    start = text.positions.offset_of(found.place)
    end = text.offset(text.positions.range_of(found.place).end)
    word = re.compile(rf"(?<![\w-]){re.escape(named[1])}(?![\w-])")
    places = [*word.finditer(text.text, start, end)]
    return (places[0].start(), places[0].end(), hint[1]) if len(places) == 1 else None


def _ignoring(text: OpenText, found: Diagnostic) -> tuple[int, int, str] | None:
    """A comment that takes a finding back: in its line, or above where a comment there would be text."""
    if not found.place.line:
        return None
    begin, end = text.positions.line_around(text.positions.offset_of(found.place))
    line = text.text[begin:end]
    there = _IGNORED.search(line)
    if there is not None:
        at = begin + there.end(1)
        return at, at, f", {found.code}"
    comment = f"# sigmac: ignore[{found.code}]"
    indent = line[: len(line) - len(line.lstrip(" "))]
    at = begin + len(line.rstrip())
    edits = ((at, at, f"  {comment}"), (begin, begin, f"{indent}{comment}\n"))
    return next((edit for edit in edits if _says_the_same(text.text, edit)), None)


def _says_the_same(text: str, edit: tuple[int, int, str]) -> bool:
    start, end, new = edit
    return _plain(text) == _plain(f"{text[:start]}{new}{text[end:]}")


def _plain(text: str) -> list[object] | None:
    try:
        return [each.root.plain() for each in documents(text.encode("utf-8", "surrogatepass"), "")]
    except RuleError:
        return None
