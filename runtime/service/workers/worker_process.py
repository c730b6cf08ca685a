"""A worker as a process: `python -m sigmac.runtime.service.workers.worker_process FD`, started by the supervisor.

Everything comes over the socket that file descriptor FD is: the configuration with its secrets first, so that none of
them is in an argument or in the environment.
"""

from __future__ import annotations

import math
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from sigmac import __version__
from sigmac.runtime.correlation.correlator import Limits
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.pack.pack import Pack, Tag
from sigmac.runtime.reading.known_formats import formats
from sigmac.runtime.service.config.configuration import InputSettings, Settings
from sigmac.runtime.service.config.key_files import read_key
from sigmac.runtime.service.config.sections import Delivery as Guarantee
from sigmac.runtime.service.observe.logs import configure_logs
from sigmac.runtime.stream.dead_letters import as_line, as_message
from sigmac.runtime.stream.delivery import AtLeastOnce, Delivery, Outputs
from sigmac.runtime.stream.evaluation import Stream
from sigmac.runtime.stream.kept.correlating import Correlating, States
from sigmac.runtime.stream.kept.suppressing import Suppressing
from sigmac.runtime.stream.pack_slot import Correlate, Forward, Holds, PackSlot
from sigmac.runtime.stream.record import Source
from sigmac.runtime.stream.sink import Sink
from sigmac.runtime.stream.supervisor_link import Link
from sigmac.runtime.stream.tracing import SpanExport, open_tracing
from sigmac.runtime.stream.worker import Client, Worker

log = structlog.get_logger("sigmac.stream.worker")

PERMANENT = 1  # exit status: trying again cannot help
AGAIN = 75  # exit status: start anew (EX_TEMPFAIL)
_SPARE = 5  # seconds to leave the group after the time for the batch in work


def main(descriptor: int) -> int:
    """Run one worker to its end; the exit status."""
    link = _ProcessLink(socket.socket(fileno=descriptor))
    first = link.first()
    if first is None:
        return 0
    settings = Settings.from_revealed(first["settings"])
    index = int(first["worker"])
    configure_logs(settings, worker=index)
    patience = settings.shutdown.timeout
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all processes: the supervisor leads
    signal.signal(signal.SIGTERM, lambda *_: link.stop(patience))
    link.listen(patience)
    try:
        if index < settings.detector_count:
            make_worker(link, settings, index, first["packs"]).run()
        else:
            _correlate_hits(link, settings, index - settings.detector_count, first["packs"])
    except SigmacError as error:
        log.error(str(error))
        link.say({"say": "stopped", "ok": False, "reason": str(error)})
        return PERMANENT
    except _producer_lost() as error:
        log.error("the producer is lost; the worker starts anew", reason=str(error))
        sys.stderr.flush()
        os._exit(AGAIN)  # whatever threads of librdkafka still wait for
    link.say({"say": "stopped", "ok": True, "reason": ""})
    return 0


def _correlate_hits(link: Link, settings: Settings, number: int, packs: dict[str, Any]) -> None:
    """Run a process of the second stage; where it fails of what may pass it starts anew."""
    from sigmac.runtime.service.workers.correlate_process import correlate

    try:
        correlate(link, settings, number, packs, _start_anew)
    except SigmacError:
        raise
    except Exception as error:
        # Quix Streams has no end of its own kinds; what was not committed is done again.
        log.exception("the second stage fails")
        _start_anew(str(error))


def _start_anew(reason: str) -> None:
    log.error("the second stage starts anew", reason=reason)
    sys.stderr.flush()
    os._exit(AGAIN)


class _ProcessLink(Link):
    """A link whose process ends soon after it, whatever holds the process up, a rule's code included."""

    def stop(self, patience: float) -> None:
        if self.stop_at is None:
            signal.alarm(math.ceil(patience) + _SPARE)
        super().stop(patience)


def _producer_lost() -> tuple[type[Exception], ...]:
    # Asked for only where something was raised: without Kafka its client need not be installed.
    module = sys.modules.get("sigmac.runtime.stream.kafka.topic_sink")
    return (module.ProducerLost,) if module else ()


