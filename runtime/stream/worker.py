"""The worker: consume a batch, evaluate it, deliver what came of it, commit; and again, until it is told to stop.

One thread does this. While a sink is slow it stays in the consumer group and fetches nothing more, so that memory stays
bounded. Another thread reads what the supervisor says; a pack is tried in a third, and swapped between two batches.
"""

from __future__ import annotations

import base64
import queue
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import structlog

from sigmac.runtime.errors import PackError
from sigmac.runtime.stream.counts import BATCH_BUCKETS, Counts, added
from sigmac.runtime.stream.delivery import Delivery, Outputs
from sigmac.runtime.stream.evaluation import Evaluated, Stream, evaluate
from sigmac.runtime.stream.pack_slot import PackSlot
from sigmac.runtime.stream.record import Batch, Source, SourceEnded
from sigmac.runtime.stream.sighted_hour import SightedHour
from sigmac.runtime.stream.sink import DeliveryFailed, Message
from sigmac.runtime.stream.supervisor_link import Command, Link
from sigmac.runtime.stream.tracing import BatchSpan, Tracing

log = structlog.get_logger("sigmac.stream.worker")

_WATCHED = 200  # matches a second that are shown to watchers
_LARGE = 4096  # matches, dead letters or hits that are delivered before more is evaluated
_REPORT = 1.0  # seconds between two reports to the supervisor
_SETTLED = 30.0  # seconds without a batch after which one that failed is taken for somebody else's
_FIRST_BACKOFF, _LAST_BACKOFF = 0.25, 15.0  # seconds


class StopNow(Exception):
    """The time to finish the batch is over: leave without committing it."""


class Client:
    """What a worker needs to know of its source besides records; files have nothing to tell."""

    def connected(self) -> bool:
        return True

    def trouble(self) -> str:
        return ""

    def assigned(self) -> dict[str, list[int]]:
        return {}

    def joined(self) -> bool:
        return True

    def rebalances(self) -> int:
        return 0

    def stuck(self) -> str:
        """Why something cannot be read until somebody mends it."""
        return ""

    def unmatched(self) -> str:
        """What it waits for while there is nothing to read."""
        return ""

    def uncommitted(self) -> int:
        """Batches that were delivered and not committed."""
        return 0

    def lost(self) -> dict[str, int]:
        """Records that were gone before they were read, by topic."""
        return {}


