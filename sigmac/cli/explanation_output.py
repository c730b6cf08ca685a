"""What `sigmac explain` found, in the forms in which it prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigmac.cli.explain_correlations import ToldCorrelation
    from sigmac.cli.explanation_lines import Line
    from sigmac.compiler.meaning.explanation import Explanation, Near
    from sigmac.compiler.meaning.near_misses import NearMisses


class ExplainForm(StrEnum):
    """How the explanation is printed."""

    text = "text"
    json = "json"
    mermaid = "mermaid"
    html = "html"


PICTURES = (ExplainForm.mermaid, ExplainForm.html)


@dataclass
class Told:
    """Rules over one event or over several, and correlations; `fields` are those that are asked for a time."""

    fields: Sequence[str]
    event: Mapping[str, Any] = field(default_factory=dict)
    rules: Sequence[Explanation] = ()
    misses: Sequence[NearMisses] = ()
    correlations: Sequence[ToldCorrelation] = ()

    def show(self, form: ExplainForm, most: int) -> None:
        """Print it; of a rule over several events the `most` nearest misses."""
        if form is ExplainForm.json:
            import json

            print(json.dumps(self._plain(most), indent=2))
        elif form is ExplainForm.text:
            from sigmac.cli.explanation_lines import print_lines

            print_lines(self._blocks(most))
        else:
            from sigmac.pages.explanation_page import explanation_page
            from sigmac.pages.mermaid import mermaid
            from sigmac.pages.rule_picture import picture_of

            pictures = [picture_of(each, self._near) for each in self.rules]
            if form is ExplainForm.mermaid:
                print(mermaid(pictures), end="")
            elif pictures:
                sys.stdout.buffer.write(explanation_page(pictures))

    @cached_property
    def _near(self) -> Near:
        """The event's field nearest to a name."""
        from sigmac.runtime.chances.names_in_event import names_of
        from sigmac.runtime.chances.nearest_field import FieldNames

        return FieldNames(dict.fromkeys(names_of(self.event), 1)).nearest

    def _plain(self, most: int) -> dict[str, Any]:
        from sigmac.cli.miss_report import plain_misses

        return {
            "version": 1,
            "rules": [each.plain(self._near) for each in self.rules],
            "misses": [plain_misses(each, most) for each in self.misses],
            "correlations": [each.plain(self.fields) for each in self.correlations],
        }

    def _blocks(self, most: int) -> Iterator[Iterable[Line]]:
        from sigmac.cli.explanation_lines import rule_lines
        from sigmac.cli.miss_report import miss_blocks

        for each in self.rules:
            yield rule_lines(each, self._near)
        for misses in self.misses:
            yield from miss_blocks(misses, most)
        for correlation in self.correlations:
            yield from correlation.lines(self.fields)