def make_worker(link: Link, settings: Settings, index: int, packs: dict[str, Any]) -> Worker:
    """The worker that a configuration describes; nothing is connected yet."""
    correlate = None if settings.source.kafka is not None else _correlate(settings)
    forward = _forward(settings) if settings.correlations.topic is not None else None
    slots = {
        name: PackSlot(
            name,
            Path(packs[name]["folder"]) if name in packs else find_pack(str(pack.path)),
            trusted_keys=[read_key(Path(key)) for key in pack.trusted_keys or ()],
            memory_budget=int(pack.memory_budget_mib * (1 << 20)),
            max_values=pack.max_values,
            event=settings.matches.event,
            sample=settings.reload.sample,
            max_slowdown=settings.reload.max_slowdown,
            correlate=correlate,
            suppressing=_suppressing(settings, name),
            forward=forward,
            holding=_holding(settings, name),
        )
        for name, pack in settings.packs.items()
    }
    streams = [
        Stream(slots[each.pack], _logsource(each), each.payload, each.format)
        for each in settings.inputs
    ]
    states = States(slots)
    parts = (_Kafka if settings.uses_kafka else _Parts)(settings, index, states)
    source, outputs, delivery = parts.connected()
    return Worker(
        link,
        slots,
        streams,
        source,
        outputs,
        delivery,
        parts.start,
        parts.client(),
        tracing=open_tracing(_collector(settings), index, __version__),
        max_records=settings.batch.max_records,
        max_wait=settings.batch.max_wait,
    )


def _correlate(settings: Settings) -> Correlate:
    """What correlates the matches of packs in a worker that reads all there is."""
    given = settings.correlations
    limits = Limits(given.max_groups, given.max_hits)
    # Standard input cannot be read again: what is known of it ends with the process.
    folder = Path(settings.state) if settings.source.files is not None else None

    def correlate(name: str, pack: Pack) -> Correlating:
        return Correlating(
            name, pack, folder, limits=limits, timestamp_fields=given.timestamp_fields
        )

    return correlate


def _suppressing(settings: Settings, name: str) -> Suppressing | None:
    """What holds matches back in a worker that reads all there is."""
    suppressions = settings.suppressions()
    if suppressions is None or settings.source.kafka is not None:
        return None
    folder = Path(settings.state) if settings.source.files is not None else None
    return Suppressing(name, suppressions, folder)


def _holding(settings: Settings, name: str) -> Holds | None:
    """What takes matches to the second stage that may be held back."""
    suppressions = settings.suppressions()
    if suppressions is None or settings.source.kafka is None:
        return None
    from sigmac.runtime.stream.cluster.holding import Holding

    return Holding(name, suppressions, event=settings.matches.event)


def _forward(settings: Settings) -> Forward:
    """What takes hits to the second stage."""
    from sigmac.runtime.stream.cluster.forwarding import Forwarding

    def forward(name: str, pack: Pack) -> Forwarding:
        return Forwarding(
            name,
            pack,
            timestamp_fields=settings.correlations.timestamp_fields,
            event=settings.matches.event,
            suppressions=settings.suppressions(),
        )

    return forward


def _collector(settings: Settings) -> SpanExport | None:
    if settings.tracing is None:
        return None
    group = None
    if settings.source.kafka is not None:
        common, consumer, _ = settings.kafka_properties()
        group = {**common, **consumer}["group.id"]
    return SpanExport(settings.tracing.endpoint, settings.tracing.sample, settings.name, group)


def _logsource(given: InputSettings) -> Tag:
    """What the events of an input are: what is configured, else what their format says, else what they say."""
    if plain := given.logsource.model_dump(exclude_none=True):
        return plain
    form = formats().get(given.format)
    if form is not None and form.logsource:
        return form.logsource
    return "auto" if given.auto_logsource else None


class _Parts:
    """Source, sinks and delivery of a configuration without Kafka."""

    def __init__(self, settings: Settings, index: int, states: States):
        self.settings = settings
        self.index = index
        self.states = states

    def start(self) -> bool:
        return True

    def client(self) -> Client:
        return Client()

    def connected(self) -> tuple[Source, Outputs, Delivery]:
        source, outputs = self.source(), self.outputs()
        return source, outputs, AtLeastOnce(source, outputs)

    def source(self) -> Source:
        settings = self.settings.source
        if settings.files is not None:
            from sigmac.runtime.stream.files.file_source import FileSource

            state = Path(self.settings.state)
            return FileSource(settings.files, state, self.index, self.states)
        from sigmac.runtime.stream.files.stdio import StdinSource

        assert settings.stdin is not None
        return StdinSource(settings.stdin, self.states)

    def outputs(self) -> Outputs:
        matches: dict[str, Sink] = {}
        settings = self.settings.matches
        if settings.kafka is not None:
            matches["kafka"] = self.kafka_sink(settings.kafka.topic)
        if settings.file is not None:
            matches["file"] = self.file_sink(settings.file)
        if settings.stdout is not None:
            from sigmac.runtime.stream.files.stdio import StdoutSink

            matches["stdout"] = StdoutSink(settings.stdout)
        if settings.webhook is not None:
            from sigmac.runtime.stream.webhook_sink import WebhookSink

            matches["webhook"] = WebhookSink(settings.webhook)
        letters = self.settings.dead_letters
        if isinstance(letters, str):
            return Outputs(matches, None, as_line, self.hits())
        if letters.kafka is not None:
            return Outputs(matches, self.kafka_sink(letters.kafka.topic), as_message, self.hits())
        return Outputs(matches, self.file_sink(letters.file), as_line, self.hits())

    def hits(self) -> Sink | None:
        """Where hits of correlations go that a second stage evaluates."""
        return None

    def file_sink(self, settings: Any) -> Sink:
        from sigmac.runtime.stream.files.file_sink import FileSink

        return FileSink(settings, self.index)

    def kafka_sink(self, topic: str) -> Sink:
        raise NotImplementedError(topic)


