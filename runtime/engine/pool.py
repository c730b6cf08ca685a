"""The engines of a pack: one for each thread that evaluates at the same time, the tables shared."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sigmac.runtime.engine.batch import Engine
from sigmac.runtime.engine.kernel_tables import Tables
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.freed_memory import give_back
from sigmac.runtime.scalar.dispatch import Dispatch
from sigmac.runtime.scalar.sightings import Seen


class Engines:
    """Up to `workers` engines, made when they are needed, with an equal share of `budget` (bytes) each.

    `arrays` are the pack's tables; `dispatch` is the scalar path, which answers what the kernels leave.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        arrays: Mapping[str, Any],
        kernels: Kernels,
        budget: int,
        workers: int,
    ):
        self._dispatch = dispatch
        self._kernels = kernels
        self._share = budget // workers
        self._left = workers  # engines that may still be made
        self._free: list[Engine] = []  # the one that was used last is taken first
        self._waiting = 0  # threads
        self._given_back = threading.Condition()
        self.all: list[Engine] = []
        self.tables = Tables(
            arrays,
            dispatch.vocabulary.strings,
            dispatch.logsource_fields,
            dispatch.vocabulary.thresholds(),
            dispatch.without_gates(),
            kernels,
        )
        give_back()  # what loading took beyond what is kept

    def counts(self) -> dict[str, int]:
        """The sums of what all engines counted."""
        total: Counter[str] = Counter()
        for engine in self.all:
            total.update(engine.counts())
        return dict(total)

    def sightings(self) -> Seen:
        """What the records of all engines together had, but for those that were left to the scalar path."""
        seen = Seen()
        for engine in self.all:
            seen = seen.with_more(engine.sightings())
        return seen

    def take(self, *, wait: bool) -> Engine | None:
        """An engine for this thread alone, to be given back; None where all are in use and it is not to `wait`."""
        try:
            return self._free.pop()
        except IndexError:
            pass
        with self._given_back:
            # Said before it is looked again: who gives one back after that look knows that somebody waits.
            self._waiting += 1
            try:
                while self._left == 0:
                    try:
                        return self._free.pop()
                    except IndexError:
                        if not wait:
                            return None
                        self._given_back.wait()
                self._left -= 1
            finally:
                self._waiting -= 1
        try:
            engine = Engine(self._dispatch, self.tables, self._kernels, self._share)
        except BaseException:
            with self._given_back:
                self._left += 1
                self._given_back.notify()
            raise
        self.all.append(engine)
        return engine

    def give_back(self, engine: Engine) -> None:
        """Let other threads have an engine that was taken."""
        self._free.append(engine)
        if self._waiting:
            with self._given_back:
                self._given_back.notify()

    @contextmanager
    def borrow(self) -> Iterator[Engine]:
        """An engine for this thread alone; waits while all are in use."""
        engine = self.take(wait=True)
        assert engine is not None
        try:
            yield engine
        finally:
            self.give_back(engine)
