"""JSON in every arrangement is cut into its objects, whatever stands around them and wherever a chunk ends."""

from __future__ import annotations

import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs import json_documents
from sigmac.runtime.inputs.format import Event
from sigmac.runtime.inputs.json_documents import FORMAT, objects_in

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=5)


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    step = 1

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.step)


def arranged(objects: list[Any], how: str) -> bytes:
    texts = [json.dumps(each) for each in objects]
    return {
        "array": json.dumps(objects),
        "pretty array": json.dumps(objects, indent=2),
        "pretty": "\n".join(json.dumps(each, indent=1) for each in objects),
        "concatenated": "".join(texts),
        "separated": "".join(f"\x1e{text}\n" for text in texts),
        "headings": "".join(f"Record {i}\n{text}\n" for i, text in enumerate(texts)),
    }[how].encode()


HOW = st.sampled_from(["array", "pretty array", "pretty", "concatenated", "separated", "headings"])


@given(OBJECTS, HOW, st.integers(1, 50))
@example([{"a": '"}\\'}, {"\\": "[{"}], "concatenated", 1)
def test_every_object_comes_out(objects: list[Any], how: str, step: int) -> None:
    stream = Trickle(arranged(objects, how))
    stream.step = step
    assert [orjson.loads(value or b"null") for _, value in objects_in(stream)] == objects


@given(st.binary())
@example(b'{"a": "')
@example(b"]")
@example(b"[1, 2]")
@example(b'[{"a": 1}, 5, {"b": 2}] x')
@example(b"[" * 5000)
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        for item in FORMAT.read(io.BytesIO(data)):
            if isinstance(item, Event):
                assert b"\n" not in item.data
    except InputError:
        pass


@pytest.mark.parametrize(
    ("text", "events", "said"),
    [
        ('[{"a": 1}, {"a"', 1, "it ends within a value, after 1 objects"),
        ('{"a": 1}}', 1, "a bracket too many after 1 objects"),
    ],
)
def test_what_is_cut_off_is_told_after_what_is_there(text: str, events: int, said: str) -> None:
    items = FORMAT.read(io.BytesIO(text.encode()))
    for _ in range(events):
        assert isinstance(next(items), Event)
    with pytest.raises(InputError, match=said):
        next(items)


def test_an_object_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "MAX_DOCUMENT", 1000)
    monkeypatch.setattr(json_documents, "_CHUNK", 100)
    monkeypatch.setattr(Trickle, "step", 100)
    with pytest.raises(InputError, match="an object of more than"):
        list(objects_in(Trickle(b'{"a": "' + b"x" * 5000)))
