"""Results as CSV: a line of names, then one line a result, which a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from sigmac.results.carried import OF_RULES
from sigmac.results.details import Details, event_of
from sigmac.results.result import Result, unpacked
from sigmac.runtime.printable import escaped, escaped_json
from sigmac.runtime.scalar.json_record import json_bytes

_COLUMNS = (
    *("time", "level", "rule", "id", "tags", "host", "user", "source", "position", "fields"),
)
# A cell that begins so is a formula to spreadsheets. Source: OWASP, "CSV Injection".
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def safe_cell(text: str) -> str:
    r"""A cell that no spreadsheet computes and no terminal obeys, on one line.

    >>> print(safe_cell("=1+1"), safe_cell("a\nb \x1b[2J"))
    '=1+1 a b \x1b[2J
    """
    is_formula = _FORMULA.match(text) or _FORMULA.match(text.lstrip())
    shown = text if text.isprintable() else escaped(" ".join(text.splitlines()))
    return f"'{shown}" if is_formula else shown


class Csv:
    """Fixed columns; `names` are further ones of the rule. Lists and objects are JSON."""

    needs_event = True

    def __init__(
        self, details: Details, names: Sequence[str] = (), *, event: bool, explain: bool
    ) -> None:
        self._details = details
        self._of_rules = [name for name in OF_RULES if name in names]
        more = [*self._of_rules, "correlation", *(["explanation"] if explain else [])]
        self._names = [*_COLUMNS, *more, *(["event"] if event else [])]
        self._event = event

    def start(self) -> bytes:
        return _lines([self._names])

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        return _lines([self._row(unpacked(piece)) for piece in pieces])

    def end(self) -> Iterator[bytes]:
        return iter(())

    def on_a_terminal(self, text: bytes) -> bytes:
        return text  # each cell is escaped

    def _row(self, result: Result) -> list[str]:
        rule = self._details.rule_of(result.key)
        source = orjson.loads(result.source)
        event = event_of(result)
        cells: dict[str, Any] = {
            **self._details.of_event(result, event, ("time", "host", "user", "fields")),
            **self._details.of_rule(result.key, self._of_rules),
            "level": rule.level,
            "rule": rule.title,
            "id": rule.id,
            "tags": " ".join(rule.tags),
            "source": source["name"],
            "position": source["position"],
        }
        cells["fields"] = {
            name: each[0] if len(each) == 1 else each for name, each in cells["fields"].items()
        }
        if cells.get("logsource"):
            cells["logsource"] = "/".join(cells["logsource"].values())
        if result.more:
            name, _, value = result.more.partition(b":")
            cells[name.strip(b',"').decode()] = escaped_json(value)
        if self._event:
            cells["event"] = escaped_json(result.event)
        return [_cell(cells.get(name)) for name in self._names]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return safe_cell(value)
    return (value if isinstance(value, bytes) else escaped_json(json_bytes(value))).decode("utf-8")


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
