"""The engines of a pack: one for each thread that evaluates at the same time, the tables shared."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sigmac.runtime.engine.batch import Engine
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.engine.tables import Tables

if TYPE_CHECKING:
    from sigmac.runtime.pack import Pack


class Engines:
    """Up to `workers` engines, made when they are needed, with an equal share of `budget` (bytes) each."""

    def __init__(
        self, pack: Pack, arrays: Mapping[str, Any], kernels: Kernels, budget: int, workers: int
    ):
        self._pack = pack
        self._kernels = kernels
        self._share = budget // workers
        self._left = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._free: list[Engine] = []
        self.all: list[Engine] = []
        self.tables = Tables(
            arrays,
            pack.vocabulary.strings,
            pack.dispatch.logsource_fields,
            pack.vocabulary.thresholds(),
            pack.dispatch.without_gates(),
            kernels,
        )

    def counts(self) -> dict[str, int]:
        """The sums of what all engines counted."""
        total: Counter[str] = Counter()
        for engine in self.all:
            total.update(engine.counts())
        return dict(total)

    @contextmanager
    def borrow(self) -> Iterator[Engine]:
        """An engine for this thread alone; waits while all are in use."""
        with self._left:
            with self._lock:
                engine = self._free.pop() if self._free else None
            if engine is None:
                engine = Engine(self._pack, self.tables, self._kernels, self._share)
                self.all.append(engine)
            try:
                yield engine
            finally:
                with self._lock:
                    self._free.append(engine)
