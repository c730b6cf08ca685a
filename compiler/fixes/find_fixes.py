"""The fixes of a text: one for each finding that has one right answer, and for no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sigmac.compiler.checks import check_file, check_writing
from sigmac.compiler.checks.ignore_comments import without_ignored
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, RuleError
from sigmac.compiler.fixes import detection_fixes, metadata_fixes
from sigmac.compiler.fixes.fix import Edit, Fix, apply, compatible
from sigmac.compiler.fixes.key_order import check_order, key_order
from sigmac.compiler.fixes.same_meaning import DocumentMeaning, meaning_of, same_meaning
from sigmac.compiler.fixes.source_text import SourceText
from sigmac.compiler.syntax.documents import FileContents, read_file

Fixer = Callable[[Diagnostic, SourceText], Fix | None]
# By the code of the finding
FIXERS: Mapping[str, Fixer] = {
    **metadata_fixes.FIXERS,
    "N_KEY_ORDER": key_order,
    **detection_fixes.FIXERS,
}
MAX_ROUNDS = 10  # a fix may uncover what another one mends
MAX_WORK = 500_000  # characters that are read again to find out which fixes hold by themselves
_MARK = "\ufeff"


def fixes_of(
    text: str, file: str = "", conventions: Conventions = NO_CONVENTIONS
) -> tuple[Fix, ...]:
    """The fixes of the text of a file of rules, in the order of their findings; each holds by itself.

    Offsets count characters of `text`, a byte-order mark among them. What a comment takes back is not mended. Of a
    large text with many findings only the first are looked at.
    """
    mark, text = _marked(text)
    read = _read(text, file, conventions)
    if read is None:
        return ()
    proposed = read.proposed(lambda _: True)[: MAX_WORK // (len(text) + 1) + 1]
    return tuple(_moved(fix, len(mark)) for fix in proposed if read.holds([fix]))


@dataclass(frozen=True, slots=True)
class Mended:
    """A text with its fixes, those that were applied, and those that were dropped: they would change a meaning."""

    text: str
    fixes: tuple[Fix, ...]
    dropped: tuple[Fix, ...]


def mend(
    text: str,
    file: str = "",
    is_told: Callable[[Diagnostic], bool] = lambda _: True,
    conventions: Conventions = NO_CONVENTIONS,
) -> Mended:
    """The text with the fixes of all findings that are told; what it means is the same.

    The places of fixes are those at the time when each was applied.
    """
    mark, text = _marked(text)
    applied: list[Fix] = []
    dropped: list[Fix] = []
    for _ in range(MAX_ROUNDS):
        read = _read(text, file, conventions)
        if read is None:
            break
        wanted = read.proposed(is_told)
        chosen = read.that_hold(wanted)
        dropped = [fix for fix in wanted if fix not in chosen]
        if not chosen:
            break
        text = apply(text, chosen)
        applied += [fix for fix in wanted if fix in chosen]
    return Mended(mark + text, tuple(applied), tuple(dropped))


def _marked(text: str) -> tuple[str, str]:
    return (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)


def _moved(fix: Fix, by: int) -> Fix:
    if not by:
        return fix
    edits = (Edit(edit.start + by, edit.end + by, edit.text) for edit in fix.edits)
    return replace(fix, edits=tuple(edits))


@dataclass(frozen=True)
class _Read:
    """A text as it was read, what there is to say about it, and what it means."""

    source: SourceText
    contents: FileContents
    conventions: Conventions
    found: Sequence[Diagnostic]

    @cached_property
    def meaning(self) -> Mapping[int, DocumentMeaning]:
        return meaning_of(self.source.documents.values(), self.contents)

    def proposed(self, is_told: Callable[[Diagnostic], bool]) -> list[Fix]:
        """What would mend findings that are told; several findings that the same edits mend have one fix."""
        made: dict[tuple[Edit, ...], Fix] = {}
        for each in self.found:
            if each.code not in FIXERS or not is_told(each):
                continue
            fix = FIXERS[each.code](each, self.source)
            if fix is not None:
                made.setdefault(fix.edits, fix)
        return [*made.values()]

    def holds(self, fixes: Sequence[Fix]) -> bool:
        """Whether fixes leave the meaning as it is, and findings of each of their codes are fewer then."""
        after = _read(apply(self.source.text, fixes), self.source.file, self.conventions)
        if after is None:
            return not fixes
        mends = frozenset().union(*(fix.mends for fix in fixes))
        was, now = (Counter(each.code for each in read.found) for read in (self, after))
        return same_meaning(self.meaning, after.meaning, mends) and all(
            now[fix.code] < was[fix.code] for fix in fixes
        )

    def that_hold(self, fixes: Sequence[Fix]) -> Collection[Fix]:
        """Those of some fixes that hold together; of a large text with many fixes the first only."""
        chosen = compatible(fixes)
        if not fixes or self.holds(chosen):
            return frozenset(chosen)
        kept: list[Fix] = []
        for fix in fixes[: MAX_WORK // (len(self.source.text) + 1) + 1]:
            together = [*kept, fix]
            if compatible(together) == together and self.holds(together):
                kept.append(fix)
        return frozenset(kept)


def _read(text: str, file: str, conventions: Conventions) -> _Read | None:
    try:
        source = SourceText.read(text, file)
    except RuleError:
        return None
    data = text.encode("utf-8", "surrogatepass")
    contents = read_file(data, file)
    found = [*contents.diagnostics, *check_file(contents, conventions), *check_order(source)]
    for rule in contents.rules:
        found += check_writing(rule, conventions)
    told = conventions.levelled(without_ignored(found, {file: data}))
    return _Read(source, contents, conventions, [*told])
