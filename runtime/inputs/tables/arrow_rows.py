"""The rows of Parquet's and Arrow's files as events, by pyarrow; run by `apart.py`."""

from __future__ import annotations

import datetime
import decimal
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.compressions import MAX_EXPANSION
from sigmac.runtime.inputs.format import Event, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD

MEMORY = 2 << 30  # bytes that the process may take
_MOST_ROWS = 1024  # that are Python's objects at a time
_BATCH = 8 << 20  # bytes of rows that are read together, as the file's numbers say
_HARMLESS = 64 << 20  # bytes of rows of which no ratio is asked
_MAX_REASON = 200  # characters
_FILE_START, _FILE_END = b"ARROW1\x00\x00", b"ARROW1"


def answer(asked: bytes) -> Iterator[Item]:
    """The rows of a file, given as its kind and its path with a newline between them."""
    kind, _, path = asked.decode("utf-8", "surrogateescape").partition("\n")
    position = size = 0
    try:
        most = max(_HARMLESS, MAX_EXPANSION * os.stat(path).st_size)
        for batch in _parquet(path) if kind == "parquet" else _arrow(path):
            for start in range(0, len(batch), _MOST_ROWS):
                for item in _items(batch.slice(start, _MOST_ROWS), position):
                    size += len(item.data) if isinstance(item, Event) else 0
                    if size > most:
                        raise InputError(
                            f"more than {MAX_EXPANSION} times as long as the file, which no log is;"
                            " the rest is not read"
                        )
                    yield item
                position += min(_MOST_ROWS, len(batch) - start)
    except MemoryError:
        raise InputError(f"a part of it needs more than {MEMORY >> 20:,} MiB of memory") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"the rest cannot be read: {text[:_MAX_REASON]}") from None


def _parquet(path: str) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        _check_names(file.schema_arrow)
        for group in range(file.metadata.num_row_groups):
            told = file.metadata.row_group(group)
            of_a_row = max(1, told.total_byte_size // max(1, told.num_rows))
            rows = max(1, min(_MOST_ROWS, _BATCH // of_a_row))
            yield from file.iter_batches(rows, row_groups=[group], use_threads=False)


def _arrow(path: str) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(path) as file:
        is_file = file.read(len(_FILE_START)) == _FILE_START
        if not is_file:
            file.seek(0)
        # A file is a stream with a table of contents behind it, so what is left of a cut one is read.
        with pa.ipc.open_stream(file) as stream:
            _check_names(stream.schema)
            yield from stream
        if is_file:
            file.seek(max(0, file.size() - len(_FILE_END)))
            if file.read() != _FILE_END:
                raise ValueError("the file is cut off")


def _check_names(schema: pa.Schema) -> None:
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise InputError(f"two columns have the name {name!r}")


def _items(batch: pa.RecordBatch, position: int) -> Iterator[Item]:
    columns = [_with_python_types(column) for column in batch.columns]
    plain = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    rows: list[dict[str, Any] | None]
    try:
        rows = plain.to_pylist(maps_as_pydicts="strict")
    except (pa.ArrowException, ValueError, OverflowError, KeyError):
        rows = [None] * len(plain)  # one of them has a value that Python has not
    for at, row in enumerate(rows):
        try:
            if row is None:
                (row,) = plain.slice(at, 1).to_pylist(maps_as_pydicts="strict")
            yield _item(position + at, row)
        except (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError) as error:
            text = " ".join(str(error).split())
            yield Unreadable(position + at, f"the row has no form in JSON: {text[:_MAX_REASON]}")


def _item(position: int, row: dict[str, Any]) -> Item:
    present = {name: value for name, value in row.items() if value is not None and value == value}
    data = orjson.dumps(present, _json_value, orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
    if len(data) > MAX_RECORD:
        return Unreadable(position, f"the row is longer than {MAX_RECORD:,} bytes as JSON")
    return Event(position, data)


def _with_python_types(column: pa.Array) -> pa.Array:
    """A column whose times are in UTC or of no zone, without nanoseconds, and whose values stand in it."""
    if pa.types.is_run_end_encoded(column.type):
        column = pa.compute.run_end_decode(column)
    wanted = _python_type(column.type)
    if wanted == column.type:
        return column
    try:
        return column.cast(wanted, safe=False)
    except pa.ArrowNotImplementedError:
        return column


def _python_type(given: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_timestamp(given):
        return pa.timestamp(_unit(given), given.tz and "UTC")
    if types.is_duration(given):
        return pa.duration(_unit(given))
    if types.is_time64(given):
        return pa.time64("us")
    if types.is_dictionary(given):
        return _python_type(given.value_type)
    if types.is_list(given):
        return pa.list_(_python_field(given.value_field))
    if types.is_large_list(given):
        return pa.large_list(_python_field(given.value_field))
    if types.is_struct(given):
        return pa.struct([_python_field(given.field(at)) for at in range(given.num_fields)])
    return given


def _unit(given: pa.DataType) -> str:
    return "us" if given.unit == "ns" else str(given.unit)


def _python_field(given: pa.Field) -> pa.Field:
    return given.with_type(_python_type(given.type))


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, decimal.Decimal):
        whole = value == value.to_integral_value()
        return (int(value) if abs(value) < 1 << 63 else str(value)) if whole else float(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return str(value)