class _Kafka(_Parts):
    """The same with Kafka as source, as sink or as both."""

    def __init__(self, settings: Settings, index: int, states: States):
        from sigmac.runtime.stream.kafka.connection import Connection, producer_properties
        from sigmac.runtime.stream.kafka.topic_sink import KafkaSink, SharedProducer

        super().__init__(settings, index, states)
        self.connection = Connection()
        self.sinks: list[KafkaSink] = []
        self._starts: list[Callable[[], bool]] = []
        self._exactly_once = settings.delivery is Guarantee.EXACTLY_ONCE
        common, _, own = self._properties()
        identity = None
        if self._exactly_once:
            # The same for every life of this worker, so that a new one fences what the last left open.
            names = (common["group.id"], settings.name, platform.node(), str(index))
            identity = ".".join(names)
        self.shared = SharedProducer(producer_properties(common, own, identity), self.connection)

    def _properties(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Common ones, the consumer's, the producer's; the broker's tools show which worker is which."""
        common, consumer, producer = self.settings.kafka_properties()
        return {"client.id": f"{self.settings.name}-{self.index}"} | common, consumer, producer

    def source(self) -> Source:
        if self.settings.source.kafka is None:
            return super().source()
        from sigmac.runtime.stream.kafka.connection import consumer_properties
        from sigmac.runtime.stream.kafka.topic_source import KafkaSource

        common, own, _ = self._properties()
        max_mib = self.settings.batch.max_mib
        self.kafka_source = KafkaSource(
            consumer_properties(common, own, max_mib, self.index),
            [each.topics for each in self.settings.source.kafka.inputs],
            self.connection,
            int(max_mib * (1 << 20)),
        )
        return self.kafka_source

    def kafka_sink(self, topic: str) -> Sink:
        from sigmac.runtime.stream.kafka.topic_sink import KafkaSink

        sink = KafkaSink(topic, self.shared)
        self._starts.append(sink.start)
        return sink

    def hits(self) -> Sink | None:
        given = self.settings.correlations
        if given.topic is None:
            return None
        from sigmac.runtime.stream.cluster.hits_topic import HitsTopic

        common, _, _ = self._properties()
        topic = HitsTopic(
            given.topic,
            common,
            self.connection,
            workers=given.workers,
            partitions=given.partitions,
            replication=given.replication,
        )
        self._starts.append(topic.start)
        return self.kafka_sink(given.topic)

    def connected(self) -> tuple[Source, Outputs, Delivery]:
        source, outputs = self.source(), self.outputs()
        delivery: Delivery = AtLeastOnce(source, outputs)
        if self._exactly_once:
            from sigmac.runtime.stream.kafka.transactions import ExactlyOnce

            transactions = ExactlyOnce(self.kafka_source, outputs, self.shared)
            self._starts.append(lambda: transactions.start(10.0))
            delivery = transactions
        if self.settings.source.kafka is not None:
            self._starts.append(self.kafka_source.start)
        return source, outputs, delivery

    def start(self) -> bool:
        # The group is joined last: who is a member can work.
        while self._starts:
            if not self._starts[0]():
                return False
            self._starts.pop(0)
        return True

    def client(self) -> Client:
        return _KafkaClient(self) if self.settings.source.kafka is not None else Client()


class _KafkaClient(Client):
    def __init__(self, parts: _Kafka):
        self._connection = parts.connection
        self._source = parts.kafka_source

    def connected(self) -> bool:
        return self._connection.connected and not self._source.silence.reason

    def trouble(self) -> str:
        return self._source.silence.reason or self._connection.trouble

    def assigned(self) -> dict[str, list[int]]:
        return self._source.assigned()

    def joined(self) -> bool:
        return self._source.joined

    def rebalances(self) -> int:
        return self._source.rebalances

    def stuck(self) -> str:
        return self._source.stuck()

    def unmatched(self) -> str:
        return self._source.unmatched()

    def uncommitted(self) -> int:
        return self._source.uncommitted

    def lost(self) -> dict[str, int]:
        return dict(self._source.lost)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
