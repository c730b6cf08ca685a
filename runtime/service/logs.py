"""Logs on standard error: JSON for machines, readable on a terminal. Never an event's content above debug."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog
from pydantic import BaseModel

from sigmac.runtime.service.configuration import Settings
from sigmac.runtime.service.secrets import Secret

_MASK = "***"
_SHORTEST = (
    6  # characters of a secret that is masked wherever it occurs; shorter ones occur by chance
)


def configure_logs(settings: Settings, worker: int | None = None) -> None:
    """Set up structlog and the standard library's logging for this process.

    Every line carries the service's name and, in a worker, its index. As a last defence the values of all secrets are
    masked wherever they would appear.
    """
    level = getattr(logging, settings.logs.level.upper())
    form = settings.logs.format
    readable = form == "console" or (form == "auto" and sys.stderr.isatty())
    secrets = sorted(_secrets(settings), key=len, reverse=True)

    def mask(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in entry.items():
            entry[key] = _masked(value, secrets)
        return entry

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=settings.name)
    if worker is not None:
        structlog.contextvars.bind_contextvars(worker=worker)


def _masked(value: Any, secrets: Iterable[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            if secret in value:
                value = value.replace(secret, _MASK)
        return value
    if isinstance(value, (list, tuple)):
        return [_masked(each, secrets) for each in value]
    if isinstance(value, dict):
        return {key: _masked(each, secrets) for key, each in value.items()}
    return value


# Properties of librdkafka that are secret; the others are addresses, names and numbers that a log may show.
_SECRET_PROPERTIES = ("password", "secret", "key.pem", "oauthbearer.config", "sasl.username")


def _secrets(settings: Settings) -> set[str]:
    found: set[str] = set()

    def look(value: Any, name: str) -> None:
        if isinstance(value, Secret):
            text = value.reveal()
            properties = "." in name and not any(part in name for part in _SECRET_PROPERTIES)
            if len(text) >= _SHORTEST and not properties:
                found.add(text)
        elif isinstance(value, BaseModel):
            for field in type(value).model_fields:
                look(getattr(value, field), field)
        elif isinstance(value, dict):
            for key, each in value.items():
                look(each, str(key))
        elif isinstance(value, (list, tuple)):
            for each in value:
                look(each, name)

    look(settings, "")
    return found
