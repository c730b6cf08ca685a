"""The records of one chunk of an EVTX file as flat events, by the package `evtx`; run by `apart.py`."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import orjson
from evtx import PyEvtxParser

from sigmac.runtime.inputs.evtx_json import flatten
from sigmac.runtime.inputs.format import Event, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.scalar.json_record import json_bytes

# What stands before the chunks of a file: magic, numbers, size of this header, version 3.1, where the first chunk is
_HEADER = struct.pack("<8s3QI3HH", b"ElfFile\x00", 0, 0, 1, 128, 1, 3, 4096, 1).ljust(4096, b"\x00")
_MAX_REASON = 200  # characters


def answer(chunk: bytes) -> Iterator[Item]:
    """What stands in a chunk; positions are those of its records, from 0."""
    records: Iterator[Any] = iter(PyEvtxParser(io.BytesIO(_HEADER + chunk), 1).records_json())
    position = 0
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except RuntimeError as error:
            yield Unreadable(position, _reason(error))
        else:
            yield _event(position, record["data"])
        position += 1


def _event(position: int, record: str) -> Item:
    if len(record) > MAX_RECORD:
        return Unreadable(position, f"the record is longer than {MAX_RECORD:,} bytes")
    try:
        return Event(position, json_bytes(flatten(orjson.loads(record))))
    except (ValueError, RecursionError):
        return Unreadable(position, "the record has no form that JSON has")


def _reason(error: RuntimeError) -> str:
    text = " ".join(str(error).split())
    return f"the record cannot be read: {text[:_MAX_REASON]}"
