"""The forms in which results are written, by the names that options give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sigmac.results.details import Details

FORMS = ("ndjson", "json", "csv", "table", "timeline")


class Form(Protocol):
    """Makes text of packed results: what stands in front, some results at a time, and what stands behind.

    `needs_event` says whether results must have their events. `on_a_terminal` shows text that a terminal would obey.
    """

    needs_event: bool

    def start(self) -> bytes: ...
    def shown(self, pieces: Sequence[bytes]) -> bytes: ...
    def end(self) -> Iterator[bytes]: ...
    def on_a_terminal(self, text: bytes) -> bytes: ...


def make_form(
    name: str,
    details: Details,
    names: Sequence[str],
    *,
    event: bool,
    explain: bool,
    width: int | None,
    color: bool,
) -> Form:
    """The form of that name among `FORMS`; `names` are what results carry on request.

    `width` is that of the terminal, where it is one, and `color` says whether it shows colours.
    """
    if name in ("ndjson", "json"):
        from sigmac.results.json_form import JsonArray, JsonLines

        return (JsonLines if name == "ndjson" else JsonArray)(details, names, event=event)
    if name == "csv":
        from sigmac.results.csv_form import Csv

        return Csv(details, names, event=event, explain=explain)
    from sigmac.results.table_form import Table, Timeline

    if name == "table":
        return Table(details, names, width=width, color=color)
    return Timeline(details, color=color)
