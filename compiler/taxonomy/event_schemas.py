"""The schema of a logsource's events: which fields they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from sigmac.compiler.syntax.rule import LogSource
from sigmac.runtime.chances.nearest_field import FieldNames

_ANY, _NONE = "*", "-"
_FEW, _MANY = 4, 100  # letters of a name that exchanged letters leave recognisable


@dataclass(frozen=True, slots=True)
class EventSchema:
    """The fields that events have; where `closed`, they have no others.

    `meant` has names that other logs have for what is a field here.
    """

    name: str
    fields: tuple[str, ...]
    closed: bool = False
    meant: Mapping[str, str] = field(default_factory=dict)

    def nearest(self, name: str) -> str | None:
        """The field that was probably meant by a name that is none: one that other logs call so, or one that is
        nearly it, with separators, letters or their order changed.

        >>> schema = EventSchema("a log", ("Image", "CommandLine"), meant={"NewProcessName": "Image"})
        >>> [schema.nearest(each) for each in ("Imgae", "commandline", "NewProcessName", "User")]
        ['Image', 'CommandLine', 'Image', None]
        """
        if name in self.meant:
            return self.meant[name]
        near = _names(self.fields).nearest(name)
        if near is None and _FEW <= len(name) <= _MANY:
            letters = sorted(name.lower())
            near = next((each for each in self.fields if sorted(each.lower()) == letters), None)
        return near


@cache
def _names(fields: tuple[str, ...]) -> FieldNames:
    return FieldNames(dict.fromkeys(fields, 1))


def schema_of(logsource: LogSource) -> EventSchema | None:
    """The schema of a logsource's events, None where none is known."""
    key = tuple((part or _NONE).lower() for part in logsource.key)
    return next((schema for wanted, schema in _schemas() if _fits(key, wanted)), None)


def known_fields(logsource: LogSource) -> tuple[str, ...]:
    """The fields that events of a logsource have, or the best known of them; none where nothing is known.

    >>> known_fields(LogSource(category="dns_query", product="windows"))[-3:]
    ('QueryName', 'QueryStatus', 'QueryResults')
    """
    schema = schema_of(logsource)
    return schema.fields if schema is not None else ()


def _fits(key: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(w in (_ANY, k) for k, w in zip(key, wanted, strict=False))


@cache
def _schemas() -> list[tuple[tuple[str, ...], EventSchema]]:
    """The schemas by product, category and service (any, where it is left out), in the order of the file."""
    text = resources.files("sigmac.compiler.taxonomy").joinpath("fields.yml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    found = []
    for name, each in data["schemas"].items():
        fields = tuple(dict.fromkeys(_flat(each["fields"], data["groups"])))
        schema = EventSchema(name, fields, each.get("closed", False), each.get("meant", {}))
        found += [(tuple(logsource.split("/")), schema) for logsource in each["logsources"]]
    return found


def _flat(names: Sequence[Any], groups: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        if isinstance(name, list):
            yield from _flat(name, groups)
        elif name.startswith("$"):
            yield from _flat(groups[name[1:]], groups)
        else:
            yield name
