"""A bound on how much there is of a kind in a partition: what was taken longest ago makes room for what is new.

How many there are is kept in the store. Which are the oldest is asked for when there is no room: all are looked
through, and a part of them, the oldest, is remembered. What is not among these is younger for good, so the next ones to
go are known until all of these are gone or were taken again. While there is room, an entry costs a number.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import orjson

from sigmac.runtime.errors import SigmacError

KIND = 16  # characters at the beginning of a name
_PIECE = "#"  # before the name of what belongs to an entry
_COUNTS = b"counts"  # the key of the numbers; keys of messages are JSON
_MOST_OLD = 10_000  # that are remembered of a kind
_MOST_AT_ONCE = 1000  # that make room for one, where the bound has become lower


class Store(Protocol):
    """Where bytes are kept by texts."""

    def get_bytes(self, key: str, /) -> bytes | None: ...

    def set_bytes(self, key: str, value: bytes, /) -> None: ...

    def delete(self, key: str, /) -> None: ...


class Stores(Protocol):
    """What a partition keeps: a store for the messages of each key."""

    @property
    def partition(self) -> int: ...

    def of(self, key: bytes, /) -> Store: ...

    def items(self) -> Iterator[tuple[bytes, str, bytes]]:
        """Everything: the key of the messages, the name in their store, the bytes."""
        ...


def piece(name: str, number: int) -> str:
    """The name of a piece of an entry."""
    return f"{_PIECE}{number}{name}"


def place_in(entry: bytes) -> int:
    """When an entry was taken last: a JSON list whose second element says so. Raises `SigmacError`."""
    try:
        begin = entry.index(b",") + 1
        return int(entry[begin : entry.index(b",", begin)])
    except ValueError as error:
        raise unreadable(f"is damaged ({error})") from None


def unreadable(why: str) -> SigmacError:
    """The error to stop with where the store has what this version of sigmac cannot go on from."""
    return SigmacError(
        f"the state of correlations {why}; remove the state folder and the changelog topic of this stage to begin anew"
    )


class Bounds:
    """Of the partitions that one process has. Entries are lists, with version, time of the last taking, whatever."""

    def __init__(self) -> None:
        self._most: dict[str, int] = {}
        # By partition and kind; of those that are known to be the oldest, the oldest first
        self._oldest: dict[tuple[int, str], deque[tuple[int, bytes, str]]] = {}

    def make_room(self, stores: Stores, kind: str, most: int) -> int:
        """An entry of a kind is about to be added: how many were forgotten, so that there are `most` of it."""
        self._most[kind] = most
        number, gone = _number(stores, kind), 0
        while number >= most and gone < _MOST_AT_ONCE:
            oldest = self._next(stores, kind)
            if oldest is None:
                break
            _forget(stores.of(oldest[0]), oldest[1])
            number, gone = number - 1, gone + 1
        stores.of(_COUNTS).set_bytes(kind, b"%d" % (number + 1))
        return gone

    def _next(self, stores: Stores, kind: str) -> tuple[bytes, str] | None:
        """The entry of a kind that was taken longest ago."""
        for looked in (False, True):
            if looked:
                self._look(stores)
            known = self._oldest.get((stores.partition, kind), ())
            while known:
                taken, key, name = known.popleft()
                entry = stores.of(key).get_bytes(name)
                if entry is not None and place_in(entry) == taken:
                    return key, name
        return None

    def _look(self, stores: Stores) -> None:
        """Look for the oldest of all kinds that are full."""
        found: dict[str, list[tuple[int, bytes, str]]] = {}
        full: dict[str, int] = {}
        for kind, most in self._most.items():
            if _number(stores, kind) >= most:
                full[kind], found[kind] = max(1, min(most // 10, _MOST_OLD)), []
        for key, name, entry in stores.items():
            kind = name[:KIND]
            if kind not in full or key == _COUNTS:
                continue
            taken, some = -place_in(entry), found[kind]
            if len(some) < full[kind]:
                heapq.heappush(some, (taken, key, name))
            elif taken > some[0][0]:
                heapq.heapreplace(some, (taken, key, name))
        for kind, some in found.items():
            oldest = sorted((-taken, key, name) for taken, key, name in some)
            self._oldest[stores.partition, kind] = deque(oldest)


def _number(stores: Stores, kind: str) -> int:
    kept = stores.of(_COUNTS).get_bytes(kind) or b"0"
    if not kept.isdigit():
        raise unreadable("is damaged (a number is none)")
    return int(kept)


def _forget(store: Store, name: str) -> None:
    """Delete an entry with its pieces, of which it says the numbers where it has some."""
    entry = orjson.loads(store.get_bytes(name) or b"[]")
    for number in range(*entry[5:7]) if len(entry) > 6 else ():
        store.delete(piece(name, number))
    store.delete(name)
