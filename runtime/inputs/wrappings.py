"""Events out of what exports and shippers put around them, by the shape of the wrapping: no option is needed.

A wrapping is taken off only where all that is beside the event is what such a wrapping has: an event that happens to
have a key called `event` or `records` stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.evtx_json import flatten

MAX_LEVELS = 4  # of wrappings within each other

# Key that holds events: what else may stand beside it (None: anything)
_LISTS: Mapping[str, frozenset[str]] = {
    "Records": frozenset(),  # AWS CloudTrail
    "records": frozenset({"metadata", "nextLink", "count"}),  # Azure, GitHub
    "value": frozenset({"@odata.context", "@odata.nextLink", "@odata.count", "nextLink", "count"}),
    "results": frozenset({"preview", "init_offset", "messages", "fields", "highlighted", "total", "next"}),
    "events": frozenset({"nextToken", "next_token", "searchedLogStreams", "count", "total"}),
    "logs": frozenset({"next", "count", "total", "start", "limit", "length"}),
    "logEvents": frozenset(
        {"messageType", "owner", "logGroup", "logStream", "subscriptionFilters"}
    ),
    "entries": frozenset({"nextPageToken"}),
    "items": frozenset({"kind", "etag", "nextPageToken"}),
    "data": frozenset({"meta", "paging", "links", "next", "total"}),
}  # fmt: skip
_ONES: Mapping[str, frozenset[str]] = {
    "result": frozenset({"preview", "offset", "lastrow"}),  # Splunk's export
    "event": frozenset({"time", "host", "source", "sourcetype", "index", "fields"}),  # Splunk's collector
    "_source": frozenset({"_index", "_id", "_type", "_score", "_version", "sort", "fields", "highlight", "_ignored"}),
}  # fmt: skip
# Keys that hold the event as text
_TEXTS: Mapping[str, frozenset[str]] = {
    "_raw": frozenset({"_time", "host", "source", "sourcetype", "index", "_indextime", "_cd", "_bkt", "_serial", "_si",
                       "_sourcetype", "linecount", "splunk_server", "punct", "timestamp", "eventtype", "tag"}),
    "message": frozenset({"@timestamp", "@version", "@metadata", "agent", "ecs", "host", "input", "log", "tags",
                          "timestamp", "id", "ingestionTime"}),
    "log": frozenset({"stream", "time", "kubernetes", "date", "attrs"}),  # Docker, Kubernetes
}  # fmt: skip


def events_in(value: Any) -> list[Any]:
    """The events of a JSON object: itself, or what it wraps; records of EVTX as flat events.

    >>> events_in({"Records": [{"eventName": "StopLogging"}, {"eventName": "x"}]})
    [{'eventName': 'StopLogging'}, {'eventName': 'x'}]
    """
    return [*_unwrapped(value, 0)]


def _unwrapped(value: Any, level: int) -> Iterator[Any]:
    inner = _inner(value) if isinstance(value, dict) and level < MAX_LEVELS else None
    if inner is None:
        yield flatten(value) if isinstance(value, dict) else value
        return
    for each in inner:
        yield from _unwrapped(each, level + 1)


def _inner(value: dict[str, Any]) -> list[Any] | None:
    """What a wrapping holds; None where it is none."""
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):  # Elasticsearch
        return _objects(hits["hits"])
    for key, beside in _LISTS.items():
        held = value.get(key)
        if isinstance(held, list) and _all_beside(value, key, beside):
            return _objects(held)
    for key, beside in _ONES.items():
        if isinstance(value.get(key), dict) and _all_beside(value, key, beside):
            return [value[key]]
    for key, beside in _TEXTS.items():
        held = value.get(key)
        if isinstance(held, str) and held.lstrip()[:1] == "{" and _all_beside(value, key, beside):
            try:
                found = orjson.loads(held)
            except orjson.JSONDecodeError:
                continue
            if isinstance(found, dict):
                return [found]
    return None


def _all_beside(value: dict[str, Any], key: str, beside: frozenset[str]) -> bool:
    return all(other == key or other in beside for other in value)


def _objects(held: list[Any]) -> list[Any] | None:
    return held if held and all(isinstance(each, dict) for each in held) else None


def selected(value: Any, path: str) -> list[Any]:
    """The events at a path: names with dots between them, `[]` for all elements of an array, as `hits.hits[]._source`.

    Raises `InputError` for a path that is none. What is not there holds no event.

    >>> selected({"a": [{"b": {"x": 1}}, {"b": {"x": 2}}]}, "a[].b")
    [{'x': 1}, {'x': 2}]
    """
    found = [value]
    for part in path.split("."):
        name = part.removesuffix("[]")
        if not name and part != "[]":
            raise InputError(f"`{path}` is no path such as `hits.hits[]._source`")
        if name:
            found = [each[name] for each in found if isinstance(each, dict) and name in each]
        if part.endswith("[]"):
            found = [inner for each in found if isinstance(each, list) for inner in each]
    return [flatten(each) for each in found if isinstance(each, dict)]
