"""The correlations of a pack, as `correlations.py` defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.lazy_source import LazySource

if TYPE_CHECKING:
    from sigmac.runtime.correlation.definition import Correlation

FILE = "correlations.py"


def read_correlations(
    manifest: Mapping[str, Any], modules: Mapping[str, LazySource]
) -> dict[str, Correlation]:
    """The definitions that the manifest lists, name → definition, checked against each other.

    Raises `PackError` where one is missing or cannot be evaluated.
    """
    from sigmac.runtime.correlation.definition import Correlation, check_definitions

    names: list[str] = manifest.get("correlations", [])
    if not names:
        return {}
    if FILE not in modules:
        raise PackError(f"{FILE} is missing; build the pack again")
    defined = modules[FILE].prepare()
    found: dict[str, Correlation] = {}
    for name in names:
        each = defined.get(name)
        if not isinstance(each, Correlation):
            raise PackError(f"{FILE} does not define {name}; build the pack again")
        found[name] = each
    check_definitions(found, manifest["rules"])
    return found


def silent_rules(manifest: Mapping[str, Any]) -> frozenset[int]:
    """The rules, by their index, whose matches only count for correlations and are no output. Raises `PackError`."""
    silent: list[str] = manifest.get("silent", [])
    if not silent:
        return frozenset()
    places = {name: i for i, name in enumerate(manifest["rules"])}
    if unknown := set(silent) - places.keys():
        raise PackError(f"the manifest silences {min(unknown)!r}, which is no rule")
    return frozenset(places[name] for name in silent)
