"""What became of one case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.cases.case import Case
from sigmac.compiler.diagnostics.diagnostic import Place


@dataclass(frozen=True, slots=True)
class JudgedRule:
    """A rule or correlation of a pack: `key` as results have it, `place` as the user names its file."""

    key: int
    id: str | None
    title: str
    place: Place


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case with what was expected and what came, in words; `reasons` say why, where it failed.

    `case` is None for a rule that has none although each must. `came` is what a case could say to pass: whether the
    event matched, how many of a file did, the alerts of a sequence.
    """

    rule: JudgedRule
    case: Case | None
    passed: bool
    expected: str
    got: str
    reasons: Sequence[str] = ()
    came: bool | int | Sequence[Mapping[str, Any]] = False

    @property
    def place(self) -> Place:
        return self.rule.place if self.case is None else self.case.place

    @property
    def why(self) -> str:
        return "every rule has a case" if self.case is None else self.case.why
