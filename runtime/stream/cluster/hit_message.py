"""A hit on its way from a worker to the second stage: what correlations need to know of an event, and of which family.

The value is one line of JSON, with the event last where matches carry events; what it says of fields and rules are
lists, so that nothing in it looks like the beginning of the event. The key is the place: all hits of a group are of
one partition.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from sigmac.runtime.correlation.hit_finder import Key
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.spread.families import Family
from sigmac.runtime.errors import InputError
from sigmac.runtime.stream.match_message import place_of, without_event

VERSION = 1
MOST_BYTES = 200 << 10  # of what is told of an event's fields
MOST_EVENT = 256 << 10  # bytes of an event that goes with a hit; a larger one is left out
_LONG = 400  # bytes of a key of which a digest is taken
_EVENT = b',"event":'


class HitTooLarge(Exception):
    """What correlations look at is too large to be kept in a group."""


@dataclass(frozen=True, slots=True)
class HitMessage:
    """`slot` is the pack's name in the configuration, `pack` its own name and version; `family` an identity."""

    slot: str
    pack: dict[str, Any]
    family: str
    place: Key
    observation: Observation
    event: bytes | None


def encode(
    slot: str,
    pack: dict[str, Any],
    family: Family,
    place: Key,
    observation: Observation,
    event: bytes | None,
) -> tuple[bytes, bytes]:
    """Key and value. The source of the observation is (topic, partition, offset, index). Raises `HitTooLarge`."""
    told = orjson.dumps(
        {
            "v": VERSION,
            "slot": slot,
            "pack": pack,
            "family": family.identity,
            "place": place,
            "time": observation.time,
            "source": place_of(observation.source),
            "matched": [[rule, list(names)] for rule, names in observation.matched.items()],
            "values": [[name, values] for name, values in observation.values.items()],
        }
    )
    if len(told) > MOST_BYTES:
        raise HitTooLarge(
            f"what correlations look at has {len(told):,} bytes, more than {MOST_BYTES:,}"
        )
    key = orjson.dumps([family.names, place])
    if len(key) > _LONG:
        key = orjson.dumps(hashlib.blake2b(key, digest_size=32).hexdigest())
    if event is None or len(event) > MOST_EVENT:
        return key, told
    return key, b"".join([told[:-1], _EVENT, event, b"}"])


def decode(value: bytes | None) -> HitMessage:
    """What `encode` made. Raises `InputError` where it is none."""
    try:
        line = value or b""
        told = without_event(line)
        if told["v"] != VERSION:
            raise InputError(f"a hit of version {str(told['v'])[:20]}; this is version {VERSION}")
        source = told["source"]
        observation = Observation(
            _whole(told["time"]),
            (
                _text(source["topic"]),
                _whole(source["partition"]),
                _whole(source["offset"]),
                _whole(source["index"]) if "index" in source else None,
            ),
            {_text(rule): tuple(map(_text, names)) for rule, names in told["matched"]},
            {_text(name): [*map(_scalar, values)] for name, values in told["values"]},
        )
        _, event, text = line.partition(_EVENT)
        return HitMessage(
            _text(told["slot"]),
            {"name": _text(told["pack"]["name"]), "version": _text(told["pack"]["version"])},
            _text(told["family"]),
            tuple(map(_text, told["place"])),
            observation,
            text[:-1] if event else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"not a hit: {error}") from None


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise ValueError("a number is none")
    return given


def _text(given: Any) -> str:
    if type(given) is not str:
        raise ValueError("a text is none")
    return given


def _scalar(given: Any) -> str | int | float | bool:
    if not isinstance(given, (str, int, float)):
        raise ValueError("a value is no text and no number")
    return given
