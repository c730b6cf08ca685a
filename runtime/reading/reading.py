"""Inputs of any format as blocks of events: what `sigmac run` evaluates."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, cast

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs import json_documents, ndjson
from sigmac.runtime.inputs.compressions import MAX_EXPANSION
from sigmac.runtime.inputs.format import Event, Format, Item, Unreadable
from sigmac.runtime.inputs.lines import CHUNK, MAX_RECORD, Block, Buffers, blocks_of
from sigmac.runtime.inputs.opened import Opened, open_inputs
from sigmac.runtime.inputs.wrappings import selected
from sigmac.runtime.reading.known_formats import formats, recognised

_AT_ONCE = 1 << 20  # bytes of events in a block


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read: `format` is forced where it is given, `select` is the path to the events in JSON.

    With `unwrap` every line of NDJSON is looked at for a wrapping, else those of a file whose first ones have one. With
    `buffers` lines are not counted, and whoever gets a block says when it is done with it.
    """

    format: str | None = None
    select: str | None = None
    unwrap: bool = False
    chunk: int = CHUNK
    max_record: int = MAX_RECORD
    max_expansion: int = MAX_EXPANSION
    buffers: Buffers | None = None


def read_events(name: str, reading: Reading) -> Generator[Block, None, None]:
    """The events of a file, of the members of an archive, or of standard input (`-`), in blocks of NDJSON.

    Raises `InputError` where it cannot be read to its end, or nothing of it is known; what came before has been
    yielded.
    """
    # Closed here whatever happens: what reads a block may never ask for the next one.
    with contextlib.closing(open_inputs(name, reading.max_expansion)) as inputs:
        for opened in inputs:
            yield from _blocks(opened, reading)


def _blocks(opened: Opened, reading: Reading) -> Iterator[Block]:
    if not opened.start:
        return
    logsource: Mapping[str, str] = {}
    if reading.select is not None:
        items = _select(opened.stream, reading.select)
    else:
        form = _format(opened, reading)
        if form is ndjson.FORMAT and not reading.unwrap and ndjson.is_plain(opened.start):
            yield from blocks_of(
                opened.name,
                opened.used,
                cast(io.BufferedReader, opened.stream),
                reading.chunk,
                reading.max_record,
                buffers=reading.buffers,
            )
            return
        items, logsource = form.read(opened.stream), form.logsource
    try:
        yield from _gathered(opened, items, logsource or None)
    except InputError as error:
        raise InputError(f"{opened.name}: {error}") from None


def _format(opened: Opened, reading: Reading) -> Format:
    if reading.format is not None:
        return formats()[reading.format]
    found = recognised(opened.start)
    # A line that is none may stand first, or be broken.
    if found in (None, json_documents.FORMAT) and ndjson.has_lines(opened.start):
        return ndjson.FORMAT
    if found is not None:
        return found
    if not opened.start.strip() or opened.name.lower().endswith((".ndjson", ".jsonl")):
        return ndjson.FORMAT
    raise InputError(
        f"{opened.name}: no known format of logs; `sigmac formats` lists them, and one that is named is taken"
    )


def _select(stream: IO[bytes], path: str) -> Iterator[Item]:
    import orjson

    for each in json_documents.values_in(stream):
        if isinstance(each, Unreadable):
            yield each
            continue
        number, _, found = each
        for event in selected(found, path):
            yield Event(number, orjson.dumps(event))


def _gathered(
    opened: Opened, items: Iterator[Item], logsource: Mapping[str, str] | None
) -> Iterator[Block]:
    data: list[bytes] = []
    positions: list[int] = []
    unreadable: list[tuple[int, str]] = []
    size = 0

    def block() -> Block:
        return Block(
            opened.name,
            b"".join(data),
            0,
            opened.used(),
            positions=tuple(positions),
            unreadable=tuple(unreadable),
            logsource=logsource,
        )

    try:
        for item in items:
            if isinstance(item, Unreadable):
                unreadable.append((item.position, item.reason))
                size += 100
            else:
                data.append(item.data + b"\n")
                positions.append(item.position)
                size += len(item.data)
            if size > _AT_ONCE:
                yield block()
                data, positions, unreadable, size = [], [], [], 0
    except InputError:
        if size:
            yield block()
        raise
    if size:
        yield block()
