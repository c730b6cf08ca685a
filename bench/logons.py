"""Events and correlations that mean the same to every engine that knows correlations.

Each event matches one rule, has all fields and a time in whole seconds, and none comes late.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from bench.corpus import batches_of
from sigmac import Pack
from sigmac.runtime.correlation.observation import Observation

START = 1_700_000_000  # seconds since 1970
A_SECOND = 1_000  # events
USERS, HOSTS, SIZES = 1_000, 100, 1_000
SPAN = 60  # seconds
WINDOW = SPAN * A_SECOND  # events
GROUPED, TOGETHER = f"{USERS:,} groups", f"one group, a window of {WINDOW:,} hits"
# The rules; the last one is so rare that seldom all of them are seen in a window
KINDS = {"failed": 0.5, "locked": 0.4995, "reset": 0.0005}
# What a group with sixty hits in its window meets at about one hit in a hundred
CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "event_count": {"gte": 80},
    "value_count": {"gte": 53, "field": "Host"},
    "temporal": {"gte": len(KINDS)},
    "temporal_ordered": {"gte": len(KINDS)},
    "value_sum": {"gte": 41_000, "field": "Size"},
    "value_avg": {"gte": 590, "field": "Size"},
    "value_percentile": {"gte": 993, "field": "Size", "percentile": 95},
    "value_median": {"gte": 650, "field": "Size"},
}


def events(count: int) -> Iterator[dict[str, Any]]:
    """The same ones at every call; after `WINDOW` of them windows are full."""
    dice = random.Random(1)
    kinds = dice.choices(list(KINDS), list(KINDS.values()), k=count)
    for number, kind in enumerate(kinds):
        yield {
            "@timestamp": (START + number // A_SECOND) * 1000,
            "Kind": kind,
            "User": f"user-{dice.randrange(USERS)}",
            "Host": f"host-{dice.randrange(HOSTS)}",
            "Size": dice.randrange(SIZES),
        }


def lines(count: int) -> list[bytes]:
    """The events as JSON."""
    return [orjson.dumps(event) for event in events(count)]


def correlation(kind: str, **changes: Any) -> dict[str, Any]:
    """What a document of one type says, of each user; `changes` are other keys and values."""
    return {
        "type": kind,
        "rules": list(KINDS),
        "group-by": ["User"],
        "timespan": f"{SPAN}s",
        "condition": dict(CONDITIONS[kind]),
        **changes,
    }


def chain() -> dict[str, dict[str, Any]]:
    """Three correlations, of which the second counts the first and the third the second."""
    lowest = correlation("event_count", condition={"gte": 10}, generate=True)
    return {
        "lowest": lowest,
        "middle": {**lowest, "rules": ["lowest"]},
        "highest": {**lowest, "rules": ["middle"]},
    }


def write_correlations(correlations: Mapping[str, Mapping[str, Any]], folder: Path) -> Path:
    """Make a folder of rules: one for each kind of event, and some correlations by name and title."""
    documents: list[dict[str, Any]] = [
        {
            "title": kind,
            "name": kind,
            "logsource": {"category": "logon"},
            "detection": {"selection": {"Kind": kind}, "condition": "selection"},
        }
        for kind in KINDS
    ]
    documents += [
        {"title": name, "name": name, "correlation": dict(each)}
        for name, each in correlations.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), "utf-8")
    return folder


def observe(pack: Pack, records: Iterable[bytes]) -> list[Observation]:
    """What a pack's correlators are given: one observation a record, with sources as a file's events have them."""
    correlator = pack.correlator()
    found: list[Observation] = []
    for batch in batches_of(records):
        for _, each in correlator.observe(batch.data, pack.match_batch(batch.data)):
            assert each is not None, "an event has no timestamp"
            found.append(each._replace(source=source_of(len(found))))
    return found


def source_of(position: int) -> dict[str, str | int]:
    """Where an event lies, as alerts of a file say it."""
    return {"name": "logons.ndjson", "position": position}
