"""A profile of events as the optimizer asks it: how often a predicate was true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sigmac.compiler.ir.expressions import TEXT_OPS, Op, Predicate
from sigmac.compiler.optimizer.estimates import guess
from sigmac.runtime.pack.event_profile import read_profile

# A field whose values are longer than this (bytes) and mostly new is not worth remembering values of.
_LONG, _NEW, _ENOUGH = 200, 0.3, 200


class MeasuredProfile:
    """Truth rates of predicates, from a profile's counts.

    `get` answers for text, numbers and presence of fields that the recording pack asked; None where nothing is known.
    What was never true is taken to be true of half a record.
    """

    def __init__(self, data: dict[str, Any]):
        self._records = max(1, data["records"])
        self._asked = frozenset(data["asked"])
        self._fields: dict[str, Any] = data["fields"]

    def get(self, predicate: Predicate) -> float | None:
        """The share of records on which a predicate was true."""
        if predicate.field is None or predicate.field not in self._asked:
            return None
        known = self._fields.get(predicate.field)
        if known is None:
            return 0.5 / self._records if predicate.op is not Op.NULL else None
        if predicate.op is Op.EXISTS:
            return float(known["present"] / self._records)
        if predicate.op in TEXT_OPS:
            argument = predicate.argument
        elif predicate.op is Op.NUMBER:
            argument = repr(predicate.argument)
        else:
            return None
        count = known["true"].get(predicate.op.value, {}).get(argument, 0)
        # Of what was never true the likelier is still the likelier.
        return float((count or (0.5 + guess(predicate)) / 2) / self._records)

    def rare_fields(self) -> list[str]:
        """Fields whose values are long and hardly repeat."""
        return sorted(
            name
            for name, each in self._fields.items()
            if each["present"] >= _ENOUGH
            and each["bytes"] > _LONG * each["present"]
            and each["distinct"] > _NEW * each["present"]
        )


def load_profile(path: Path) -> MeasuredProfile:
    """The profile in a file. Raises `InputError`."""
    return MeasuredProfile(read_profile(path))
