"""SigmaHQ's rules that the compiler refuses, each with its reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from tests.conformance.corpora import ACTIVE, RETIRED, SigmaHQ

# One value without wildcards for `%name%`, and one with.
VALUES = ("administrator", "*srv*")


@dataclass(frozen=True)
class Refusals:
    """What a build without placeholder values refuses, and what is left once each placeholder has some."""

    refused: tuple[Diagnostic, ...]  # as of files below `sigma/`
    rules: Mapping[str, int]  # how many each folder of `sigma/` has in the pack
    placeholders: Mapping[str, Sequence[str]]  # that the refused rules ask for
    left: tuple[Diagnostic, ...]

    def of(self, folder: str) -> list[Diagnostic]:
        return [each for each in self.refused if folder_of(each) == folder]


def refusals(sigmahq: SigmaHQ) -> Refusals:
    """Build all of SigmaHQ, then the rules without values for their placeholders again, with values."""
    compiled = sigmahq.pack()
    refused = tuple(compiled.build.errors)
    rules: dict[str, int] = defaultdict(int)
    for source in compiled.sources:
        rules[source.split("/")[1]] += 1
    waiting = [each for each in refused if each.code == "E_PLACEHOLDER"]
    names = {name for each in waiting for name in re.findall("%([^%]+)%", each.message)}
    values = dict.fromkeys(sorted(names), VALUES)
    files = {each.place.file for each in waiting}
    sources = [each for each in sigmahq.sources if each.file in files]
    again = sigmahq.build("windows", sources=sources, placeholders=values)
    assert again.rules + again.refused == len(waiting)
    return Refusals(refused, rules, values, tuple(again.errors))


def folder_of(diagnostic: Diagnostic) -> str:
    """The folder of SigmaHQ that a diagnostic's rule is in."""
    parts = Path(diagnostic.place.file).parts
    return next(folder for folder in (*ACTIVE, *RETIRED) if folder in parts)
