"""What real events do: how often the texts that rules ask for are in them, how often values repeat.

`sigmac run --profile` writes it from a sample of records, `sigmac build --profile` reads it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sigmac.runtime.errors import EventError, InputError
from sigmac.runtime.scalar.json_record import parse_record
from sigmac.runtime.scalar.keywords import KEYWORDS
from sigmac.runtime.scalar.scalars import lookup

if TYPE_CHECKING:
    from sigmac.runtime.pack.pack import Pack

FORMAT = 1
SAMPLE = 20_000  # records of one run that are looked at
EVERY = 5  # of the records that come by
_MAX_DISTINCT = 100_000  # values of a field that are told apart
_QUESTIONS = ("equals", "startswith", "endswith", "contains")


class Profiler:
    """Looks at some of the records that a pack evaluates, and counts."""

    def __init__(self, pack: Pack):
        self._vocabulary = pack.vocabulary
        self._fields = [name for name in pack.vocabulary.fields() if name != KEYWORDS]
        self.records = 0
        self._present: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._values: dict[str, set[Any]] = {}
        self._true: dict[tuple[str, str], Counter[str]] = {}

    def look_at(self, lines: list[bytes]) -> None:
        """Count what a sample of lines says; those that are no records are passed over."""
        for line in lines[::EVERY]:
            if self.records >= SAMPLE:
                return
            try:
                event = parse_record(line.strip(b" \t\r"))
            except EventError:
                continue
            self.records += 1
            for name in self._fields:
                values = lookup(event, name)
                if values is not None:
                    self._count(name, values)

    def _count(self, name: str, values: list[Any]) -> None:
        self._present[name] += 1
        seen = self._values.setdefault(name, set())
        for value in values:
            if isinstance(value, (str, int, float)) and len(seen) < _MAX_DISTINCT:
                seen.add(value)
            self._bytes[name] += len(value) if isinstance(value, str) else 8
        facts = self._vocabulary.index(name).facts_of_all(values)
        for question in _QUESTIONS:
            found = getattr(facts, question)
            if found:
                self._true.setdefault((name, question), Counter()).update(found)
        if facts.numbers:
            self._true.setdefault((name, "number"), Counter()).update(map(repr, facts.numbers))

    def write(self, path: Path) -> None:
        """Write the profile as JSON. Raises `OSError`."""
        fields = {
            name: {
                "present": self._present[name],
                "distinct": len(self._values[name]),
                "bytes": self._bytes[name],
                "true": {
                    question: dict(sorted(counts.items()))
                    for (field, question), counts in sorted(self._true.items())
                    if field == name
                },
            }
            for name in sorted(self._present)
        }
        data = {"format": FORMAT, "records": self.records, "asked": self._fields, "fields": fields}
        path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")


def read_profile(path: Path) -> dict[str, Any]:
    """A profile that `Profiler.write` wrote. Raises `InputError` where it is none."""
    try:
        data = orjson.loads(path.read_bytes())
        if data["format"] != FORMAT:
            raise InputError(f"{path}: a profile of format {data['format']}; record it again")
        checked: dict[str, Any] = {
            "records": int(data["records"]),
            "asked": [str(each) for each in data["asked"]],
            "fields": {str(name): dict(each) for name, each in data["fields"].items()},
        }
        for each in checked["fields"].values():
            each["true"] = {q: dict(counts) for q, counts in each["true"].items()}
            each |= {key: int(each[key]) for key in ("present", "distinct", "bytes")}
            if any(
                not isinstance(n, int) for counts in each["true"].values() for n in counts.values()
            ):
                raise ValueError("a count is no number")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a profile: {error}") from None
    return checked
