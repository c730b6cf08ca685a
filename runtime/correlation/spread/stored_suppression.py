"""What went out last of matches that are alike, in a store of keys and values."""

from __future__ import annotations

import orjson

from sigmac.runtime.correlation.spread.bounds import Bounds, Store, Stores, unreadable
from sigmac.runtime.correlation.spread.stored_groups import VERSION, kind_of
from sigmac.runtime.correlation.suppression import MAX_KEYS, Last, judged

_NAME = kind_of("held")


class StoredSuppression:
    """Of so many keys in a partition, those of all packs together."""

    def __init__(self, bounds: Bounds, max_keys: int = MAX_KEYS) -> None:
        self._bounds = bounds
        self._max_keys = max_keys

    def take(
        self, stores: Stores, key: bytes, time: int, span: int, at: int
    ) -> tuple[int | None, int]:
        """How many were held back before a match that goes out, None where it is held back itself; how many others
        were forgotten, so that there is room.

        `key` is the same for all that are alike; `at` grows from one to the next. Raises `SigmacError` where what is
        kept is not to be read.
        """
        store = stores.of(key)
        last = _read(store)
        gone = 0 if last else self._bounds.make_room(stores, _NAME, self._max_keys)
        now, held = judged(last, time, span)
        if now is not last:
            store.set_bytes(_NAME, orjson.dumps([VERSION, at, *now]))
        return held, gone


def _read(store: Store) -> Last | None:
    kept = store.get_bytes(_NAME)
    if kept is None:
        return None
    try:
        version, _, start, number = map(int, orjson.loads(kept))
    except (ValueError, TypeError) as error:
        raise unreadable(f"is damaged ({error})") from None
    if version != VERSION:
        raise unreadable(f"has version {version}, and this is version {VERSION}")
    return start, number
