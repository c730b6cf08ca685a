"""A source, sinks and a supervisor in memory; each writes what is asked of it into one list, in order."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sigmac.runtime.stream.dead_letters import as_line
from sigmac.runtime.stream.delivery import AtLeastOnce, Outputs
from sigmac.runtime.stream.evaluation import Stream
from sigmac.runtime.stream.files.file_source import LineBatch
from sigmac.runtime.stream.pack_slot import PackSlot
from sigmac.runtime.stream.record import Batch, SourceEnded
from sigmac.runtime.stream.sink import DeliveryFailed, Message, Undeliverable
from sigmac.runtime.stream.supervisor_link import Link
from sigmac.runtime.stream.tracing import Tracing
from sigmac.runtime.stream.worker import Client, Worker


class MemorySource:
    """Records of one partition; `committed` outlives it, as a broker's offsets do."""

    def __init__(self, log: list[str], records: Sequence[bytes], committed: int = 0):
        self.log = log
        self.records = records
        self.committed = self.position = committed

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        if self.position >= len(self.records):
            raise SourceEnded
        first, self.position = self.position, min(len(self.records), self.position + max_records)
        return [LineBatch("topic", self.records[first : self.position], first)]

    def commit(self) -> None:
        self.log.append("commit")
        self.committed = self.position

    def rewind(self) -> None:
        self.log.append("rewind")
        self.position = self.committed

    def more(self, max_records: int) -> list[Any]:
        return []

    def keep_alive(self) -> None:
        self.log.append("keep alive")

    def lag(self) -> dict[tuple[str, int], int]:
        return {}

    def close(self) -> None:
        self.log.append("leave")


class MemorySink:
    """What was flushed is in `delivered`. Each flush calls `trouble`, which may raise or say that the sink is slow."""

    def __init__(
        self, log: list[str], name: str, trouble: Callable[[], bool] = lambda: True
    ) -> None:
        self.log = log
        self.name = name
        self.trouble = trouble
        self.delivered: list[Message] = []
        self.refuses: Callable[[Message], bool] = lambda message: False
        self._pending: list[Message] = []
        self._given_up: list[Undeliverable] = []

    def write(self, messages: Sequence[Message]) -> None:
        self.log.append(f"write {self.name}")
        self._pending += messages

    def flush(self, timeout: float) -> bool:
        if not self._pending:
            return True
        self.log.append(f"flush {self.name}")
        try:
            if not self.trouble():
                return False
        except DeliveryFailed:
            self._pending = []
            raise
        for message in self._pending:
            if self.refuses(message):
                self._given_up.append(Undeliverable(message, "too large"))
            else:
                self.delivered.append(message)
        self._pending = []
        return True

    def undeliverable(self) -> list[Undeliverable]:
        found, self._given_up = self._given_up, []
        return found

    def close(self) -> None:
        self.log.append(f"close {self.name}")


class MemoryLink(Link):
    """What the worker says is in `said`."""

    def __init__(self) -> None:
        self.commands = queue.SimpleQueue()
        self.stop_at = None
        self.said: list[dict[str, Any]] = []

    def say(self, message: Any) -> None:
        self.said.append(dict(message))

    def states(self) -> list[str]:
        """The states that were told, one after the other."""
        told = [each["state"] for each in self.said if each["say"] == "status"]
        return [
            state for state, before in zip(told, [None, *told], strict=False) if state != before
        ]


class Bench:
    """A worker over memory, and what is around it."""

    def __init__(self, pack: Path, records: Sequence[bytes], committed: int = 0):
        self.log: list[str] = []
        self.link = MemoryLink()
        self.slot = PackSlot("test", pack)
        self.source = MemorySource(self.log, records, committed)
        self.matches = MemorySink(self.log, "matches")
        self.dead = MemorySink(self.log, "dead letters")

    def worker(self, max_records: int = 100) -> Worker:
        outputs = Outputs({"memory": self.matches}, self.dead, as_line)
        return Worker(
            self.link,
            {"test": self.slot},
            [Stream(self.slot)],
            self.source,
            outputs,
            AtLeastOnce(self.source, outputs),
            lambda: True,
            Client(),
            tracing=Tracing(),
            max_records=max_records,
            max_wait=0.01,
        )
