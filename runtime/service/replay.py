"""Dead letters are read back from their topic or files, and sent again to where they came from.

A record goes to the topic that it was read from, so that the service evaluates it like any other; a match that a sink
gave up goes to that sink. What was sent again is remembered when it has arrived: by the offsets of a consumer group
for a topic, by a list of digests in the state folder for files. A crash in between sends some twice, and loses none.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from sigmac.runtime.errors import ConfigurationError, InputError, StreamError
from sigmac.runtime.stream.dead_letters import DeadLetter, as_line, from_line, from_message
from sigmac.runtime.stream.sink import DeliveryFailed, Message, Sink, Undeliverable

_BATCH = 1000
_WAIT = 10.0  # seconds for a broker's answer
_MAX_LINE = 256 << 20  # bytes of a line: a record of the largest size in base64, with its headers
_HIT = b'{"v":'  # how the value begins where it is a hit, and not an event
_GIVE_UP = 120.0  # seconds without a delivery


class Letters(Protocol):
    """Dead letters from where the service put them, up to those that were there at the start."""

    strange: int  # records or lines that are no dead letters

    def read(self) -> Iterator[list[DeadLetter]]:
        """In batches, oldest first. Raises `StreamError` where they cannot be read."""
        ...

    def done(self, sent: Sequence[DeadLetter]) -> None:
        """Of what was read so far, these were sent again: the next replay goes on behind them."""
        ...

    def close(self) -> None: ...


def open_letters(settings: Any, kinds: Collection[str], *, again: bool) -> Letters:
    """The dead letters of a configuration: those that no replay of these `kinds` has done yet, or all of them `again`.

    `settings` are the service's (`configuration.Settings`). Raises `ConfigurationError` where it keeps none.
    """
    where = settings.dead_letters
    if isinstance(where, str):
        raise ConfigurationError("`dead_letters: drop` keeps no dead letters")
    if where.file is not None:
        return FileLetters(where.file.path, settings.state / "replayed", again=again)
    return TopicLetters(settings, where.kafka.topic, kinds, again=again)


class TopicLetters:
    """Dead letters in a topic. The consumer group `GROUP-replay` remembers how far they were sent again.

    A replay of some `kinds` passes over the others: it has a group of its own, so that they are not forgotten.
    """

    def __init__(self, settings: Any, topic: str, kinds: Collection[str], *, again: bool):
        from confluent_kafka import Consumer

        from sigmac.runtime.stream.kafka.connection import (
            Connection,
            consumer_properties,
            make_client,
        )

        common, own, _ = settings.kafka_properties()
        group = {**common, **own}.get("group.id", settings.name)
        ours = {
            "group.id": "-".join([group, "replay", *sorted(kinds)]),
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
        found = consumer_properties(common, own, 32)
        found.pop("group.instance.id", None)
        self._topic = topic
        self._again = again
        self._connection = Connection()
        self._consumer = make_client(Consumer, found | ours, self._connection)
        self._next: dict[int, int] = {}  # offset behind what was read, by partition
        self.strange = 0

    def read(self) -> Iterator[list[DeadLetter]]:
        from confluent_kafka import KafkaError, KafkaException

        try:
            left = self._assign()
            while left:
                messages = self._consumer.consume(_BATCH, 1.0)
                letters = []
                for message in messages:
                    error = message.error()
                    partition = message.partition()
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:
                            raise KafkaException(error)
                        left.pop(partition, None)
                    elif message.offset() < left.get(partition, 0):
                        # Those that come while we read may be ours, dead once more: the next replay's.
                        self._next[partition] = message.offset() + 1
                        letters += self._letter(message)
                        if message.offset() + 1 == left[partition]:
                            del left[partition]
                if letters:
                    yield letters
        except KafkaException as error:
            raise StreamError(f"kafka: {self._topic}: {error.args[0].str()}") from None

    def _assign(self) -> dict[int, int]:
        """Start behind what is done; for each partition with more, the offset to stop at."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        known = self._consumer.list_topics(self._topic, timeout=_WAIT).topics[self._topic]
        if known.error is not None or not known.partitions:
            raise StreamError(f"kafka: there is no topic {self._topic}; create it first")
        places = [TopicPartition(self._topic, partition) for partition in known.partitions]
        if not self._again:
            places = self._consumer.committed(places, timeout=_WAIT)
        left = {}
        for place in places:
            first, end = self._consumer.get_watermark_offsets(place, timeout=_WAIT)
            place.offset = max(first, place.offset) if place.offset >= 0 else OFFSET_BEGINNING
            if end > max(first, place.offset):
                left[place.partition] = end
        self._consumer.assign([place for place in places if place.partition in left])
        return left

    def _letter(self, message: Any) -> list[DeadLetter]:
        from sigmac.runtime.stream.kafka.message_batch import told_headers

        try:
            # One whose headers cannot be told is none of ours: what is dead without them says so in a header.
            headers = told_headers(message)
            return [from_message(message.value(), message.key(), headers or ())]
        except InputError:
            self.strange += 1
            return []

    def done(self, sent: Sequence[DeadLetter]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        places = [TopicPartition(self._topic, *place) for place in self._next.items()]
        try:
            if places:
                self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            raise StreamError(f"kafka: {self._topic}: {error.args[0].str()}") from None

    def close(self) -> None:
        self._consumer.close()


class FileLetters:
    """Dead letters in files: those of all workers, rotated ones too. `memory` keeps what was sent again."""

    def __init__(self, path: Path, memory: Path, *, again: bool):
        self._path = path
        self._memory = memory
        self._known: set[bytes] = set()
        self.strange = 0
        if not again and memory.exists():
            self._known = set(memory.read_bytes().split())

    def files(self) -> list[Path]:
        """All files, oldest first."""
        kept = self._path.parent.glob(f"{self._path.stem}*{self._path.suffix}")
        return sorted(kept, key=lambda each: (each.stat().st_mtime_ns, each.name))

    def read(self) -> Iterator[list[DeadLetter]]:
        for path in self.files():
            letters: list[DeadLetter] = []
            with path.open("rb") as file:
                while line := file.readline(_MAX_LINE):
                    if not line.endswith(b"\n"):
                        break  # the service is writing it
                    letters += self._letter(line)
                    if len(letters) >= _BATCH:
                        yield letters
                        letters = []
            if letters:
                yield letters

    def _letter(self, line: bytes) -> list[DeadLetter]:
        try:
            letter = from_line(line)
        except InputError:
            self.strange += 1
            return []
        return [] if self._known and _digest(letter) in self._known else [letter]

    def done(self, sent: Sequence[DeadLetter]) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        with self._memory.open("ab") as file:
            file.write(b"".join(_digest(letter) + b"\n" for letter in sent))
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        self._known.clear()


@dataclass(slots=True)
class Replayed:
    """What came of a replay: letters by kind, those that cannot be sent again by reason."""

    sent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


def replay(
    letters: Letters, returns: Returns, kinds: Collection[str], *, dry: bool = False
) -> Replayed:
    """Send dead letters of some kinds (all where none is named) again.

    A letter that cannot be sent again stays where it is, and is counted with the reason. `dry` sends nothing. Raises
    `StreamError` where a sink cannot deliver.
    """
    result = Replayed()
    for batch in letters.read():
        sent: dict[Message, list[DeadLetter]] = {}
        for letter in batch:
            if kinds and letter.kind not in kinds:
                continue
            try:
                sink, message = returns.route(letter)
            except InputError as error:
                result.left[str(error)] += 1
                continue
            if not dry:
                sink.write([message])
            sent.setdefault(message, []).append(letter)
        if not dry:
            for each in returns.flush():
                sent[each.message].pop()
                result.left[each.reason] += 1
        arrived = [letter for some in sent.values() for letter in some]
        result.sent.update(letter.kind for letter in arrived)
        if not dry:
            letters.done(arrived)
    return result


class Returns:
    """Where dead letters go back to, as the configuration of the service says."""

    def __init__(self, settings: Any):
        self._settings = settings
        self._sinks: dict[str, Sink] = {}
        self._producer: Any = None

    def route(self, letter: DeadLetter) -> tuple[Sink, Message]:
        """The sink and the message for a letter. Raises `InputError` with the reason where there is none."""
        origin = letter.origin
        if not letter.value:
            raise InputError("the bytes were too large to be kept, or there never were any")
        message = Message(letter.value, origin.key, origin.headers, origin.partition)
        if letter.kind == "undeliverable":
            return self._of_matches(), message
        if letter.kind == "hit":
            if not letter.value.startswith(_HIT):
                raise InputError("what correlations look at in this event is too large for them")
            return self._of_hits(), message
        source = self._settings.source.kafka
        if source is None:
            raise InputError(
                "it came from a file or standard input: print it with `sigmac dlq list --format json`"
            )
        # The letter names its topic, and who can write to the topic of dead letters may name any.
        if not source.reads(origin.topic):
            raise InputError(f"the service does not read the topic {origin.topic!r:.80}")
        if letter.index is not None:
            message = self._whole(letter, message)
        return self._topic(origin.topic), message

    def _whole(self, letter: DeadLetter, message: Message) -> Message:
        """A record that holds the one event of a letter."""
        for each in self._settings.source.kafka.inputs:
            if each.reads(letter.origin.topic):
                if each.payload:
                    break
                if each.format == "ndjson":
                    return message
                if each.format == "array" and _is_json(letter.value):
                    value = b"[" + letter.value + b"]"
                    return Message(value, message.key, message.headers, message.partition)
        raise InputError("it is part of a record whose other events were evaluated")

    def _of_matches(self) -> Sink:
        matches = self._settings.matches
        if matches.webhook is not None:
            if "webhook" not in self._sinks:
                from sigmac.runtime.stream.webhook_sink import WebhookSink

                self._sinks["webhook"] = WebhookSink(matches.webhook)
            return self._sinks["webhook"]
        if matches.kafka is not None:
            return self._topic(matches.kafka.topic)
        raise InputError("the service has no sink any more that gives matches up")

    def _of_hits(self) -> Sink:
        topic = self._settings.correlations.topic
        if topic is None:
            raise InputError("the service has no topic of hits any more")
        return self._topic(topic)

    def _topic(self, name: str) -> Sink:
        place = f"topic {name}"
        if place not in self._sinks:
            from sigmac.runtime.stream.kafka.connection import Connection, producer_properties
            from sigmac.runtime.stream.kafka.topic_sink import KafkaSink, SharedProducer

            if self._producer is None:
                common, _, own = self._settings.kafka_properties()
                properties = producer_properties(common, own, None)
                self._producer = SharedProducer(properties, Connection())
            sink = KafkaSink(name, self._producer)
            if not sink.start():
                trouble = self._producer.connection.trouble
                raise StreamError(f"kafka: the broker does not answer: {trouble}")
            self._sinks[place] = sink
        return self._sinks[place]

    def flush(self) -> list[Undeliverable]:
        """Deliver what was written; what was given up."""
        given_up: list[Undeliverable] = []
        for sink in self._sinks.values():
            try:
                if not sink.flush(_GIVE_UP):
                    raise StreamError(f"nothing was taken for {_GIVE_UP:g} s; try again later")
            except DeliveryFailed as error:
                raise StreamError(str(error)) from None
            given_up += sink.undeliverable()
        return given_up

    def close(self) -> None:
        for sink in self._sinks.values():
            sink.close()


def described(letter: DeadLetter) -> dict[str, Any]:
    """A letter as JSON types: the line of a file, and the value as text too where it is text."""
    plain: dict[str, Any] = orjson.loads(as_line(letter).value)
    try:
        plain["text"] = letter.value.decode()
    except UnicodeDecodeError:
        plain["text"] = None
    return plain


def _digest(letter: DeadLetter) -> bytes:
    return hashlib.blake2b(as_line(letter).value, digest_size=16).hexdigest().encode()


def _is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True
