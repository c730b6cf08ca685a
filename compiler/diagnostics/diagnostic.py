"""Errors, warnings and notes with code, file, line, column and a hint.

Every stage reports through a `Diagnostics` collector and goes on, so that one run finds all
problems of all files. A rule that has an error is left out of the pack; a warning never changes
what a rule means; a note is advice that only `sigmac check` gives. `docs/checks.md` explains every
code.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sigmac.runtime.errors import SigmacError

# YAML's: places count lines by them.
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
SEVERITIES = {"E_": "error", "W_": "warning", "N_": "note"}  # by how a code begins, worst first


class Place(NamedTuple):
    """Where something stands: file as the user named it, 1-based line and column, width in
    characters.

    `document` is the 0-based index of the YAML document in the file.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    width: int = 1
    document: int = 0

    def __str__(self) -> str:
        parts = (self.file, *(str(each) for each in (self.line, self.column) if each))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: a stable code (`E_…` error, `W_…` warning, `N_…` note), a sentence, its place,
    how to mend it.

    `pointer` is the JSON pointer of the faulty node inside its document, `""` where there is none; `level` is what
    the user has made of a warning or note, `""` where it is what its code says; `related` are the other places that
    the message speaks of.
    """

    code: str
    message: str
    place: Place
    hint: str = ""
    pointer: str = ""
    level: str = ""
    related: tuple[Place, ...] = ()

    @property
    def severity(self) -> str:
        """`"error"`, `"warning"` or `"note"`, as the level says, else the code."""
        return self.level or SEVERITIES[self.code[:2]]

    @property
    def is_error(self) -> bool:
        """Whether a document is refused because of it, whatever its level."""
        return self.code.startswith("E_")


class RuleError(SigmacError):
    """Raised by a stage that cannot go on with a rule; carries the diagnostic that says why."""

    def __init__(self, code: str, message: str, place: Place, hint: str = "", pointer: str = ""):
        self.diagnostic = Diagnostic(code, message, place, hint, pointer)
        super().__init__(f"{place}: {code}: {message}")


@dataclass(slots=True)
class Diagnostics:
    """Collects diagnostics in the order in which they are found."""

    found: list[Diagnostic] = field(default_factory=list)

    def report(
        self,
        code: str,
        message: str,
        place: Place,
        hint: str = "",
        pointer: str = "",
        related: tuple[Place, ...] = (),
    ) -> None:
        self.found.append(Diagnostic(code, message, place, hint, pointer, related=related))

    def extend(self, others: Iterable[Diagnostic]) -> None:
        self.found.extend(others)

    def catch(self, error: RuleError) -> None:
        self.found.append(error.diagnostic)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.found if d.is_error]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [d for d in self.found if d.severity == "warning"]

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


def plain_diagnostic(diagnostic: Diagnostic) -> list[Any]:
    """A diagnostic as JSON types."""
    d = diagnostic
    return [d.code, d.message, [*d.place], d.hint, d.pointer, [[*each] for each in d.related]]


def diagnostic_of(plain: list[Any]) -> Diagnostic:
    """The diagnostic that `plain_diagnostic` took apart."""
    code, message, place, hint, pointer, related = plain
    places = tuple(Place(*each) for each in related)
    return Diagnostic(code, message, Place(*place), hint, pointer, related=places)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `word`, or `""`.

    >>> did_you_mean("startwith", ["contains", "startswith"])
    'did you mean `startswith`?'
    >>> did_you_mean("zzz", ["contains"])
    ''
    """
    # Comparing takes the product of the lengths: a bounded number of names of a readable length.
    readable = itertools.islice((each for each in known if len(each) <= 100), 1000)
    near = difflib.get_close_matches(word[:100], list(readable), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
