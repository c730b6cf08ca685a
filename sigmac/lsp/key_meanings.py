"""What the keys and words of rules mean, from `keys.yml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

# The lists of keys of a map, by the path that leads to it; an element of a list is `[]`.
_MAPS: Mapping[tuple[str, ...], str] = {
    ("logsource",): "logsource",
    ("detection",): "detection",
    ("correlation",): "correlation",
    ("correlation", "condition"): "correlation condition",
    ("filter",): "filter",
    ("related", "[]"): "related",
}
_WORDS: Mapping[tuple[str, ...], str] = {
    ("status",): "status",
    ("level",): "level",
    ("correlation", "type"): "correlation type",
    ("related", "[]", "type"): "relation",
}


@cache
def meanings() -> Mapping[str, Mapping[str, str]]:
    """Each list of `keys.yml`, its words in their order with what they mean."""
    text = resources.files("sigmac.lsp").joinpath("keys.yml").read_text("utf-8")
    found: dict[str, dict[str, str]] = yaml.safe_load(text)
    return found


def keys_of(path: Sequence[str | int], kind: str) -> Mapping[str, str]:
    """The keys of the map at a path of a document of this kind; empty where anything may be a key."""
    if not path:
        return {**meanings()["rule"], **meanings()[f"{kind} rule"]}
    listed = _MAPS.get(_plain(path))
    return meanings()[listed] if listed else {}


def words_of(path: Sequence[str | int]) -> Mapping[str, str]:
    """The words that may stand at a path; empty where there is no list of them."""
    listed = _WORDS.get(_plain(path))
    return meanings()[listed] if listed else {}


def _plain(path: Sequence[str | int]) -> tuple[str, ...]:
    return tuple("[]" if isinstance(part, int) else part for part in path)
