"""Parquet and Arrow, read by pyarrow in a process of its own."""

from __future__ import annotations

import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import Event, Format, Item, Unreadable
from sigmac.runtime.inputs.tables import arrow, columnar, parquet

pa = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
pq = pytest.importorskip("pyarrow.parquet")
FORMATS = (parquet.FORMAT, arrow.FORMAT)


def items(form: Format, data: bytes) -> list[Item]:
    return [*form.read(io.BytesIO(data))]


def written(form: Format, table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    if form is parquet.FORMAT:
        pq.write_table(table, out, **options)
    else:
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table, **options)
    return out.getvalue()


def events(form: Format, data: bytes) -> list[dict[str, Any]]:
    made = items(form, data)
    assert [item.position for item in made] == list(range(len(made)))
    return [orjson.loads(item.data) for item in made if isinstance(item, Event)]


UTC = datetime.UTC
TIME = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - of no zone
VALUES = [
    (pa.string(), "C:\\a.exe", "C:\\a.exe"),
    (pa.large_string(), "ü", "ü"),
    (pa.int64(), -5, -5),
    (pa.uint64(), 2**64 - 1, 2**64 - 1),
    (pa.float64(), 1.5, 1.5),
    (pa.bool_(), True, True),
    (pa.binary(), b"text", "text"),
    (pa.binary(), b"\xff\x00", "ff00"),
    (pa.timestamp("ns"), TIME, "2024-01-02T03:04:05.678901"),
    (pa.timestamp("s"), TIME.replace(microsecond=0), "2024-01-02T03:04:05"),
    (pa.timestamp("ms", "Europe/Berlin"), datetime.datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00Z"),
    (pa.date32(), TIME.date(), "2024-01-02"),
    (pa.time64("ns"), TIME.time(), "03:04:05.678901"),
    (pa.duration("ms"), datetime.timedelta(seconds=90), 90.0),
    (pa.decimal128(10, 2), decimal.Decimal("7.00"), 7),
    (pa.decimal128(10, 2), decimal.Decimal("7.25"), 7.25),
    (pa.decimal256(70, 0), decimal.Decimal(10**60), str(10**60)),
    (pa.list_(pa.string()), ["a", None], ["a", None]),
    (pa.struct([("n", pa.struct([("t", pa.timestamp("ns", "UTC"))]))]), {"n": {"t": TIME.replace(tzinfo=UTC)}},
     {"n": {"t": "2024-01-02T03:04:05.678901Z"}}),
    (pa.map_(pa.string(), pa.int64()), [("k", 1)], {"k": 1}),
    (pa.dictionary(pa.int8(), pa.string()), "x", "x"),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize(("kind", "value", "gives"), VALUES, ids=lambda each: str(each)[:30])
def test_values(form: Format, kind: Any, value: Any, gives: Any) -> None:
    table = pa.table({"a": pa.array([value, None], kind), "b": ["x", "y"]})
    assert events(form, written(form, table)) == [{"a": gives, "b": "x"}, {"b": "y"}]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_rows_in_the_order_of_many_batches(form: Format, tmp_path: Path) -> None:
    rows = list(range(5000))
    table = pa.table({"n": rows})
    option = "row_group_size" if form is parquet.FORMAT else "max_chunksize"
    data = written(form, table, **{option: 700})
    assert form.recognises(data[:100])
    assert [event["n"] for event in events(form, data)] == rows
    file = tmp_path / "rows"
    file.write_bytes(data)
    with file.open("rb") as stream:  # read in its place
        assert columnar._path(stream) == str(file)
        assert len([*form.read(stream)]) == 5000


def test_a_stream_of_arrow() -> None:
    out = io.BytesIO()
    table = pa.table({"n": [1, 2]})
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    assert arrow.FORMAT.recognises(out.getvalue())
    assert events(arrow.FORMAT, out.getvalue()) == [{"n": 1}, {"n": 2}]


def test_values_that_json_has_not() -> None:
    table = pa.table(
        {
            "t": pa.array([0, 2**62, 0], pa.timestamp("s")),
            "f": [float("nan"), 1.0, float("inf")],
        }
    )
    first, second, third = items(arrow.FORMAT, written(arrow.FORMAT, table))
    assert first == Event(0, b'{"t":"1970-01-01T00:00:00"}')
    assert isinstance(second, Unreadable)
    assert "the row has no form in JSON" in second.reason
    assert third == Event(2, b'{"t":"1970-01-01T00:00:00","f":null}')


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_what_is_cut_off_is_told(form: Format) -> None:
    data = written(form, pa.table({"n": list(range(3000))}))
    for size in (4, 12, len(data) // 2, len(data) - 1):
        with pytest.raises(InputError):
            items(form, data[:size])


def until_it_ends(form: Format, data: bytes) -> tuple[list[Item], str]:
    made: list[Item] = []
    reading = form.read(io.BytesIO(data))
    with pytest.raises(InputError) as raised:
        made.extend(iter(lambda: next(reading), None))
    return made, str(raised.value)


def test_what_is_left_of_a_cut_arrow_file_is_read() -> None:
    data = written(arrow.FORMAT, pa.table({"n": list(range(3000))}), max_chunksize=500)
    made, reason = until_it_ends(arrow.FORMAT, data[: len(data) // 2])
    assert 500 <= len(made) < 3000
    assert reason.startswith("the rest cannot be read: ")


def test_a_bomb_ends_with_a_reason() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000), ["x" * 100_000])
    data = written(parquet.FORMAT, pa.table({"a": column}), compression="zstd")
    assert len(data) < 50_000
    made, reason = until_it_ends(parquet.FORMAT, data)
    assert sum(len(item.data) for item in made if isinstance(item, Event)) <= 64 << 20
    assert reason == (
        "more than 500 times as long as the file, which no log is; the rest is not read"
    )


def test_a_row_that_is_too_long_is_told() -> None:
    table = pa.table({"a": ["x" * (17 << 20), "y"]})
    made = items(arrow.FORMAT, written(arrow.FORMAT, table))
    assert made[0] == Unreadable(0, "the row is longer than 16,777,216 bytes as JSON")
    assert made[1] == Event(1, b'{"a":"y"}')


def test_two_columns_of_one_name_are_told() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InputError, match="two columns have the name 'a'"):
        items(arrow.FORMAT, written(arrow.FORMAT, table))


def test_deep_values_are_refused() -> None:
    kind = pa.int64()
    for _ in range(150):
        kind = pa.struct([("a", kind)])
    data = written(parquet.FORMAT, pa.table({"a": pa.array([None], kind)}))
    with pytest.raises(InputError, match="too deeply nested"):
        items(parquet.FORMAT, data)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for form in FORMATS:
        with pytest.raises(InputError, match=r"pip install 'sigmac\[parquet\]'"):
            items(form, b"")


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=8)), max_size=8),
)
def test_no_damage_ends_the_reader(form: Format, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(DAMAGED[form.name])
    for at, some in changes:
        place = at % len(data)
        data[place : place + len(some)] = some
    form.recognises(bytes(data[:100]))
    try:
        made = items(form, bytes(data))
    except InputError:
        return
    for item in made:
        assert isinstance(item, Unreadable) or isinstance(orjson.loads(item.data), dict)


DAMAGED = {
    form.name: written(form, pa.table({"a": ["x", None, "y"] * 9, "b": [[1], [], [2, 3]] * 9}))
    for form in FORMATS
}
