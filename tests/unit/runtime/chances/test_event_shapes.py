"""What events look like that no rule asks for."""

from __future__ import annotations

import pytest

from sigmac.runtime.chances.event_shapes import EventShapes


@pytest.mark.parametrize(
    ("event", "names", "shape"),
    [
        ({}, ["Event", "Event.System", "Event.System.EventID"], "evtx"),
        ({}, ["ecs.version", "event.code"], "schema:ecs"),
        ({"Image": "x"}, ["Image"], None),
        ({}, ["Channel", "EventID", "Message", "Data"], "message"),
        ({}, ["Channel", "EventID", "Message", "Image"], None),
        ({"docs": [{"a": 1, "b": 2, "c": 3}]}, ["docs"], "wrapped:docs[]"),
        ({"a": {"b": [{"a": 1, "b": 2, "c": 3}]}, "n": 1}, ["a"], "wrapped:a.b[]"),
        ({"n": 1, "event": {"a": 1, "b": 2, "c": 3}}, ["event"], "wrapped:event"),
        ({"docs": [1, 2]}, ["docs"], None),
        ({"docs": [{"a": 1}]}, ["docs"], None),
        ({"a.b": {"a": 1, "b": 2, "c": 3}}, ["a.b"], None),
        ({"a": {"x": 1}, "b": {"y": 2}}, ["a", "b"], None),
        ({f"k{i}": i for i in range(9)} | {"d": {"a": 1, "b": 2, "c": 3}}, ["d"], None),
    ],
)
def test_shapes(event: dict[str, object], names: list[str], shape: str | None) -> None:
    shapes = EventShapes(["Image"], {"ecs": [["ecs.version", "event.code"]]})
    assert shapes.shape_of(event, names) == shape
