"""All that the second stage keeps of a partition, of what is not committed too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from quixstreams import State

from sigmac.runtime.correlation.spread.bounds import Store

_BETWEEN = (
    b'|"'  # a key, which may be anything, and a name as JSON: its own quotation marks are escaped
)


@dataclass(frozen=True, slots=True)
class PartitionStores:
    """The stores beside that of a message, which Quix Streams gives."""

    state: State
    partition: int

    def of(self, key: bytes) -> Store:
        """The store of the messages of a key."""
        store: Store = self.state._transaction.as_state(prefix=key)
        return store

    def items(self) -> Iterator[tuple[bytes, str, bytes]]:
        transaction = self.state._transaction
        deleted = transaction._update_cache.get_deletes()
        updates = transaction._update_cache.get_updates()
        changed = {name: entry for some in updates.values() for name, entry in some.items()}
        for name, entry in transaction._partition.iter_items(b""):
            if name not in changed and name not in deleted:
                yield *_parts(name), entry
        for name, entry in changed.items():
            yield *_parts(name), entry


def _parts(name: bytes) -> tuple[bytes, str]:
    end = name.rindex(_BETWEEN)
    text: str = orjson.loads(name[end + 1 :])
    return name[:end], text
