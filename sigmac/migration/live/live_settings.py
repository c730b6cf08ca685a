"""What `sigmac shadow-live` compares, as a small YAML file says it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from sigmac.migration.live.pairing import Side
from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.printable import escaped
from sigmac.runtime.service.config.layers import Place, read_document
from sigmac.runtime.service.config.mistakes import refuse, tell
from sigmac.runtime.service.config.secrets import Surroundings
from sigmac.runtime.service.config.sections import HttpSettings, Model
from sigmac.runtime.service.config.setting_types import AnyPath, DottedPath, Properties, Topic
from sigmac.runtime.stream.kafka.properties import wrong_properties


class SideSettings(Model):
    """A program: where it writes its matches, and what its lines call things."""

    topic: Topic | None = Field(None, description="Topic of its matches, one JSON object a record.")
    files: tuple[AnyPath, ...] = Field(
        (), description="Files of its matches, one JSON object a line, followed through rotations."
    )
    group: str = Field(
        "", description="Its consumer group: what it has committed of `topics` it is past."
    )
    source: DottedPath = Field(
        "source",
        min_length=1,
        description="Where a line says `topic`, `partition` and `offset` of its event.",
    )
    results: DottedPath = Field(
        "", description="Where a line has a list of results. Without a list there it is one itself."
    )
    rule: tuple[DottedPath, ...] = Field(
        ("rule.id", "rule.title"),
        min_length=1,
        description="Where a result says which rule matches: its id, and its title, which counts where there is no id.",
    )


class GoSide(SideSettings):
    """The Go program: its `Results` are written as the module has them as JSON."""

    results: DottedPath = Field(
        "results",
        description="Where a line has a list of results. Without a list there it is one itself.",
    )
    rule: tuple[DottedPath, ...] = Field(
        ("ID", "Title"),
        min_length=1,
        description="Where a result says which rule matches: its id, and its title, which counts where there is no id.",
    )


class LiveSettings(Model):
    """Two programs that read the same topics, or files."""

    properties: Properties = Field(
        {}, description="Properties of librdkafka, as `bootstrap.servers`, `sasl.password`."
    )
    topics: tuple[Topic, ...] = Field((), description="Topics that both programs read.")
    files: tuple[str, ...] = Field(
        (), description="Files that both programs read, by the names that their matches say."
    )
    rules: tuple[AnyPath, ...] = Field(
        (), description="Folders of rules, as the Go program has them: causes are looked for then."
    )
    go_config: AnyPath | None = Field(
        None, description="Description of the Go program, as for `sigmac migrate`, for causes."
    )
    go: GoSide = Field(description="The Go program.")
    sigmac: SideSettings = Field(description="The service of sigmac.")
    state: AnyPath = Field(
        Path("shadow.state"),
        validate_default=True,
        description="File of what was read, waits and was counted.",
    )
    start: Literal["latest", "earliest"] = Field(
        "latest",
        description="Where the first run begins: behind what a program has committed already, or at the first event.",
    )
    settle: float = Field(
        5,
        ge=0,
        le=86400,
        description="Seconds from a commit to the moment when its matches must be in the topic.",
    )
    max_waiting: int = Field(
        1_000_000,
        ge=1,
        description="Matches that may wait before the side that is ahead is not read.",
    )
    http: HttpSettings | None = Field(
        None, description="Metrics over HTTP, as those of the service."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.topics) is bool(self.files):
            raise ValueError("give what both programs read: `topics` or `files`")
        servers = self.properties.get("bootstrap.servers")
        if self.topics and (servers is None or not servers.reveal()):
            refuse([(("properties", "bootstrap.servers"), "this key is missing")])
        refuse(
            (place, said) for side in Side for place, said in _problems(side, self.side(side), self)
        )
        if self.go.topic and self.go.topic == self.sigmac.topic:
            refuse(
                [(("sigmac", "topic"), "the Go program writes into this topic: who wrote what?")]
            )
        if same := set(self.go.files) & set(self.sigmac.files):
            said = f"the Go program writes into {same.pop().name}: who wrote what?"
            refuse([(("sigmac", "files"), said)])
        if self.go.group and self.go.group == self.sigmac.group:
            said = "the Go program is in this group: each would have a part of the events"
            refuse([(("sigmac", "group"), said)])
        return self

    def side(self, side: Side) -> SideSettings:
        """The settings of a side."""
        return self.go if side is Side.GO else self.sigmac

    def plain_properties(self) -> dict[str, str]:
        """The properties in clear, for librdkafka alone."""
        return {name: value.reveal() for name, value in self.properties.items()}


def _problems(side: Side, given: SideSettings, whole: LiveSettings) -> Iterator[tuple[Place, str]]:
    """What does not fit in the settings of a side."""
    if (given.topic is None) is not bool(given.files):
        yield (side.value,), "give where its matches are: `topic` or `files`"
    if whole.topics and not given.group:
        yield (
            (side.value, "group"),
            "this key is missing: the consumer group in which it reads `topics`",
        )
    if whole.files and given.group:
        yield (side.value, "group"), "what reads files is in no group: leave it out"
    if whole.files and given.topic:
        yield (
            (side.value, "topic"),
            "of files that both read, matches are compared that stand in `files`",
        )


def load_live_settings(path: Path, environment: Mapping[str, str] | None = None) -> LiveSettings:
    """The settings of a YAML or TOML file; paths are relative to its folder.

    Raises `ConfigurationError` that names every wrong key, one a line, with its place.
    """
    document = read_document(path)
    surroundings = Surroundings(
        path.absolute().parent, os.environ if environment is None else environment
    )
    problems: list[str] = []
    settings: Any = None
    try:
        settings = LiveSettings.model_validate(document.values, context=surroundings)
        for name, said in wrong_properties(settings.plain_properties()).items():
            problems.append(f"{document.where(('properties', name))}: properties.{name}: {said}")
    except ValidationError as error:
        problems += tell(error, document, LiveSettings)
    if problems:
        raise ConfigurationError("\n".join(map(escaped, problems)))
    assert isinstance(settings, LiveSettings)
    return settings