class Worker:
    """One member of the group. `start` is called until it returns True: then everything is connected."""

    def __init__(
        self,
        link: Link,
        slots: Mapping[str, PackSlot],
        streams: Sequence[Stream],
        source: Source,
        outputs: Outputs,
        delivery: Delivery,
        start: Callable[[], bool],
        client: Client,
        *,
        tracing: Tracing,
        max_records: int,
        max_wait: float,
    ):
        self.link = link
        self.slots = slots
        self.streams = streams
        self.source = source
        self.outputs = outputs
        self.delivery = delivery
        self.counts = Counts()
        self._sighted = {name: SightedHour(name) for name in slots}
        self._start = start
        self._client = client
        self._tracing = tracing
        self._max_records = max_records
        self._max_wait = max_wait
        self._stopping = self._paused = self._watched = False
        self._state, self._detail = "starting", ""
        self._reported = 0.0
        self._failures = 0  # batches that were done again
        self._watch_second, self._watch_count, self._missed = 0.0, 0, 0
        self._slow_since = 0.0  # since when the sinks keep a batch waiting
        self._swaps: list[int] = []  # packs to be swapped in when the batch in work is delivered
        self._retired: dict[str, dict[str, int]] = {}  # engine counts of the packs that ran before

    def run(self) -> None:
        """Work until told to stop or until the source ends. Raises `StreamError` where trying again cannot help."""
        try:
            if self._connect():
                for slot in self.slots.values():
                    slot.begin_to_count()
                self._loop()
        except StopNow:
            log.warning(
                "stopped before the batch in work was delivered; it will be evaluated again"
            )
        finally:
            self._set_state("stopped")
            self._tracing.close()
            self.outputs.close()
            self.source.close()

    def _connect(self) -> bool:
        backoff = _FIRST_BACKOFF
        while not self._start():
            self._set_state("failing", self._client.trouble() or "the broker does not answer")
            log.warning("not connected yet", reason=self._client.trouble(), again_in=backoff)
            if self._wait(backoff, alive=False):
                return False
            backoff = min(2 * backoff, _LAST_BACKOFF)
        return True

    def _loop(self) -> None:
        failures, failed_at = 0, 0.0
        while True:
            self._obey()
            if self._stopping:
                return
            if self._paused:
                self._set_state("paused")
                self.source.keep_alive()
                self._next_command(0.25)
                continue
            try:
                batches = self.source.poll(self._max_records, self._max_wait)
            except SourceEnded:
                return
            # One that fails is failing until it is delivered, not running whenever it is tried.
            if not failures or (not batches and time.monotonic() - failed_at > _SETTLED):
                self._tell_polled()
            if not batches:
                self._report()
                continue
            try:
                with self._tracing.batch() as span:
                    self._work(batches, span)
                failures = 0
            except DeliveryFailed as error:
                self._failures += 1
                self.outputs.buried()  # again when the batch is done again
                self.source.rewind()
                failures, failed_at = failures + 1, time.monotonic()
                pause = min(_FIRST_BACKOFF * 2**failures, _LAST_BACKOFF)
                self._set_state("failing", str(error))
                log.warning("a batch is done again", reason=str(error), again_in=pause)
                if self._wait(pause, alive=True):
                    return

    def _tell_polled(self) -> None:
        trouble = self._client.trouble()
        if not self._client.connected() and trouble:
            self._set_state("failing", trouble)
        elif stuck := self._client.stuck():
            self._set_state("failing", stuck)
        elif unmatched := self._client.unmatched():
            self._set_state("waiting", unmatched)
        elif not self._client.joined():
            self._set_state("starting", "joining the consumer group")
        elif self._client.assigned() or self._client.rebalances() == 0:
            self._set_state("running")
        else:
            self._set_state("waiting", "other members of the group have all partitions")

    def _work(self, batches: list[Batch], span: BatchSpan) -> None:
        started = time.perf_counter()
        made, sizes = self._evaluated(batches, started + min(self._max_wait, _REPORT))
        for message in made.matches:
            span.link(message.headers)
        for letter in made.dead:
            span.link(letter.origin.headers)
        records = sum(count for _, count, _ in sizes)
        span.count(records=records, matches=len(made.matches), dead_letters=len(made.dead))
        self._slow_since = 0.0
        waited = time.perf_counter()
        try:
            self.delivery.deliver(made.matches, made.dead, self._meanwhile, made.hits)
        finally:
            if self._slow_since:
                self.counts.stalled_seconds += time.perf_counter() - waited
        done = self._counted(sizes, made, time.perf_counter() - started)
        self.counts.add(done)
        if not self._report():
            # Whatever ends this process, what it has committed is counted.
            self.link.say({"say": "done", "counts": done.counted()})
        if self._watched:
            self._show(made.matches)

    def _evaluated(
        self, batches: list[Batch], until: float
    ) -> tuple[Evaluated, list[tuple[str, int, int]]]:
        """What comes of batches and of more that waits, up to a time; and how many records of which topics they were.

        To deliver and to commit takes a while, whatever it is of. What the records are made of is let go on the way.
        """
        made, sizes = Evaluated(), []
        while True:
            evaluate(batches, self.streams, made)
            sizes += [size for batch in batches for size in batch.sizes()]
            batches.clear()
            large = max(len(made.matches), len(made.dead), len(made.hits)) >= _LARGE
            if large or time.perf_counter() > until or self.link.commands.qsize():
                return made, sizes
            batches = self.source.more(self._max_records)
            if not batches:
                return made, sizes

    def _counted(
        self, sizes: Sequence[tuple[str, int, int]], made: Evaluated, seconds: float
    ) -> Counts:
        """The counts of a batch that is delivered: what is done again counts once."""
        counts = Counts(events=made.events, rejected=made.rejected)
        counts.matches = {name: dict(found) for name, found in made.found.items()}
        counts.correlations = made.correlations
        for slot in self.slots.values():
            counts.correlations = added(counts.correlations, slot.counted())
        for letter in (*made.dead, *self.outputs.buried()):
            counts.dead_letters[letter.kind] = counts.dead_letters.get(letter.kind, 0) + 1
        for topic, records, size in sizes:
            counts.records[topic] = counts.records.get(topic, 0) + records
            counts.bytes[topic] = counts.bytes.get(topic, 0) + size
        for sink, messages in self.outputs.delivered.items():
            counts.delivered[sink] = messages - self.counts.delivered.get(sink, 0)
        counts.batches = 1
        counts.batch_seconds[bisect_left(BATCH_BUCKETS, seconds)] = 1
        counts.batch_seconds_sum = seconds
        return counts

    def _meanwhile(self) -> None:
        """What goes on while a sink is slow: who brings a pack must not take this worker for one that hangs."""
        if not self._slow_since:
            self._slow_since = time.perf_counter()
        elif time.perf_counter() - self._slow_since > 1:
            self._set_state("stalled", "a sink is slow")
        self.source.keep_alive()
        self._hear()
        self._report()
        if self.link.stop_at is not None and time.monotonic() > self.link.stop_at:
            raise StopNow

    def _wait(self, seconds: float, *, alive: bool) -> bool:
        """Let time go by; True where the worker is to stop."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping:
            if alive:
                self.source.keep_alive()
            self._report()
            self._next_command(min(left, 0.25))
        return self._stopping

    def _next_command(self, timeout: float) -> None:
        try:
            self._do(self.link.commands.get(timeout=timeout))
            self._swap()
        except queue.Empty:
            self._report()

    def _obey(self) -> None:
        """Do what was said, between two batches."""
        self._hear()
        self._swap()

    def _hear(self) -> None:
        while True:
            try:
                self._do(self.link.commands.get_nowait())
            except queue.Empty:
                return

    def _do(self, command: Command) -> None:
        match command["do"]:
            case "stop":
                self._stopping = True
            case "pause":
                self._paused = True
            case "resume":
                self._paused = False
            case "watch":
                self._watched = bool(command["on"])
            case "recent":
                self._tell_recent(command)
            case "prepare":
                threading.Thread(target=self._prepare, args=(command,), daemon=True).start()
            case "swap":
                self._swaps.append(command["id"])
                for slot in self.slots.values():
                    slot.decide(command["id"])
            case "drop":
                for slot in self.slots.values():
                    slot.drop(command["id"])

    def _tell_recent(self, command: Command) -> None:
        recent = self.slots[command["pack"]].recent(command["bytes"])
        records = [
            (base64.b64encode(some).decode("ascii"), logsource or {}) for some, logsource in recent
        ]
        self.link.say({"say": "recent", "id": command["id"], "records": records})

    def _prepare(self, command: Command) -> None:
        try:
            self.slots[command["pack"]].prepare(command["id"], Path(command["folder"]))
        except PackError as error:
            self.link.say(
                {"say": "prepared", "id": command["id"], "ok": False, "reason": str(error)}
            )
        else:
            self.link.say({"say": "prepared", "id": command["id"], "ok": True, "reason": ""})

    def _swap(self) -> None:
        swaps, self._swaps = self._swaps, []
        for number in swaps:
            # What was matched until now counts for the rules of the pack before.
            self._reported = 0.0
            self._report()
            for slot in self.slots.values():
                before = slot.pack.engine_counts()
                if slot.swap(number):
                    self._retire(slot.name, before)
                    log.info("a new pack runs", pack=slot.name, version=slot.pack.version)
            self.link.say({"say": "swapped", "id": number})

    def _retire(self, pack: str, engine: Mapping[str, int]) -> None:
        retired = self._retired.setdefault(pack, {})
        for name, count in engine.items():
            if name != "bytes":
                retired[name] = retired.get(name, 0) + count

    def _show(self, matches: Sequence[Message]) -> None:
        now = time.monotonic()
        if now - self._watch_second >= 1:
            if self._missed:
                self.link.say({"say": "missed", "count": self._missed})
            self._watch_second, self._watch_count, self._missed = now, 0, 0
        room = max(0, _WATCHED - self._watch_count)
        for message in matches[:room]:
            self.link.say({"say": "match", "line": message.value.decode()})
        self._watch_count += min(room, len(matches))
        self._missed += max(0, len(matches) - room)

    def _set_state(self, state: str, detail: str = "") -> None:
        if (state, detail) != (self._state, self._detail):
            self._state, self._detail = state, detail
            self._reported = 0.0
            self._report()

    def _report(self) -> bool:
        """Tell how it goes and all that was counted; False where that was told a moment ago."""
        now = time.monotonic()
        if now - self._reported < _REPORT:
            return False
        self._reported = now
        counts = self.counts
        counts.rebalances = self._client.rebalances()
        counts.delivery_failures = self._failures + self._client.uncommitted()
        counts.lost = self._client.lost()
        counts.delivered = dict(self.outputs.delivered)
        counts.engine = {name: self._engine_counts(slot) for name, slot in self.slots.items()}
        lag: dict[str, dict[int, int]] = {}
        if self._client.assigned():
            for (topic, partition), records in self.source.lag().items():
                lag.setdefault(topic, {})[partition] = records
        self.link.say(
            {
                "say": "status",
                "state": self._state,
                "detail": self._detail,
                "connected": self._client.connected(),
                "assigned": self._client.assigned(),
                "lag": lag,
                "counts": asdict(counts),
            }
        )
        for name, slot in self.slots.items():
            if (seen := self._sighted[name].message(slot.pack)) is not None:
                self.link.say(seen)
        return True

    def _engine_counts(self, slot: PackSlot) -> dict[str, int]:
        total = dict(self._retired.get(slot.name, {}))
        for name, count in slot.pack.engine_counts().items():
            total[name] = total.get(name, 0) + count
        return total
