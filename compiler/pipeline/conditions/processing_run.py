"""What is known while pipelines run over one rule, and how a transformation refuses the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Diagnostics, Place
from sigmac.compiler.ir.values import Wildcard
from sigmac.compiler.syntax.rule import LogSource

MAX_MADE = 100_000  # values that pipelines may add to one rule; 64 characters count as one more


class Refusal(Exception):
    """Raised by a transformation that refuses the rule; `place` None means the rule's own."""

    def __init__(
        self, message: str, place: Place | None = None, code: str = "E_PIPELINE", hint: str = ""
    ):
        super().__init__(message)
        self.message, self.place, self.code, self.hint = message, place, code, hint


class CannotAsk(Refusal):
    """Raised where the events of one form of the rule cannot be asked what it asks: only this form
    is left out, with a warning, as long as there is another.
    """


@dataclass(slots=True)
class Run:
    """The state of one run of processing items over one rule.

    `variables` are the values of placeholders; `state` is what `set_state` sets; `applied` are the
    ids of the processing items whose rule conditions held; `renamed` says which of them gave a
    field name; `mapped` are the field names that come from a mapping; `generated` the selections
    that pipelines added; `logsources` are those of the rules that a correlation refers to; `names`
    are field names that stand alone, with what they have become; `item` is the place of the
    processing item that runs, `warnings` are about the rule; `compared` says that what pySigma would do
    is of interest, as it is not where a pipeline was written for sigmac.
    """

    variables: Mapping[str, tuple[str, ...]]
    logsources: tuple[LogSource, ...] = ()
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    renamed: dict[str, frozenset[str]] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    generated: list[str] = field(default_factory=list)
    made: int = 0
    item: Place = field(default_factory=Place)
    compared: bool = True
    warnings: Diagnostics = field(default_factory=Diagnostics)

    def warn(self, code: str, message: str, place: Place, hint: str = "") -> None:
        """Say once of the rule what a processing item makes of it."""
        hint = hint or f"see the pipeline at {self.item}"
        made = Diagnostic(code, message, place, hint)
        if made not in self.warnings.found:
            self.warnings.found.append(made)

    def differs(self, message: str, place: Place) -> None:
        """Say that pySigma would make something else of the rule, of a pipeline that could be its."""
        if self.compared:
            self.warn("W_PIPELINE_DIFFERS", message, place)

    def charge(self, values: int, characters: int = 0) -> None:
        """Account for what is about to be added to the rule, so that no pipeline blows it up
        without bound.
        """
        self.made += values + characters // 64
        if self.made > MAX_MADE:
            message = f"the pipelines make more than {MAX_MADE} values of this rule"
            raise Refusal(message, hint="map to fewer fields, or give placeholders fewer values")

    def values_of(self, placeholder: str) -> list[str | Wildcard] | None:
        """The values of a placeholder, None where it has none."""
        values = self.variables.get(placeholder)
        return None if values is None else list(values)
