"""What went out last of matches that are alike, in a store of keys and values."""

from __future__ import annotations

import orjson

from sigmac.runtime.correlation.spread.stored_groups import VERSION, Store, unreadable
from sigmac.runtime.correlation.suppression import Last, judged

_NAME = "held"


def take(store: Store, time: int, span: int, at: int) -> int | None:
    """How many were held back before a match that goes out; None where it is held back itself.

    The store is that of those it is like; `at` is its place in the log that they are read from. Raises `SigmacError`
    where what is kept is not to be read.
    """
    kept = store.get_bytes(_NAME)
    last: Last | None = None
    if kept is not None:
        try:
            version, _, start, number = map(int, orjson.loads(kept))
        except (ValueError, TypeError) as error:
            raise unreadable(f"is damaged ({error})") from None
        if version != VERSION:
            raise unreadable(f"has version {version}, and this is version {VERSION}")
        last = start, number
    now, held = judged(last, time, span)
    if now is not last:
        store.set_bytes(_NAME, orjson.dumps([VERSION, at, *now]))
    return held
