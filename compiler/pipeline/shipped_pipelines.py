"""The pipelines that are shipped: their names, what others call them, and their files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

import yaml

_FOLDER = resources.files(f"{__package__}.shipped")
_INDEX = "index.yml"


_ANY = "*"
_LONGEST = 100  # characters of a value that are compared

# What an event has that is of a schema: names of fields, dotted where they are nested, and patterns of their values.
Sign = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A pipeline that is shipped, as the index has it.

    `purpose` is the events that it is for, in one line; `aliases` are other names of it. An event that has all of one
    of `signs` is such an event; `beside` is the pipeline that is chosen with it.
    """

    name: str
    purpose: str
    aliases: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    beside: str = ""

    @property
    def events(self) -> tuple[tuple[str, ...], ...]:
        """The signs that are names alone."""
        return tuple(tuple(each) for each in self.signs if {*each.values()} == {_ANY})

    def contents(self) -> bytes:
        """The pipeline's file, YAML."""
        return _FOLDER.joinpath(f"{self.name}.yml").read_bytes()


@cache
def shipped() -> Mapping[str, Shipped]:
    """All of them by their names, in the order of the index."""
    index = yaml.load(_FOLDER.joinpath(_INDEX).read_bytes(), Loader=yaml.CSafeLoader)
    return {
        name: Shipped(
            name,
            each["for"],
            tuple(each.get("aliases", ())),
            tuple(dict(map(_name_and_pattern, sign)) for sign in each.get("events", ())),
            each.get("beside", ""),
        )
        for name, each in index.items()
    }


def _name_and_pattern(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    return name, pattern or _ANY


def find_shipped(name: str) -> Shipped | None:
    """The pipeline of this name, or whose alias it is; None where there is none."""
    known = shipped()
    return known.get(name) or next((p for p in known.values() if name in p.aliases), None)


def hint_for(name: str) -> str:
    """What to give in place of a name that is neither shipped nor a file."""
    if name == "auto":
        return "it is chosen by events, with `sigmac run RULES EVENTS`; name a pipeline here"
    names = {
        known: each.name for each in shipped().values() for known in (*each.aliases, each.name)
    }
    near = difflib.get_close_matches(name[:100].lower(), names, n=3, cutoff=0.6)
    meant = list(dict.fromkeys(names[each] for each in near))
    listed = (
        "`sigmac pipelines` lists those that are shipped, docs/pipelines.md shows how to write one"
    )
    if not meant:
        return listed
    return f"did you mean {' or '.join(f'`{each}`' for each in meant)}? {listed}"


def pipelines_for(events: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The pipelines for events, in the order of the index, each with the fields by which they are told.

    An event is of the schema that has most of it: one more particular wins over `windows`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        for each, sign in _fitting(event):
            found.setdefault(each.name, tuple(sign))
    return {name: found[name] for name in shipped() if name in found}


def _fitting(event: Mapping[str, Any]) -> Iterator[tuple[Shipped, Sign]]:
    fits = [
        (each, max(signs, key=_weight))
        for each in shipped().values()
        if (signs := [sign for sign in each.signs if _has(event, sign)])
    ]
    alone = [(each, sign) for each, sign in fits if not each.beside]
    most = max((_weight(sign) for _, sign in alone), default=0)
    chosen = [(each, sign) for each, sign in alone if _weight(sign) == most]
    names = {each.name for each, _ in chosen}
    yield from chosen
    yield from ((each, sign) for each, sign in fits if each.beside in names)


def _weight(sign: Sign) -> int:
    return len(sign) + sum(pattern != _ANY for pattern in sign.values())


def _has(event: Mapping[str, Any], sign: Sign) -> bool:
    return all(
        (value := _value(event, name)) is not None
        and (pattern == _ANY or fnmatchcase(str(value)[:_LONGEST], pattern))
        for name, pattern in sign.items()
    )


def _value(event: Any, name: str) -> Any:
    """What a field holds; its name may lead into objects, and to the first element of a list."""
    if isinstance(event, list):
        event = event[0] if event else None
    if not isinstance(event, Mapping):
        return None
    if name in event:
        return event[name]
    first, _, rest = name.partition(".")
    return _value(event.get(first), rest) if rest else None
