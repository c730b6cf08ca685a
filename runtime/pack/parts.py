"""Whether the parts of a sealed pack fit together: its manifest, its modules, its tables.

A seal says that no byte has changed since, not that a compiler of ours has written it.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.checked_arrays import Sizes, check_arrays, load_arrays

RULES, MATCHERS, TABLES = "rules.py", "matchers.py", "tables.npz"


def read_tables(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """The tables of a pack, checked against its manifest, and that against its files.

    Raises `PackError` with one sentence that does not name the pack.
    """
    rules, modules = manifest["rules"], manifest["modules"]
    shared = manifest["logsource_functions"]
    for name in (RULES, MATCHERS, TABLES):
        if name not in files:
            raise PackError(f"{name} is missing; build the pack again")
    if len({*modules}) != len(modules) or not all(
        name in files and name.endswith(".py") for name in modules
    ):
        raise PackError("the manifest has modules that are none; build the pack again")
    if not rules or len({*rules}) != len(rules) or not all(map(_is_name, (*rules, *shared))):
        raise PackError("the manifest has rules of impossible names; build the pack again")
    logsources = manifest["logsources"]
    if len(logsources) != len(rules) or {*map(len, logsources)} != {3}:
        raise PackError("the manifest has not one logsource for each rule; build the pack again")
    events = manifest.get("event_logsources", [])
    if len(events) > len(shared) or {*map(len, events)} - {3}:
        raise PackError("the manifest has no function for each logsource; build the pack again")
    arrays = load_arrays(files[TABLES])
    check_arrays(arrays, Sizes(len(rules), len(modules), len(shared)))
    return arrays


def _is_name(text: str) -> bool:
    return text.isidentifier() and not text.startswith("__") and not keyword.iskeyword(text)
