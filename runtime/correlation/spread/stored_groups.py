"""Groups of a correlation in a store of keys and values: a hit rewrites a small part of what is kept of its group.

Of each group a store has a head and, where the window is large, pieces: the head has the newest hits, pieces those
before them, each as JSON. A hit that comes in order rewrites the head only; now and then a piece is written or goes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.spread.bounds import KIND, Bounds, Store, Stores, piece, unreadable
from sigmac.runtime.correlation.step import LATE, RESTARTS, Group, Step

VERSION = 1  # of what is kept
_PIECE_HITS, _PIECE_BYTES = 64, 64 << 10  # after which a piece begins
_LONG = 400  # bytes of a key of which a digest is taken
# Groups stay loaded as long as they are no more than this: a group counts as some hits, as its objects are as large.
_MOST_LOADED, _OF_A_GROUP = 1_000_000, 10


@dataclass(slots=True)
class _Piece:
    number: int
    first: int  # the numbers of its hits among all that the window has had
    end: int


@dataclass(slots=True)
class _Loaded:
    """A group, and what of it is where; `head` is what the store had when the group was as it is."""

    group: Group
    head: bytes | None = None
    at: int = 0  # when a hit was taken last
    pieces: deque[_Piece] = field(default_factory=deque)
    first: int = 0  # the number of the first hit of the head
    newest: list[bytes] = field(default_factory=list)  # the hits of the head


class StoredGroups:
    """The groups of one correlation, at most so many in a partition; `name` tells them from those of others there."""

    def __init__(self, name: str, step: Step, max_groups: int, bounds: Bounds) -> None:
        self._kind = kind_of(name)
        self.step = step
        self._max_groups = max_groups
        self._bounds = bounds
        self.forgotten = 0
        # That whose last hit was taken longest ago first; one that is not as the store has it is loaded again.
        self._kept: OrderedDict[str, _Loaded] = OrderedDict()
        self._size = 0

    def take(
        self, stores: Stores, place: bytes, key: Sequence[str], hit: Hit, at: int
    ) -> tuple[int, Group] | None:
        """Take a hit into a group, and keep the group: what came of it, and the group as it is now.

        `place` is the key of the messages that the group's hits come with, `at` grows from hit to hit. None where a hit
        from the same source is in the window already: hits may be told twice. Raises `SigmacError` where what is kept
        is not to be read.
        """
        store = stores.of(place)
        name = self._kind + _short(orjson.dumps(key))
        loaded = self._load(store, name)
        if loaded.head is None:
            self.forgotten += self._bounds.make_room(stores, self._kind, self._max_groups)
        group = loaded.group
        if _has(group, hit):
            return None
        end = group.left + len(group.hits) - group.start
        done = self.step(group, hit)
        if not done & LATE or done & RESTARTS:
            loaded.at = at
        more = group.left + len(group.hits) - group.start - end
        newest = bool(group.hits) and group.hits[-1] is hit
        if done & RESTARTS or (newest and more != 1):
            self._write_all(store, name, loaded)  # the window was emptied
        elif newest:
            loaded.newest.append(orjson.dumps(_plain(hit)))
        elif more:
            self._write_from(store, name, loaded, _number(group, hit))
        self._save(store, name, loaded)
        return done, group

    def _load(self, store: Store, name: str) -> _Loaded:
        head = store.get_bytes(name)
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._size -= len(kept.group.hits) + _OF_A_GROUP
            if kept.head == head:
                return kept
        loaded = _Loaded(self.step.new_group(), head)
        if head is not None:
            try:
                self._read(store, name, loaded, head)
            except (ValueError, TypeError, IndexError, KeyError) as error:
                raise unreadable(f"is damaged ({error})") from None
        return loaded

    def _read(self, store: Store, name: str, loaded: _Loaded, head: bytes) -> None:
        version, *rest = orjson.loads(head)
        if version != VERSION:
            raise unreadable(f"has version {version}, and this is version {VERSION}")
        at, newest, true, left, begin, end, first, hits, aside = rest
        group = loaded.group
        loaded.at = int(at)
        group.newest, group.true, group.left = int(newest), bool(true), int(left)
        group.aside = tuple(map(_hit, aside))
        number = first
        for each in range(begin, end):
            data = store.get_bytes(piece(name, each))
            if data is None:
                raise ValueError("a piece is missing")
            number, older = orjson.loads(data)
            loaded.pieces.append(_Piece(each, number, number + len(older)))
            self._enter(group, number, older)
        loaded.first = first
        loaded.newest = [orjson.dumps(each) for each in hits]
        self._enter(group, first, hits)

    def _enter(self, group: Group, number: int, hits: Sequence[Any]) -> None:
        for each in hits:
            if number >= group.left:
                hit = _hit(each)
                group.hits.append(hit)
                group.measure.enter(hit, number)
            number += 1

    def _save(self, store: Store, name: str, loaded: _Loaded) -> None:
        self._forget(store, name, loaded)
        self._cut(store, name, loaded)
        group, pieces = loaded.group, loaded.pieces
        begin, end = (pieces[0].number, pieces[-1].number + 1) if pieces else (0, 0)
        told = [VERSION, loaded.at, group.newest, group.true, group.left, begin, end, loaded.first]
        aside = orjson.dumps([_plain(each) for each in group.aside])
        head = orjson.dumps(told)[:-1], b",".join(loaded.newest), aside
        loaded.head = b"%b,[%b],%b]" % head
        store.set_bytes(name, loaded.head)
        self._keep(name, loaded)

    def _write_all(self, store: Store, name: str, loaded: _Loaded) -> None:
        """Everything is in the head again."""
        for each in loaded.pieces:
            store.delete(piece(name, each.number))
        loaded.pieces.clear()
        self._begin_head(loaded, loaded.group.left)

    def _write_from(self, store: Store, name: str, loaded: _Loaded, number: int) -> None:
        """The hit of a number came between others: what stands behind it in its piece is in the head again."""
        first, pieces = loaded.first, loaded.pieces
        while pieces and pieces[-1].end > number:
            last = pieces.pop()
            first = last.first
            store.delete(piece(name, last.number))
        self._begin_head(loaded, max(first, loaded.group.left))

    def _begin_head(self, loaded: _Loaded, first: int) -> None:
        group = loaded.group
        loaded.first = first
        window = group.hits[group.start + first - group.left :]
        loaded.newest = [orjson.dumps(_plain(each)) for each in window]

    def _forget(self, store: Store, name: str, loaded: _Loaded) -> None:
        """What left the window."""
        left, pieces = loaded.group.left, loaded.pieces
        while pieces and pieces[0].end <= left:
            store.delete(piece(name, pieces.popleft().number))
        if loaded.first < left:
            del loaded.newest[: left - loaded.first]
            loaded.first = left

    def _cut(self, store: Store, name: str, loaded: _Loaded) -> None:
        """Write pieces of what is too long for a head."""
        newest, pieces = loaded.newest, loaded.pieces
        while len(newest) >= _PIECE_HITS or sum(map(len, newest)) > _PIECE_BYTES:
            count, size = 0, 0
            while count < min(len(newest), _PIECE_HITS) and size <= _PIECE_BYTES:
                size += len(newest[count])
                count += 1
            number = pieces[-1].number + 1 if pieces else 0
            data = b"[%d,[%b]]" % (loaded.first, b",".join(newest[:count]))
            store.set_bytes(piece(name, number), data)
            pieces.append(_Piece(number, loaded.first, loaded.first + count))
            del newest[:count]
            loaded.first += count

    def _keep(self, name: str, loaded: _Loaded) -> None:
        self._kept[name] = loaded
        self._size += len(loaded.group.hits) + _OF_A_GROUP
        while self._size > _MOST_LOADED:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.group.hits) + _OF_A_GROUP


def kind_of(name: str) -> str:
    """What the names of all entries of a kind begin with."""
    return hashlib.blake2b(name.encode(), digest_size=KIND // 2).hexdigest()


def _has(group: Group, hit: Hit) -> bool:
    """Whether a hit from the same source is kept already."""
    if any(each.source == hit.source for each in group.aside):
        return True
    if not group.hits or hit.time > group.newest:
        return False
    hits, place = group.hits, len(group.hits)
    while place > group.start and hits[place - 1].time >= hit.time:
        place -= 1
        if hits[place].time == hit.time and hits[place].source == hit.source:
            return True
    return False


def _number(group: Group, hit: Hit) -> int:
    """The number of a hit that came late; it may be forgotten already."""
    for place in range(len(group.hits) - 1, group.start - 1, -1):
        if group.hits[place] is hit:
            return group.left + place - group.start
    return group.left - 1


def _short(key: bytes) -> str:
    """A key of bounded length."""
    if len(key) > _LONG:
        return hashlib.blake2b(key, digest_size=32).hexdigest()
    return key.decode()


def _plain(hit: Hit) -> list[Any]:
    return [hit.time, hit.source, f"{hit.seen:x}", hit.values]  # JSON's integers have 64 bits


def _hit(plain: Any) -> Hit:
    time, source, seen, values = plain
    return Hit(
        int(time),
        tuple(source),
        int(seen, 16),
        tuple(tuple(value) if isinstance(value, list) else value for value in values),
    )
