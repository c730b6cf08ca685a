"""A fix: exact edits of a text that mend one finding."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sigmac.compiler.diagnostics.diagnostic import Place


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """The characters from `start` to before `end` of a text, counted from 0, become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What mends the finding of this code at this place; it can be applied without any other.

    `edits` are in the order of the text and do not overlap. `mends` are the keys of metadata whose values change;
    everything else that a file says stays as it is.
    """

    code: str
    title: str
    place: Place
    edits: tuple[Edit, ...]
    mends: frozenset[str] = frozenset()


def compatible(fixes: Iterable[Fix]) -> list[Fix]:
    """Those of some fixes that can be applied at once: the first of each that touch one another."""
    chosen: list[Fix] = []
    taken: list[Edit] = []  # in order
    for fix in fixes:
        if not any(_touches(edit, taken) for edit in fix.edits):
            chosen.append(fix)
            for edit in fix.edits:
                insort(taken, edit)
    return chosen


def _touches(edit: Edit, taken: Sequence[Edit]) -> bool:
    at = bisect(taken, edit)
    around = taken[max(at - 1, 0) : at + 1]
    return any(_touch(edit, other) for other in around)


def _touch(one: Edit, other: Edit) -> bool:
    if one.start == one.end or other.start == other.end:  # an insertion
        return one.start <= other.end and other.start <= one.end
    return one.start < other.end and other.start < one.end


def apply(text: str, fixes: Iterable[Fix]) -> str:
    """The text with some fixes that were made for it, which must be `compatible`."""
    made: list[str] = []
    end = 0
    for edit in sorted(edit for fix in fixes for edit in fix.edits):
        made += (text[end : edit.start], edit.text)
        end = edit.end
    return "".join(made) + text[end:]
