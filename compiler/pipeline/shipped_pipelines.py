"""The pipelines that are shipped: their names, what others call them, and their files."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

_FOLDER = resources.files(f"{__package__}.shipped")
_INDEX = "index.yml"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A pipeline that is shipped, as the index has it.

    `purpose` is the events that it is for, in one line; `aliases` are other names of it. `events` are sets of field
    names, dotted where they are nested: an event that has all fields of one set is such an event.
    """

    name: str
    purpose: str
    aliases: tuple[str, ...] = ()
    events: tuple[tuple[str, ...], ...] = ()

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
            tuple(map(tuple, each.get("events", ()))),
        )
        for name, each in index.items()
    }


def find_shipped(name: str) -> Shipped | None:
    """The pipeline of this name, or whose alias it is; None where there is none."""
    known = shipped()
    return known.get(name) or next((p for p in known.values() if name in p.aliases), None)


def hint_for(name: str) -> str:
    """What to give in place of a name that is neither shipped nor a file."""
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
