"""Pipelines for rules that are run as they are: chosen from the first events, where the user names none."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from sigmac.cli.options import say
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.runtime.reading.reading import Reading

AUTO, NONE = "auto", "none"
_FILES = 32  # that are looked at, from the first to the last
_EVENTS = 4_000  # of all, from all over their beginnings
_LEAST = 50  # of each
_BEGINNING = 4 << 20  # bytes

Event = Mapping[str, Any]


def chosen(given: Sequence[str], first_events: Callable[[], Iterable[Event]]) -> tuple[str, ...]:
    """The pipelines that are given, those for the events in place of `auto` or of nothing; says which, and why."""
    if NONE in given:
        if len(given) == 1:
            return ()
        raise InputError("--pipeline none: no other pipeline can be given with it")
    if given and AUTO not in given:
        return tuple(given)
    from sigmac.compiler.pipeline.shipped_pipelines import pipelines_for

    found = pipelines_for(first_events())
    for name, fields in found.items():
        say(f"--pipeline auto: {name}, as events have {' and '.join(fields)}")
    if not found:
        say(
            "--pipeline auto: the events are of no schema that a shipped pipeline is for, so rules look at events of "
            "any log by the names that they ask for: see `sigmac pipelines`"
        )
    made = [*found]
    for name in given:
        made += [name] if name != AUTO else []
    return tuple(dict.fromkeys(made))


def first_events(names: Sequence[str], reading: Reading) -> Iterator[Event]:
    """The first events of inputs; of standard input those that are there already, which are read again later."""
    looked_at = names[:: -(-len(names) // _FILES)]
    most = max(_LEAST, _EVENTS // max(1, len(looked_at)))
    for name in looked_at:
        lines = _waiting() if name == "-" else _first_lines(name, reading, most)
        for line in lines:
            with contextlib.suppress(orjson.JSONDecodeError):
                event = orjson.loads(line)
                if isinstance(event, dict):
                    yield event


def _first_lines(name: str, reading: Reading, most: int) -> Iterator[bytes]:
    """At most so many lines, from all over the beginning."""
    from sigmac.runtime.reading.reading import read_events

    lines: list[bytes] = []
    size = 0
    # What cannot be read is told when it is evaluated.
    with (
        contextlib.suppress(InputError, OSError),
        contextlib.closing(read_events(name, reading)) as blocks,
    ):
        for block in blocks:
            lines += block.data.split(b"\n")
            size += len(block.data)
            if size > _BEGINNING:
                break
    return iter(lines[:: -(-len(lines) // most) or 1])


def _waiting() -> Iterator[bytes]:
    """The whole lines that standard input holds, left there; what is wrapped is unwrapped."""
    from sigmac.runtime.inputs.wrappings import events_in

    peek = getattr(sys.stdin.buffer, "peek", None)
    if peek is None:
        return
    for line in peek(1).split(b"\n"):
        with contextlib.suppress(orjson.JSONDecodeError):
            for event in events_in(orjson.loads(line)):
                yield orjson.dumps(event)
