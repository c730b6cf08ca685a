"""The sections of the configuration: what each key is, what it may be, and what is taken where it is not given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.trust import version_key
from sigmac.runtime.scalar.dispatch import MOST_VALUES
from sigmac.runtime.service.config.layers import Place
from sigmac.runtime.service.config.mistakes import refuse
from sigmac.runtime.service.config.secrets import Surroundings
from sigmac.runtime.service.config.setting_types import (
    Address,
    AnyPath,
    ControlAddress,
    DottedPath,
    Headers,
    Properties,
    Seconds,
    Token,
    Topic,
    TopicOrPattern,
    Url,
    is_loopback,
    socket_of,
    split_address,
)
from sigmac.runtime.stream.payload import Form


class Model(BaseModel):
    """What all sections share: unknown keys are errors, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, given: Any) -> Any:
        """`logs:` with nothing behind it is as if it were not there."""
        if not isinstance(given, Mapping):
            return given
        known = {info.alias or name for name, info in cls.model_fields.items()}
        return {key: each for key, each in given.items() if each is not None or key not in known}


class Delivery(StrEnum):
    """What holds for matches when a worker crashes."""

    AT_LEAST_ONCE = "at-least-once"
    EXACTLY_ONCE = "exactly-once"


class LogSource(Model):
    """What the events are: a rule that names another logsource is not tried."""

    product: str | None = Field(None, min_length=1, description="Product, as `windows`.")
    category: str | None = Field(None, min_length=1, description="Category, as `process_creation`.")
    service: str | None = Field(None, min_length=1, description="Service, as `sysmon`.")


AUTO = "Where `logsource` says nothing: rules for something else than what an event shows itself to be are not tried."


class PackSettings(Model):
    """A rule pack in service."""

    path: str = Field(
        min_length=1,
        description="Folder of the pack, or the name of an installed one. Watched for changes.",
    )
    trusted_keys: tuple[AnyPath, ...] | None = Field(
        None,
        description="Files with Ed25519 public keys; with any, the pack must be signed by one.",
    )
    name: str | None = Field(
        None, min_length=1, description="Name that the pack must have in its manifest."
    )
    least_version: str | None = Field(
        None, min_length=1, description="Version below which no pack is taken, as `1.4.0`."
    )
    memory_budget_mib: float = Field(
        64, ge=1, le=65536, description="MiB that a worker may use to remember values, at most."
    )
    max_values: int = Field(
        MOST_VALUES,
        ge=1,
        le=100_000_000,
        description="Values of one record, at any depth; one with more is a dead letter.",
    )

    @field_validator("trusted_keys")
    @classmethod
    def _some_key(cls, keys: tuple[Path, ...] | None) -> tuple[Path, ...] | None:
        if keys is not None and not keys:
            refuse([((), "an empty list trusts nobody: name a key, or leave the list out")])
        return keys

    @field_validator("least_version")
    @classmethod
    def _is_version(cls, version: str | None) -> str | None:
        if version is not None:
            try:
                version_key(version)
            except PackError as error:
                refuse([((), str(error))])
        return version

    @field_validator("path")
    @classmethod
    def _folder_or_name(cls, path: str, info: ValidationInfo) -> str:
        folder = Surroundings.of(info).folder / path
        # As `find_pack` has it: what can be a name and is no folder is a name.
        named = path.replace("-", "_").isidentifier() and not folder.exists()
        return path if named else str(folder)


class KafkaInput(Model):
    """Topics whose records are read alike."""

    topics: tuple[TopicOrPattern, ...] = Field(
        min_length=1,
        description="Names of topics; one that starts with `^` is a regular expression.",
    )
    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")
    auto_logsource: bool = Field(True, description=AUTO)
    payload: DottedPath = Field(
        "",
        description="Dotted path in an envelope of what holds the event, as `log.original`. Empty: the whole value.",
    )
    format: Form = Field(
        "event",
        description="What the payload holds: an event, an array of them, NDJSON, or a format of logs; `auto` looks.",
    )

    def reads(self, topic: str) -> bool:
        """Whether this is the input of a topic."""
        return any(
            re.match(each, topic) is not None if each.startswith("^") else each == topic
            for each in self.topics
        )


_DECIDED_BY_THE_BROKER = (
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.protocol.type",
)


