"""The configuration of the stream service: one typed model, read from YAML or TOML and from the environment."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sigmac.runtime.correlation.suppression import Suppression, Suppressions
from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.printable import escaped
from sigmac.runtime.service.config.correlation_sections import (
    CorrelationSettings,
    Stage,
    SuppressSettings,
)
from sigmac.runtime.service.config.layers import Document, Place, overlay, read_document
from sigmac.runtime.service.config.mistakes import hint, refuse, tell
from sigmac.runtime.service.config.secrets import Secret, Surroundings
from sigmac.runtime.service.config.sections import (
    BatchSettings,
    ControlSettings,
    DeadLetters,
    Delivery,
    DropOrPlaces,
    HttpSettings,
    KafkaSink,
    LogSettings,
    LogSource,
    MatchesSettings,
    Model,
    PackSettings,
    ReloadSettings,
    ShutdownSettings,
    SourceSettings,
    TracingSettings,
)
from sigmac.runtime.service.config.setting_types import (
    AnyPath,
    Name,
    socket_of,
)
from sigmac.runtime.stream.payload import Form


class InputSettings(Model):
    """One input of any source, as workers see it."""

    pack: str
    logsource: LogSource
    auto_logsource: bool
    payload: str = ""
    format: Form = "event"


class Settings(Model):
    """The whole configuration.

    A field's validator also checks it against the fields above it that are right: so all mistakes are told at once.
    """

    name: Name = Field(
        "sigmac", description="Name of this service in logs, metrics and transactional ids."
    )
    state: AnyPath = Field(
        Path("sigmac-state"),
        validate_default=True,
        description="Folder for pushed packs and the positions in followed files.",
    )
    packs: dict[Name, PackSettings] = Field(
        min_length=1, description="Rule packs by the name that inputs use."
    )
    source: SourceSettings = Field(description="Where records come from.")
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Worker processes, each a member of the group. Default: one a core; one for files.",
    )
    matches: MatchesSettings = Field(description="Where matches go.")
    dead_letters: DropOrPlaces = Field(
        description="Where records go that hold no event: a section, or `drop`, which counts them only."
    )
    delivery: Delivery = Field(
        Delivery.AT_LEAST_ONCE, description="What holds for matches when a worker crashes."
    )
    batch: BatchSettings = Field(BatchSettings(), description="How much is evaluated at once.")
    reload: ReloadSettings = Field(
        ReloadSettings(), description="How new packs are taken into service."
    )
    correlations: CorrelationSettings = Field(
        CorrelationSettings(), description="How correlations of the packs are evaluated."
    )
    suppress: tuple[SuppressSettings, ...] = Field(
        (), description="What is held back of matches and alerts; the first that fits decides."
    )
    http: HttpSettings | None = Field(None, description="Health and metrics. Absent: none.")
    control: ControlSettings | None = Field(
        None, validate_default=True, description="Control over gRPC. Absent: none."
    )
    logs: LogSettings = Field(LogSettings(), description="Logs.")
    tracing: TracingSettings | None = Field(None, description="OpenTelemetry. Absent: none.")
    shutdown: ShutdownSettings = Field(ShutdownSettings(), description="How the service stops.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_read(cls, given: Any) -> Any:
        """Where events come from clients alone, answers are all that goes out."""
        source = given.get("source") if isinstance(given, Mapping) else None
        if not isinstance(source, Mapping) or source.get("clients") is None:
            return given
        said = "with `source.clients` nothing but answers goes out: leave it out"
        refuse(((name,), said) for name in ("matches", "dead_letters") if name in given)
        return {**given, "matches": {"stdout": {}}, "dead_letters": "drop"}

    @field_validator("source")
    @classmethod
    def _packs_are_there(cls, source: SourceSettings, info: ValidationInfo) -> SourceSettings:
        packs = info.data.get("packs")
        named: dict[Place, str] = {}
        if source.kafka is not None:
            for number, each in enumerate(source.kafka.inputs):
                named["kafka", "inputs", number, "pack"] = each.pack
        for kind, one in (("files", source.files), ("stdin", source.stdin)):
            if one is not None:
                named[kind, "pack"] = one.pack
        refuse(
            (place, f"there is no pack `{pack}` under `packs`{hint(pack, packs)}")
            for place, pack in named.items()
            if packs is not None and pack not in packs
        )
        return source

    @field_validator("workers")
    @classmethod
    def _one_reader(cls, workers: int | None, info: ValidationInfo) -> int | None:
        source = info.data.get("source")
        if source is not None and source.kafka is None and (workers or 1) > 1:
            raise ValueError("files and standard input are read by one worker")
        return workers

    @field_validator("suppress", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, Mapping) else given

    @field_validator("suppress")
    @classmethod
    def _somebody_sees_all(
        cls, suppress: tuple[SuppressSettings, ...], info: ValidationInfo
    ) -> tuple[SuppressSettings, ...]:
        source, matches = info.data.get("source"), info.data.get("matches")
        correlations = info.data.get("correlations")
        if not suppress or source is None or source.kafka is None:
            return suppress
        if correlations is not None and correlations.topic is None:
            raise ValueError(
                "over Kafka the second stage holds back, as only it sees all that are alike: set `correlations.topic`"
            )
        for name in ("file", "stdout", "webhook"):
            if matches is not None and getattr(matches, name) is not None:
                raise ValueError(
                    f"over Kafka what may be held back goes to `matches.kafka` alone: remove `matches.{name}`"
                )
        return suppress

    @field_validator("matches")
    @classmethod
    def _matches_fit(cls, matches: MatchesSettings, info: ValidationInfo) -> MatchesSettings:
        refuse(_sink_problems(matches, info.data.get("source"), None))
        return matches

    @field_validator("dead_letters")
    @classmethod
    def _dead_letters_fit(
        cls, letters: Literal["drop"] | DeadLetters, info: ValidationInfo
    ) -> Literal["drop"] | DeadLetters:
        if isinstance(letters, DeadLetters):
            refuse(
                _sink_problems(letters, info.data.get("source"), info.data.get("matches")),
            )
        return letters

    @field_validator("delivery")
    @classmethod
    def _can_deliver(cls, delivery: Delivery, info: ValidationInfo) -> Delivery:
        if delivery is not Delivery.EXACTLY_ONCE:
            return delivery
        source, matches = info.data.get("source"), info.data.get("matches")
        letters = info.data.get("dead_letters")
        others = []
        if source is not None and source.kafka is None:
            others.append("the source is not kafka")
        if matches is not None:
            others += [
                f"`matches.{name}` is no part of a transaction"
                for name in ("file", "stdout", "webhook")
                if getattr(matches, name) is not None
            ]
        if isinstance(letters, DeadLetters) and letters.file is not None:
            others.append("`dead_letters.file` is no part of a transaction")
        if others:
            raise ValueError(f"exactly-once needs kafka on all sides: {', '.join(others)}")
        return delivery

    @field_validator("correlations")
    @classmethod
    def _stages_fit(
        cls, correlations: CorrelationSettings, info: ValidationInfo
    ) -> CorrelationSettings:
        refuse(_stage_problems(correlations, info.data))
        return correlations

    @field_validator("control")
    @classmethod
    def _can_be_served(
        cls, control: ControlSettings | None, info: ValidationInfo
    ) -> ControlSettings | None:
        http = info.data.get("http")
        source = info.data.get("source")
        if control is None and source is not None and source.clients is not None:
            raise ValueError("clients need it: set `control.bind`")
        if control is None or http is None or socket_of(control.bind) is not None:
            return control
        if control.address == http.address and http.address[1]:
            refuse([(("bind",), f"`http` is served at {control.bind} already")])
        return control

    @property
    def inputs(self) -> tuple[InputSettings, ...]:
        """The inputs of the source, whichever it is."""
        source = self.source
        if source.kafka is not None:
            return tuple(
                InputSettings(
                    pack=each.pack,
                    logsource=each.logsource,
                    auto_logsource=each.auto_logsource,
                    payload=each.payload,
                    format=each.format,
                )
                for each in source.kafka.inputs
            )
        one = source.files or source.stdin
        if one is None:
            return ()
        return (
            InputSettings(
                pack=one.pack,
                logsource=one.logsource,
                auto_logsource=one.auto_logsource,
                format=one.format,
            ),
        )

    @property
    def worker_count(self) -> int:
        """How many workers to start."""
        if self.source.clients is not None:
            return 0
        if self.workers is not None:
            return self.workers
        if self.source.kafka is None:
            return 1
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )

    def suppressions(self) -> Suppressions | None:
        """What is held back; None for nothing."""
        if not self.suppress:
            return None
        found = [Suppression(s.seconds, s.by, s.rules, s.levels) for s in self.suppress]
        return Suppressions(found, self.correlations.timestamp_fields)

    @property
    def correlates(self) -> bool:
        """Whether a second stage runs in this service."""
        correlations = self.correlations
        return correlations.topic is not None and Stage.CORRELATE in correlations.stages

    @property
    def process_count(self) -> int:
        """How many processes there are of workers and of the second stage."""
        return self.detector_count + (self.correlations.workers if self.correlates else 0)

    @property
    def detector_count(self) -> int:
        """How many of them evaluate records; they come first."""
        correlations = self.correlations
        alone = correlations.topic is not None and Stage.DETECT not in correlations.stages
        return 0 if alone else self.worker_count

    @property
    def uses_kafka(self) -> bool:
        """Whether the source or a sink is Kafka."""
        return bool(self.source.kafka or self._kafka_sinks())

    def kafka_properties(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Properties for librdkafka, secrets in clear: common ones, the consumer's, the producer's."""
        source = self.source.kafka
        parts: tuple[Mapping[str, Secret], ...]
        if source is not None:
            parts = (source.properties, source.consumer, source.producer)
        else:
            given = (sink.properties for sink in self._kafka_sinks() if sink.properties)
            parts = (next(given, {}), {}, {})
        common, consumer, producer = (
            {name: value.reveal() for name, value in part.items()} for part in parts
        )
        return common, consumer, producer

    def _kafka_sinks(self) -> list[KafkaSink]:
        letters = self.dead_letters
        sinks = (self.matches.kafka, letters.kafka if isinstance(letters, DeadLetters) else None)
        return [sink for sink in sinks if sink is not None]

    def revealed(self) -> dict[str, Any]:
        """As JSON types with secrets in clear: for the private socket to a worker, and for nothing else."""
        found = _reveal(self)
        assert isinstance(found, dict)
        return found

    @classmethod
    def from_revealed(cls, plain: Mapping[str, Any]) -> Settings:
        """What `revealed` gave, as settings again."""
        return cls.model_validate(plain)


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


