"""The configuration of the stream service: one typed model, read from YAML or TOML and from the environment."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.service.secrets import Secret

PREFIX = "SIGMAC_"
# Variables of the same prefix that are no keys of the configuration
_OTHER_VARIABLES = {"SIGMAC_KERNELS", "SIGMAC_CACHE"}
_MAX_FILE = 1 << 20  # bytes
_MAX_NODES = 20_000  # of the YAML, aliases followed
_RESERVED_PROPERTIES = {
    "enable.auto.commit": "offsets are committed when what came of the records is delivered",
    "enable.auto.offset.store": "offsets are committed when what came of the records is delivered",
    "enable.partition.eof": "a stream has no end",
    "transactional.id": "each worker has its own",
    "enable.idempotence": "producers are always idempotent",
    "acks": "a message is delivered when all replicas in sync have it",
}


class Model(BaseModel):
    """What all sections share: unknown keys are errors, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Seconds = Annotated[float, Field(gt=0, le=86400)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Properties = dict[str, Secret]


class Delivery(StrEnum):
    """What holds for matches when a worker crashes."""

    AT_LEAST_ONCE = "at-least-once"
    EXACTLY_ONCE = "exactly-once"


class LogSource(Model):
    """What the events are: a rule that names another logsource is not tried."""

    product: str | None = Field(None, description="Product, as `windows`.")
    category: str | None = Field(None, description="Category, as `process_creation`.")
    service: str | None = Field(None, description="Service, as `sysmon`.")


class PackSettings(Model):
    """A rule pack in service."""

    path: str = Field(
        description="Folder of the pack, or the name of an installed one. Watched for changes."
    )
    trusted_keys: tuple[Path, ...] = Field(
        (), description="Files with Ed25519 public keys; with any, the pack must be signed by one."
    )
    memory_budget_mib: float = Field(
        64, gt=0, le=65536, description="Bound of what a worker remembers about values, in MiB."
    )


class KafkaInput(Model):
    """Topics whose records are read alike."""

    topics: tuple[Annotated[str, Field(min_length=1, max_length=249)], ...] = Field(
        min_length=1,
        description="Names of topics; one that starts with `^` is a regular expression.",
    )
    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")
    payload: str = Field(
        "",
        description="Dotted path in an envelope of what holds the event, as `log.original`. Empty: the whole value.",
    )
    format: Literal["event", "array", "ndjson"] = Field(
        "event", description="What the payload holds: one event, a JSON array of events, or NDJSON."
    )

    @model_validator(mode="after")
    def _patterns(self) -> KafkaInput:
        for topic in self.topics:
            if topic.startswith("^"):
                try:
                    re.compile(topic)
                except re.error as error:
                    raise ValueError(f"topic {topic}: not a regular expression: {error}") from None
        return self


class KafkaSource(Model):
    """Topics of Redpanda, Kafka or a broker that speaks its protocol."""

    properties: Properties = Field(
        description="Properties of librdkafka for both clients, as `bootstrap.servers`, `group.id`, `sasl.password`."
    )
    consumer: Properties = Field({}, description="Further properties of the consumer only.")
    producer: Properties = Field({}, description="Further properties of the producer only.")
    inputs: tuple[KafkaInput, ...] = Field(min_length=1, description="What is read, and how.")

    @model_validator(mode="after")
    def _properties(self) -> KafkaSource:
        given = {**self.properties, **self.consumer, **self.producer}
        for name in ("bootstrap.servers", "group.id"):
            if name not in given:
                raise ValueError(f"properties: `{name}` is missing")
        for name, reason in _RESERVED_PROPERTIES.items():
            if name in given:
                raise ValueError(f"properties: `{name}` cannot be set: {reason}")
        return self


class FileSource(Model):
    """Files with one event a line."""

    paths: tuple[Path, ...] = Field(
        min_length=1, description="Files; `.gz` and `.zst` are read once."
    )
    follow: bool = Field(
        True, description="Wait for more lines, through rotations. Off: end at the end."
    )
    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")


class StdinSource(Model):
    """Standard input, one event a line."""

    pack: str = Field(description="Name of the pack, as under `packs`.")
    logsource: LogSource = Field(LogSource(), description="What the events are.")


class SourceSettings(Model):
    """Where records come from: exactly one of these."""

    kafka: KafkaSource | None = Field(None, description="Topics.")
    files: FileSource | None = Field(None, description="Files.")
    stdin: StdinSource | None = Field(None, description="Standard input.")

    @model_validator(mode="after")
    def _one(self) -> SourceSettings:
        if sum(each is not None for each in (self.kafka, self.files, self.stdin)) != 1:
            raise ValueError("give exactly one of kafka, files, stdin")
        return self


class KafkaSink(Model):
    """A topic on the cluster of the source."""

    topic: str = Field(
        min_length=1, max_length=249, description="Name of the topic; it must exist."
    )
    properties: Properties = Field(
        {},
        description="Properties of the producer where the source is not Kafka, as `bootstrap.servers`.",
    )


class FileSink(Model):
    """A file of whole lines, rotated."""

    path: Path = Field(
        description="The file. With several workers each has its own: `.1`, `.2` … before the suffix."
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

    certificate: Path = Field(description="File with the server's certificate chain, PEM.")
    key: Path = Field(description="File with its private key, PEM.")
    client_ca: Path | None = Field(
        None, description="File with the authority of clients' certificates, PEM."
    )


class WebhookSink(Model):
    """An HTTP endpoint that takes NDJSON."""

    url: str = Field(
        pattern=r"^https?://", max_length=2048, description="Where batches are posted."
    )
    token: Secret | None = Field(None, description="Bearer token.")
    headers: dict[str, Secret] = Field({}, description="Further request headers.")
    batch: int = Field(100, ge=1, le=10000, description="Matches in one request at most.")
    timeout: Seconds = Field(10, description="Seconds for one request.")
    retry_for: Seconds = Field(
        300,
        description="Seconds after which a batch that is refused or not answered is dead-lettered.",
    )
    ca: Path | None = Field(
        None, description="File with the authority of the endpoint's certificate, PEM."
    )


class MatchesSettings(Model):
    """Where matches go: one or several of these."""

    event: bool = Field(True, description="Put the event into each match.")
    kafka: KafkaSink | None = Field(None, description="A topic.")
    file: FileSink | None = Field(None, description="A file.")
    stdout: StdoutSink | None = Field(None, description="Standard output.")
    webhook: WebhookSink | None = Field(None, description="An HTTP endpoint.")

    @model_validator(mode="after")
    def _some(self) -> MatchesSettings:
        if all(each is None for each in (self.kafka, self.file, self.stdout, self.webhook)):
            raise ValueError("give at least one of kafka, file, stdout, webhook")
        return self


class DeadLetters(Model):
    """Where records go that hold no event, and matches that cannot be delivered: one of these."""

    kafka: KafkaSink | None = Field(None, description="A topic.")
    file: FileSink | None = Field(None, description="A file.")

    @model_validator(mode="after")
    def _one(self) -> DeadLetters:
        if (self.kafka is None) == (self.file is None):
            raise ValueError("give exactly one of kafka, file")
        return self


class BatchSettings(Model):
    """How much is evaluated at once."""

    max_records: int = Field(10000, ge=1, le=1_000_000, description="Records in a batch at most.")
    max_wait: float = Field(
        0.25,
        ge=0.001,
        le=60,
        description="Seconds to wait for a batch to fill: the most that batching delays a match.",
    )
    max_mib: float = Field(32, gt=0, le=4096, description="Size of a batch at most, in MiB.")


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

    bind: str = Field(description="Address and port, as `127.0.0.1:8080` or `[::1]:8080`.")
    token: Secret | None = Field(None, description="Bearer token that clients must send.")
    tls: TlsSettings | None = Field(None, description="TLS, and mTLS with `client_ca`.")

    @model_validator(mode="after")
    def _guarded(self) -> Server:
        host, _ = split_address(self.bind)
        guarded = self.token is not None or (
            self.tls is not None and self.tls.client_ca is not None
        )
        if not guarded and not _is_loopback(host):
            raise ValueError(
                f"bind: {self.bind} can be reached from other machines: "
                "set `token` or `tls.client_ca`, or bind 127.0.0.1"
            )
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `bind`."""
        return split_address(self.bind)


class HttpSettings(Server):
    """Health, metrics and rules over HTTP. `/live` and `/ready` need no token."""

    timeout: Seconds = Field(10, description="Seconds that a client may take for its request.")
    max_connections: int = Field(64, ge=1, le=10000, description="Connections at once.")


class ControlSettings(Server):
    """Control over gRPC."""

    allow_unsigned_packs: bool = Field(
        False, description="Take pushed packs that no trusted key has signed. A pack is code."
    )
    max_message_mib: float = Field(
        64, gt=0, le=1024, description="Size of a message at most, in MiB."
    )
    requests_per_second: float = Field(
        100, gt=0, le=1e6, description="Rate that one client may ask at."
    )
    max_streams: int = Field(32, ge=1, le=10000, description="Requests in work at once.")


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

    endpoint: str = Field(pattern=r"^https?://", description="OTLP endpoint (gRPC) of a collector.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of batches that are traced.")


class ShutdownSettings(Model):
    """How the service stops."""

    timeout: Seconds = Field(
        30, description="Seconds to finish the batch in work after SIGTERM or SIGINT."
    )


class InputSettings(Model):
    """One input of any source, as workers see it."""

    pack: str
    logsource: LogSource
    payload: str = ""
    format: Literal["event", "array", "ndjson"] = "event"


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name = Field(
        "sigmac", description="Name of this service, in logs, metrics and transactional ids."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Worker processes, each a member of the group. Default: one a core; one for files.",
    )
    state: Path = Field(
        Path("sigmac-state"),
        description="Folder for pushed packs and the positions in followed files.",
    )
    packs: dict[Name, PackSettings] = Field(
        min_length=1, description="Rule packs by the name that inputs use."
    )
    source: SourceSettings = Field(description="Where records come from.")
    matches: MatchesSettings = Field(description="Where matches go.")
    dead_letters: Literal["drop"] | DeadLetters = Field(
        description="Where records go that hold no event; `drop` counts them only."
    )
    delivery: Delivery = Field(
        Delivery.AT_LEAST_ONCE, description="`at-least-once` or `exactly-once`."
    )
    batch: BatchSettings = Field(BatchSettings(), description="How much is evaluated at once.")
    reload: ReloadSettings = Field(
        ReloadSettings(), description="How new packs are taken into service."
    )
    http: HttpSettings | None = Field(None, description="Health and metrics. Absent: none.")
    control: ControlSettings | None = Field(None, description="Control over gRPC. Absent: none.")
    logs: LogSettings = Field(LogSettings(), description="Logs.")
    tracing: TracingSettings | None = Field(None, description="OpenTelemetry. Absent: none.")
    shutdown: ShutdownSettings = Field(ShutdownSettings(), description="How the service stops.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load_settings` lays the environment over the file; the model itself reads neither.
        return (init_settings,)

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        problems = []
        for number, each in enumerate(self.inputs):
            if each.pack not in self.packs:
                problems.append(
                    f"input {number} names the pack `{each.pack}`, which is not there{_hint(each.pack, self.packs)}"
                )
        sinks = self.matches
        letters = None if isinstance(self.dead_letters, str) else self.dead_letters
        if self.delivery is Delivery.EXACTLY_ONCE:
            others = [
                name for name in ("file", "stdout", "webhook") if getattr(sinks, name) is not None
            ]
            if self.source.kafka is None or others or (letters and letters.file):
                problems.append(
                    "delivery: exactly-once needs a kafka source, and kafka alone for matches and dead letters"
                )
        if self.source.kafka is None:
            for place, sink in (
                ("matches", sinks.kafka),
                ("dead_letters", letters.kafka if letters else None),
            ):
                if sink is not None and "bootstrap.servers" not in sink.properties:
                    problems.append(f"{place}.kafka.properties: `bootstrap.servers` is missing")
            if (self.workers or 1) > 1:
                problems.append("workers: files and standard input are read by one worker")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def inputs(self) -> tuple[InputSettings, ...]:
        """The inputs of the source, whichever it is."""
        source = self.source
        if source.kafka is not None:
            return tuple(
                InputSettings(
                    pack=each.pack,
                    logsource=each.logsource,
                    payload=each.payload,
                    format=each.format,
                )
                for each in source.kafka.inputs
            )
        one = source.files or source.stdin
        assert one is not None
        return (InputSettings(pack=one.pack, logsource=one.logsource),)

    @property
    def worker_count(self) -> int:
        """How many workers to start."""
        if self.workers is not None:
            return self.workers
        if self.source.kafka is None:
            return 1
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )

    @property
    def uses_kafka(self) -> bool:
        """Whether the source or a sink is Kafka."""
        letters = self.dead_letters
        return bool(self.source.kafka or self.matches.kafka) or (
            not isinstance(letters, str) and letters.kafka is not None
        )

    def kafka_properties(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Properties for librdkafka, secrets in clear: common ones, the consumer's, the producer's."""
        source = self.source.kafka
        if source is not None:
            parts = (source.properties, source.consumer, source.producer)
        else:
            letters = self.dead_letters if not isinstance(self.dead_letters, str) else None
            sink = self.matches.kafka or (letters.kafka if letters else None)
            parts = (sink.properties if sink else {}, {}, {})
        common, consumer, producer = ({k: v.reveal() for k, v in part.items()} for part in parts)
        return common, consumer, producer

    def revealed(self) -> dict[str, Any]:
        """As JSON types with secrets in clear: for the private socket to a worker, and for nothing else."""
        found = _reveal(self)
        assert isinstance(found, dict)
        return found

    @classmethod
    def from_revealed(cls, plain: Mapping[str, Any]) -> Settings:
        """What `revealed` gave, as settings again."""
        return cls(**plain)


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, BaseModel):
        return {name: _reveal(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _reveal(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_reveal(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    return str(value) if isinstance(value, StrEnum) else value


def split_address(bind: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises `ValueError`."""
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"bind: `{bind}` is not HOST:PORT")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hint(given: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def load_settings(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """The configuration of a YAML or TOML file with the environment's overrides (`SIGMAC_BATCH__MAX_WAIT=1`).

    Relative paths are relative to the file. Raises `ConfigurationError` that names every wrong key, one a line.
    """
    environment = os.environ if environment is None else environment
    data, lines = _read(path) if path is not None else ({}, {})
    base = path.resolve().parent if path is not None else Path.cwd()
    _overlay(data, _overrides(environment))
    try:
        settings = Settings(**_anchored(data, base))
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_problems(error, data, str(path or "environment"), lines))
        ) from None
    return settings


def _overrides(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {name for name in environment if name.startswith(PREFIX)} - _OTHER_VARIABLES
    for name in sorted(names):
        first = name.removeprefix(PREFIX).lower().split("__")[0]
        if first not in Settings.model_fields:
            raise ConfigurationError(
                f"environment: {name}: there is no key `{first}`{_hint(first, Settings.model_fields)}"
            )
    source = EnvSettingsSource(Settings, env_prefix=PREFIX, env_nested_delimiter="__")
    source.env_vars = {name.lower(): value for name, value in environment.items() if name in names}
    try:
        found: dict[str, Any] = source()
    except ValueError as error:
        raise ConfigurationError(f"environment: {error}") from None
    return found


def _overlay(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(under.get(key), dict):
            _overlay(under[key], value)
        else:
            under[key] = value


# Keys whose values are paths; a pack's path may be a name as well.
_PATHS = {"state", "trusted_keys", "paths", "path", "certificate", "key", "client_ca", "ca", "file"}


def _anchored(value: Any, base: Path, key: str = "") -> Any:
    """Relative paths of a file, made absolute."""
    if isinstance(value, dict):
        return {name: _anchored(each, base, str(name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_anchored(each, base, key) for each in value]
    if isinstance(value, str) and key in _PATHS:
        joined = base / value
        if key == "path" and not joined.exists() and "/" not in value and "." not in value:
            return value  # the name of an installed pack
        return str(joined)
    return value


def _read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    if len(text) > _MAX_FILE:
        raise ConfigurationError(f"{path}: longer than {_MAX_FILE:,} bytes")
    lines: dict[str, int] = {}
    try:
        if path.suffix == ".toml":
            return tomllib.loads(text.decode("utf-8")), lines
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = _plain(node, (), lines, [0]) if node is not None else {}
    except (
        yaml.YAMLError,
        tomllib.TOMLDecodeError,
        UnicodeDecodeError,
        RecursionError,
        ValueError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        said = getattr(error, "problem", None) or str(error)
        raise ConfigurationError(f"{place}: {said}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path}: the configuration is not a mapping of keys")
    return found, lines


def _plain(node: yaml.Node, place: tuple[str, ...], lines: dict[str, int], seen: list[int]) -> Any:
    """A YAML node as plain data; the line of every key goes to `lines`. Duplicates and bombs are refused."""
    seen[0] += 1
    if seen[0] > _MAX_NODES:
        raise ValueError("too many nodes; does an alias repeat too much?")
    lines.setdefault(".".join(place), node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Any] = {}
        for name, value in node.value:
            key = str(name.value)
            if key in made:
                raise yaml.MarkedYAMLError(
                    problem=f"the key `{key}` is given twice", problem_mark=name.start_mark
                )
            lines[".".join((*place, key))] = name.start_mark.line + 1
            made[key] = _plain(value, (*place, key), lines, seen)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(each, (*place, str(number)), lines, seen)
            for number, each in enumerate(node.value)
        ]
    return yaml.SafeLoader("").construct_object(node)


def _problems(
    error: ValidationError, data: Mapping[str, Any], file: str, lines: Mapping[str, int]
) -> list[str]:
    """Each problem as `file:line: place: what is wrong`."""
    found = []
    errors = error.errors(include_url=False, include_input=False)
    for each in errors:
        # A list whose elements are wrong is not too short as well.
        deeper = (
            other["loc"][: len(each["loc"])] == each["loc"] for other in errors if other is not each
        )
        if each["type"] == "too_short" and any(deeper):
            continue
        # A union's branches are no keys.
        place = [
            str(part) for part in each["loc"] if not str(part).startswith(("literal[", "function-"))
        ]
        dotted = ".".join(place)
        line = next(
            (
                lines[key]
                for end in range(len(place), 0, -1)
                if (key := ".".join(place[:end])) in lines
            ),
            None,
        )
        where = f"{file}:{line}" if line else file
        if each["type"] == "extra_forbidden":
            known = _keys(place[:-1])
            said = f"there is no key `{place[-1]}`{_hint(place[-1], known)}"
        elif each["type"] == "missing":
            said = "this key is missing"
            if dotted == "dead_letters":
                said += ": say where records go that hold no event, or `dead_letters: drop`"
        else:
            said = each["msg"].removeprefix("Value error, ")
        text = f"{where}: {dotted}: {said}" if dotted else f"{where}: {said}"
        if text not in found:
            found.append(text)
    letters = data.get("dead_letters")
    if isinstance(letters, Mapping):
        found = [text for text in found if "Input should be 'drop'" not in text] or found
    return found


def _keys(place: Sequence[str]) -> list[str]:
    """The keys that a section has, by its dotted place."""
    schema = Settings.model_json_schema()
    found: Any = schema
    for part in place:
        for each in _resolved(schema, found):
            properties = each.get("properties", {})
            if part in properties:
                found = properties[part]
                break
            if "items" in each:
                found = each["items"]
                break
            if isinstance(each.get("additionalProperties"), dict):
                found = each["additionalProperties"]
                break
    return [key for each in _resolved(schema, found) for key in each.get("properties", {})]


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "anyOf" in node:
        return [each for branch in node["anyOf"] for each in _resolved(schema, branch)]
    if "patternProperties" in node:
        return [{**node, "additionalProperties": next(iter(node["patternProperties"].values()))}]
    return [dict(node)]