class KafkaSource(Model):
    """Topics of Redpanda, Kafka or a broker that speaks its protocol."""

    properties: Properties = Field(
        description="Properties of librdkafka for both clients, as `bootstrap.servers`, `group.id`, `sasl.password`."
    )
    consumer: Properties = Field({}, description="Further properties of the consumer only.")
    producer: Properties = Field({}, description="Further properties of the producer only.")
    inputs: tuple[KafkaInput, ...] = Field(min_length=1, description="What is read, and how.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = {
            "bootstrap.servers": self.properties,
            "group.id": {**self.properties, **self.consumer},
        }
        refuse(
            (("properties", name), "this key is missing")
            for name, given in wanted.items()
            if name not in given or not given[name].reveal()
        )
        self._refuse_what_the_broker_decides()
        return self

    def _refuse_what_the_broker_decides(self) -> None:
        both = {**self.properties, **self.consumer}
        if "group.protocol" not in both or both["group.protocol"].reveal() != "consumer":
            return
        said = "with `group.protocol: consumer` the broker decides this: leave it out"
        refuse(
            ((section, name), said)
            for section, given in (("properties", self.properties), ("consumer", self.consumer))
            for name in _DECIDED_BY_THE_BROKER
            if name in given
        )

    @field_validator("inputs")
    @classmethod
    def _once(cls, inputs: tuple[KafkaInput, ...]) -> tuple[KafkaInput, ...]:
        seen: dict[str, int] = {}
        problems: list[tuple[Place, str]] = []
        for number, each in enumerate(inputs):
            for index, topic in enumerate(each.topics):
                if topic in seen:
                    said = f"input {seen[topic]} reads `{topic}` already"
                    problems.append(((number, "topics", index), said))
                seen.setdefault(topic, number)
        refuse(problems)
        return inputs

    def reads(self, topic: str) -> bool:
        """Whether an input reads a topic."""
        return any(each.reads(topic) for each in self.inputs)


class FileSource(Model):
    """Files with one event a line."""

    paths: tuple[AnyPath, ...] = Field(
        min_length=1,
        description="Files; a compressed one (`.gz`, `.zst`, `.bz2`, `.xz`, `.lz4`) is read once.",
    )
    follow: bool = Field(
        True, description="Wait for more lines, through rotations. Off: end at the end."
    )
    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")
    auto_logsource: bool = Field(True, description=AUTO)
    format: Form = Field(
        "event", description="What a line holds: one event, or a format of logs; `auto` looks."
    )


class StdinSource(Model):
    """Standard input, one event a line."""

    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")
    auto_logsource: bool = Field(True, description=AUTO)
    format: Form = Field(
        "event", description="What a line holds: one event, or a format of logs; `auto` looks."
    )


class ClientsSource(Model):
    """Nothing is read: clients of the control plane have their events evaluated."""