def _stage_problems(
    correlations: CorrelationSettings, others: Mapping[str, Any]
) -> Iterator[tuple[Place, str]]:
    """What makes a second stage not fit the rest of a configuration."""
    topic, source, matches = correlations.topic, others.get("source"), others.get("matches")
    letters = others.get("dead_letters")
    if topic is None:
        if Stage.DETECT not in correlations.stages:
            yield ("stages",), "without `topic` there is no second stage"
        return
    if source is not None and source.kafka is None:
        yield ("topic",), "files and standard input are correlated by the worker that reads them"
    elif source is not None and source.kafka.reads(topic):
        yield ("topic",), "the source reads this topic: it would go round in circles"
    if matches is not None and matches.kafka is None:
        yield ("topic",), "the second stage writes alerts to a topic: set `matches.kafka`"
    elif matches is not None and matches.kafka.topic == topic:
        yield ("topic",), "matches go to this topic already"
    if isinstance(letters, DeadLetters) and letters.kafka and letters.kafka.topic == topic:
        yield ("topic",), "dead letters go to this topic already"


def _sink_problems(
    sinks: MatchesSettings | DeadLetters,
    source: SourceSettings | None,
    others: MatchesSettings | None,
) -> Iterator[tuple[Place, str]]:
    """What makes sinks not fit the source, or sinks of dead letters not fit the `others`, those of matches."""
    theirs = others.kafka if others is not None else None
    if (kafka := sinks.kafka) is not None and source is not None:
        if source.kafka is None:
            given = kafka.properties or (theirs.properties if theirs is not None else {})
            if "bootstrap.servers" not in given:
                yield ("kafka", "properties", "bootstrap.servers"), "this key is missing"
            elif kafka.properties and theirs and kafka.properties != theirs.properties:
                said = "matches and dead letters share a producer: leave these to `matches.kafka`"
                yield ("kafka", "properties"), said
        elif kafka.properties:
            said = "the topic is on the cluster of the source: set them at `source.kafka`"
            yield ("kafka", "properties"), said
        elif source.kafka.reads(kafka.topic):
            yield ("kafka", "topic"), "the source reads this topic: it would go round in circles"
    if theirs is not None and kafka is not None and kafka.topic == theirs.topic:
        yield ("kafka", "topic"), "matches go to this topic already"
    if (file := sinks.file) is not None:
        files = source.files if source is not None else None
        if files is not None and any(_same_file(file.path, path) for path in files.paths):
            yield ("file", "path"), "the source reads this file: it would go round in circles"
        if others is not None and others.file and _same_file(others.file.path, file.path):
            yield ("file", "path"), "matches go to this file already"


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by whatever links, or would if there were one."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def load_settings(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """The configuration of a YAML or TOML file, and of the environment's variables `SIGMAC_…` over it.

    Relative paths are relative to the file's folder, without a file to the current one. `environment` is the
    process's where none is given; secrets are taken from it too. Raises `ConfigurationError` that names every wrong
    key, one a line, with the place where it was written.
    """
    environment = os.environ if environment is None else environment
    document = read_document(path) if path is not None else Document("environment")
    folder = path.absolute().parent if path is not None else Path.cwd()
    problems = list(overlay(document, environment))
    settings = None
    try:
        settings = Settings.model_validate(
            document.values, context=Surroundings(folder, environment)
        )
        problems += _wrong_properties(settings, document)
    except ValidationError as error:
        problems += tell(error, document, Settings)
    if problems or settings is None:
        raise ConfigurationError("\n".join(map(escaped, problems)))
    return settings


def settings_of(values: Mapping[str, Any]) -> Settings:
    """A configuration that a command makes; paths are relative to the current folder.

    Raises `ConfigurationError` as `load_settings`.
    """
    try:
        return Settings.model_validate(values, context=Surroundings(Path.cwd(), {}))
    except ValidationError as error:
        problems = tell(error, Document("command line"), Settings)
        raise ConfigurationError("\n".join(map(escaped, problems))) from None


def _wrong_properties(settings: Settings, document: Document) -> Iterator[str]:
    """What librdkafka says of its properties, where it is installed."""
    if not settings.uses_kafka or importlib.util.find_spec("confluent_kafka") is None:
        return
    from sigmac.runtime.stream.kafka.properties import wrong_properties

    letters = settings.dead_letters
    given: dict[Place, Mapping[str, Secret]] = {}
    if (source := settings.source.kafka) is not None:
        given["source", "kafka", "properties"] = source.properties
        given["source", "kafka", "consumer"] = source.consumer
        given["source", "kafka", "producer"] = source.producer
    if settings.matches.kafka is not None:
        given["matches", "kafka", "properties"] = settings.matches.kafka.properties
    if isinstance(letters, DeadLetters) and letters.kafka is not None:
        given["dead_letters", "kafka", "properties"] = letters.kafka.properties
    for place, properties in given.items():
        plain = {name: value.reveal() for name, value in properties.items()}
        for name, said in wrong_properties(plain).items():
            where = document.where((*place, name))
            yield f"{where}: {'.'.join(map(str, (*place, name)))}: {said}"
