"""The sections of what looks at several events: correlations, and what is held back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from sigmac.runtime.correlation.correlator import MAX_GROUPS
from sigmac.runtime.correlation.step import MAX_HITS
from sigmac.runtime.correlation.suppression import RULE
from sigmac.runtime.correlation.timestamps import FIELDS
from sigmac.runtime.service.config.sections import Model
from sigmac.runtime.service.config.setting_types import Timespan, Topic


class Stage(StrEnum):
    """What a service does of correlations over Kafka."""

    DETECT = "detect"
    CORRELATE = "correlate"


class CorrelationSettings(Model):
    """How correlations are evaluated: events count in the order in which they arrive."""

    timestamp_fields: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        FIELDS,
        min_length=1,
        description="Fields with the time of an event; the first that has a timestamp counts.",
    )
    max_groups: int = Field(
        MAX_GROUPS,
        ge=1,
        le=100_000_000,
        description="Groups that a correlation remembers, over Kafka in each partition of `topic`.",
    )
    max_hits: int = Field(
        MAX_HITS, ge=1, le=100_000_000, description="Hits that a correlation remembers of a group."
    )
    topic: Topic | None = Field(
        None,
        description="Over Kafka: the topic of hits. Without it correlations are not evaluated there.",
    )
    stages: tuple[Stage, ...] = Field(
        tuple(Stage),
        min_length=1,
        description="What this service does: `detect` finds hits, `correlate` is the second stage.",
    )
    workers: int = Field(1, ge=1, le=1024, description="Processes of the second stage.")
    partitions: int = Field(
        12, ge=1, le=10_000, description="Partitions of the topic of hits, where it is made."
    )
    replication: int = Field(
        3, ge=1, le=100, description="Copies of it and of the changelog, where they are made."
    )

    @field_validator("stages")
    @classmethod
    def _once(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if len(set(stages)) < len(stages):
            raise ValueError("name each stage once")
        return stages


class SuppressSettings(Model):
    """Of matches and alerts that are alike only the first goes out for a while."""

    model_config = ConfigDict(populate_by_name=True)

    seconds: Timespan = Field(
        alias="for", description="How long, in seconds or as `90s`, `15m`, `1h`, `1d`."
    )
    by: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (RULE,),
        min_length=1,
        description="What they agree in: `rule`, and fields of the event or of an alert's group.",
    )
    rules: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Only of these rules and correlations, by id, name or title."
    )
    levels: tuple[Literal["informational", "low", "medium", "high", "critical"], ...] = Field(
        (), description="Only of these levels."
    )