class SourceSettings(Model):
    """Where records come from: exactly one of these."""

    kafka: KafkaSource | None = Field(None, description="Topics.")
    files: FileSource | None = Field(None, description="Files.")
    stdin: StdinSource | None = Field(None, description="Standard input.")
    clients: ClientsSource | None = Field(
        None, description="Clients of `control`, and nothing else: `{}`."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = (self.kafka, self.files, self.stdin, self.clients)
        if sum(each is not None for each in kinds) != 1:
            raise ValueError("give exactly one of kafka, files, stdin, clients (`clients: {}`)")
        return self


class KafkaSink(Model):
    """A topic, on the cluster of the source where that is Kafka."""

    topic: Topic = Field(description="Name of the topic; it must exist.")
    properties: Properties = Field(
        {},
        description="Properties of the producer where the source is not Kafka, as `bootstrap.servers`.",
    )


class FileSink(Model):
    """A file of whole lines, rotated."""

    path: AnyPath = Field(
        description="The file. Each worker has its own: the second has `.1` before the suffix, and so on."
    )
    rotate_mib: float = Field(
        100, gt=0, le=1 << 20, description="Rotate when the file is larger, in MiB."
    )
    rotate_hours: float = Field(
        24, gt=0, le=8784, description="Rotate when the file is older, in hours."
    )
    keep: int = Field(10, ge=0, le=10000, description="Rotated files that are kept.")


class StdoutSink(Model):
    """Standard output, one match a line."""


class TlsSettings(Model):
    """TLS of a server; with `client_ca` clients must show a certificate of that authority."""

    certificate: AnyPath = Field(description="File with the server's certificate chain, PEM.")
    key: AnyPath = Field(description="File with its private key, PEM.")
    client_ca: AnyPath | None = Field(
        None, description="File with the authority of clients' certificates, PEM."
    )


class WebhookSink(Model):
    """An HTTP endpoint that takes NDJSON."""

    url: Url = Field(description="Where batches are posted.")
    token: Token | None = Field(None, description="Bearer token to send.")
    headers: Headers = Field({}, description="Further headers of the requests.")
    batch: int = Field(100, ge=1, le=10000, description="Matches in one request at most.")
    timeout: Seconds = Field(10, description="Seconds for one request.")
    retry_for: Seconds = Field(
        300,
        description="Seconds after which a batch that is refused or not answered is dead-lettered.",
    )
    ca: AnyPath | None = Field(
        None, description="File with the authority of the endpoint's certificate, PEM."
    )


class MatchesSettings(Model):
    """Where matches go: one or several of these."""

    event: bool = Field(True, description="Put the event into each match.")
    kafka: KafkaSink | None = Field(None, description="A topic.")
    file: FileSink | None = Field(None, description="A file.")
    stdout: StdoutSink | None = Field(None, description="Standard output: `{}`.")
    webhook: WebhookSink | None = Field(None, description="An HTTP endpoint.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(each is None for each in (self.kafka, self.file, self.stdout, self.webhook)):
            raise ValueError("give at least one of kafka, file, stdout (`stdout: {}`), webhook")
        return self


class DeadLetters(Model):
    """Where records go that hold no event, and matches that cannot be delivered: one of these."""

    kafka: KafkaSink | None = Field(None, description="A topic.")
    file: FileSink | None = Field(None, description="A file.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.kafka is None) == (self.file is None):
            raise ValueError("give exactly one of kafka, file, or `dead_letters: drop`")
        return self


# Which of the two is meant is told from the value, so that mistakes in one are not told as mistakes in both.
_DROP, _PLACES = "(drop)", "(places)"
DropOrPlaces = Annotated[
    Annotated[Literal["drop"], Tag(_DROP)] | Annotated[DeadLetters, Tag(_PLACES)],
    Discriminator(lambda given: _PLACES if isinstance(given, (dict, DeadLetters)) else _DROP),
]


class BatchSettings(Model):
    """How much is evaluated at once."""

    max_records: int = Field(
        10000, ge=1, le=1_000_000, description="Records evaluated at once, at most."
    )
    max_wait: float = Field(
        0.25,
        ge=0.001,
        le=60,
        description="Seconds until what was evaluated is delivered: the most that batching delays a match.",
    )
    max_mib: float = Field(8, gt=0, le=4096, description="MiB evaluated at once, at most.")


class ReloadSettings(Model):
    """How new packs are taken into service."""

    watch: float = Field(
        5, ge=0, le=86400, description="Seconds between looks at the packs' paths; 0 never looks."
    )
    sample: int = Field(
        200, ge=0, le=100_000, description="Recent records that a new pack is tried on."
    )
    max_slowdown: float = Field(
        5,
        ge=1,
        le=1000,
        description="A new pack that needs more than so many times the running pack's time is refused.",
    )
    timeout: Seconds = Field(
        120, description="Seconds that all workers may take to load and try a new pack."
    )


class Server(Model):
    """What HTTP and gRPC share."""

    bind: Address = Field(description="Address and port, as `127.0.0.1:8080` or `[::1]:8080`.")
    token: Token | None = Field(None, description="Bearer token that clients must send.")
    tls: TlsSettings | None = Field(None, description="TLS, and mTLS with `client_ca`.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if socket_of(self.bind) is not None:
            if self.tls is not None:
                refuse([(("tls",), "a socket of this machine needs none: leave it out")])
            return self
        guarded = self.token is not None or (
            self.tls is not None and self.tls.client_ca is not None
        )
        if not guarded and not is_loopback(self.address[0]):
            said = (
                f"{self.bind} can be reached from other machines: "
                "set `token` or `tls.client_ca`, or bind 127.0.0.1"
            )
            refuse([(("bind",), said)])
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `bind`. Raises `ValueError` where it is a Unix socket."""
        return split_address(self.bind)


class HttpSettings(Server):
    """Health, metrics and rules over HTTP. `/live` and `/ready` need no token."""

    timeout: Seconds = Field(10, description="Seconds that a client may take for its request.")
    max_connections: int = Field(64, ge=1, le=10000, description="Connections at once.")


class ControlSettings(Server):
    """Control over gRPC."""

    bind: ControlAddress = Field(
        description="Address and port, as `127.0.0.1:9090`; or `unix:PATH`, a socket for this user's programs alone."
    )

    allow_unsigned_packs: bool = Field(
        False, description="Take pushed packs that no trusted key has signed. A pack is code."
    )
    max_message_mib: float = Field(64, gt=0, le=1024, description="MiB of a message at most.")
    requests_per_second: float = Field(
        100, gt=0, le=1e6, description="Requests a second that one client may make."
    )
    max_streams: int = Field(32, ge=1, le=10000, description="Requests in work at once.")
    max_connections: int = Field(
        128, ge=1, le=100000, description="Connections at once, whether they ask or not."
    )


class LogSettings(Model):
    """Logs go to standard error."""

    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is readable on a terminal and JSON otherwise."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is shown."
    )


class TracingSettings(Model):
    """OpenTelemetry spans (extra `tracing`)."""

    endpoint: Url = Field(description="OTLP endpoint (gRPC) of a collector.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of batches that are traced.")


class ShutdownSettings(Model):
    """How the service stops."""

    timeout: Seconds = Field(
        30, description="Seconds to finish the batch in work after SIGTERM or SIGINT."
    )
