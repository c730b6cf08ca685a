"""A search identifier gets another name, wherever its document names it, and the rule goes on meaning the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsprotocol.types import Range, TextEdit

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.syntax.condition import KEYWORDS, names_matching
from sigmac.compiler.syntax.yaml_nodes import documents
from sigmac.lsp.jumps import identifier_at
from sigmac.lsp.texts.loose_yaml import LooseDocument
from sigmac.lsp.texts.open_text import OpenText, Use, identifiers
from sigmac.runtime.errors import SigmacError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,1000}")
_RESERVED = frozenset({"condition", "timeframe", "rules"})


class RenameError(SigmacError):
    """Raised where a name cannot be given; the message says why."""


def renamable(text: OpenText, offset: int) -> tuple[Range, str] | None:
    """What would be renamed at an offset: where it stands and what it is called now; None where nothing would."""
    name = identifier_at(text.document_at(offset), text, offset)
    word = text.word_at(offset)
    if name is None or word is None:
        return None
    return text.positions.range(word.start, word.end), name


def rename(text: OpenText, offset: int, new: str) -> list[TextEdit]:
    """The edits that give a search identifier another name. Raises `RenameError`."""
    document = text.document_at(offset)
    old = identifier_at(document, text, offset)
    if old is None:
        raise RenameError("no search identifier stands here")
    _check_name(new, [*identifiers(document)], old)
    uses = [*text.uses(document)]
    _check_patterns(document, uses, old, new)
    entry = identifiers(document)[old]
    assert entry.key is not None
    spans = [entry.key, *((use.start, use.end) for use in uses if use.word == old)]
    _check_outcome(text.text, spans, old, new)
    return [TextEdit(text.positions.range(*span), new) for span in spans]


def _check_name(new: str, names: Sequence[str], old: str) -> None:
    if not _NAME.fullmatch(new):
        raise RenameError("a name is made of letters, digits, `_`, `-` and `.`")
    if new.lower() in KEYWORDS or new.isdecimal():
        raise RenameError(f"conditions read `{new}` otherwise")
    if new in _RESERVED:
        raise RenameError(f"`{new}` is another key of the detection")
    if new in names and new != old:
        raise RenameError(f"there is a search identifier `{new}` already")


def _check_patterns(document: LooseDocument, uses: Sequence[Use], old: str, new: str) -> None:
    """Whether each pattern selects the same as before."""
    names = [*identifiers(document)]
    renamed = [new if name == old else name for name in names]
    for use in uses:
        if use.word != "them" and "*" not in use.word:
            continue
        before = [new if name == old else name for name in names_matching(use.word, names)]
        after = names_matching(use.word, renamed)
        if before != after:
            change = "no longer" if len(after) < len(before) else "then"
            raise RenameError(f"`{use.word}` in the condition would {change} select `{new}`")


def _check_outcome(text: str, spans: Sequence[tuple[int, int]], old: str, new: str) -> None:
    """Whether the text is YAML, and says the same afterwards but for the name."""
    changed = text
    for start, end in sorted(spans, reverse=True):
        changed = f"{changed[:start]}{new}{changed[end:]}"
    try:
        before, after = _plain(text), _plain(changed)
    except RuleError as error:
        raise RenameError(f"the text is no YAML: {error.diagnostic.message}") from None
    if _count(before, old) != _count(after, new) or len(before) != len(after):
        raise RenameError(f"`{new}` would be read as something else: put the name in quotes first")


def _plain(text: str) -> list[object]:
    data = text.encode("utf-8", "surrogatepass")
    return [each.root.plain() for each in documents(data, "")]


def _count(found: Sequence[object], name: str) -> int:
    """How many maps of search identifiers have a name as a text."""
    maps = [
        each.get(key) for each in found if isinstance(each, dict) for key in ("detection", "filter")
    ]
    return sum(name in each for each in maps if isinstance(each, dict))
