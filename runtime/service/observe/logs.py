"""Logs on standard error: JSON for machines, readable on a terminal.

Two promises hold whatever is logged: no secret of the configuration is in a line, and above the level debug nothing of
an event's content is. For the second the text of an exception is left out, which may quote a value; its type and the
places in the code stay, and the text of our own errors, which are written to be shown.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import structlog
from pydantic import BaseModel

from sigmac.runtime.errors import EventError, SigmacError
from sigmac.runtime.printable import escaped
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.secrets import Secret
from sigmac.runtime.service.config.sections import LogSettings

MASK = "***"
_SHORT = (
    6  # characters; a shorter secret is masked as a whole word only, as its letters occur by chance
)
_SHORTEST = 2
_PART = 16  # characters of a line of a secret with several lines, such as a key, that is masked by itself
_MAX_TEXT = 8192  # characters of one value
_MAX_DEPTH = 8  # of values in values
_FIRST = ("timestamp", "level", "event")
_META = ("_record", "_from_structlog")  # what structlog tells its renderers, never rendered

Entry = MutableMapping[str, Any]


def configure_logs(settings: Settings, worker: int | None = None) -> None:
    """Set up structlog and the standard library's logging for this process, exceptions that nobody catches included.

    Every line carries the service's name and, in a worker, its index.
    """
    bound = {"service": settings.name} | ({} if worker is None else {"worker": worker})
    configure(settings.logs, bound, secrets_of(settings))


def configure(settings: LogSettings, bound: Mapping[str, Any], secrets: set[str]) -> None:
    """The same by itself: `bound` is what every line carries, `secrets` are texts that none may hold."""
    level = getattr(logging, settings.level.upper())
    terminal = sys.stderr.isatty()
    readable = settings.format == "console" or (settings.format == "auto" and terminal)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        # Not bound as a context: other threads have none.
        lambda _, __, entry: {**bound, **entry},
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exceptions(quoting=level <= logging.DEBUG),
        Masking(secrets),
        _ordered,
    ]
    renderers: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if readable:
        renderers += [_printable, structlog.dev.ConsoleRenderer(colors=terminal)]
    else:
        renderers.append(structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=renderers)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # At debug libraries tell more than anyone wants to know, and what they say of records is not ours to promise.
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("sigmac").setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger("sigmac").critical("a bug ends the process", exc_info=error)


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        name = failed.thread.name if failed.thread is not None else ""
        log = structlog.get_logger("sigmac")
        log.critical("a bug ends a thread", thread=name, exc_info=failed.exc_value)


def _exceptions(quoting: bool) -> Callable[[Any, str, Entry], Entry]:
    """A processor that makes text of `exc_info`: with the exception's words where `quoting`, or where they are ours."""

    def process(_: Any, __: str, entry: Entry) -> Entry:
        given = entry.pop("exc_info", None)
        if given is True:
            error = sys.exception()
        elif isinstance(given, tuple):
            error = given[1]
        else:
            error = given
        if isinstance(error, BaseException):
            entry["exception"] = "".join(_told(error, quoting)).rstrip()
        return entry

    return process


def _told(error: BaseException, quoting: bool) -> Iterator[str]:
    if quoting:
        yield from traceback.format_exception(error)
        return
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain and len(chain) < _MAX_DEPTH:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    for each in reversed(chain):
        yield from traceback.format_tb(each.__traceback__)
        ours = isinstance(each, SigmacError) and not isinstance(each, EventError)
        shown = f": {each}" if ours or isinstance(each, OSError) else ""
        yield f"{type(each).__qualname__}{shown}\n"


def _ordered(_: Any, __: str, entry: Entry) -> Entry:
    """What people look for first comes first."""
    return {key: entry[key] for key in _FIRST if key in entry} | dict(entry)


def _printable(_: Any, __: str, entry: Entry) -> Entry:
    """For a terminal: what others wrote is shown, never obeyed."""
    for key, value in entry.items():
        if isinstance(value, str):
            lines = value.split("\n") if key == "exception" else [value]
            entry[key] = "\n".join(map(escaped, lines))
    return entry


class Masking:
    """A processor that puts `***` where a secret would be shown: the last defence, not the first."""

    def __init__(self, secrets: set[str]):
        self._pattern = _pattern(secrets)

    def __call__(self, _: Any, __: str, entry: Entry) -> Entry:
        return {key: value if key in _META else self._masked(value) for key, value in entry.items()}

    def _masked(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            text = value if self._pattern is None else self._pattern.sub(MASK, value)
            return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
        if value is None or isinstance(value, (bool, int, float)):
            text = str(value)
            return value if self._masked(text) == text else MASK
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            return {
                self._masked(str(key)): self._masked(each, depth + 1) for key, each in value.items()
            }
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
            return [self._masked(each, depth + 1) for each in value]
        return self._masked(str(value) if isinstance(value, BaseException) else repr(value))


def _pattern(secrets: set[str]) -> re.Pattern[str] | None:
    """What finds the secrets, as they are and as they look when they are quoted; None where there are none."""
    found: set[str] = set()
    for secret in secrets:
        found |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        found.update(line.strip() for line in secret.splitlines() if len(line.strip()) >= _PART)
    whole = [
        re.escape(each) for each in sorted(found, key=len, reverse=True) if len(each) >= _SHORT
    ]
    words = [
        rf"(?<!\w){re.escape(each)}(?!\w)"
        for each in sorted(found, key=len, reverse=True)
        if _SHORTEST <= len(each) < _SHORT
    ]
    return re.compile("|".join(whole + words)) if whole or words else None


# Properties of librdkafka that are secret; the others are addresses, names and numbers that a log may show.
_SECRET_PROPERTIES = ("password", "secret", "key.pem", "oauthbearer.config")


def secrets_of(settings: BaseModel) -> set[str]:
    """The texts of all secrets in a configuration."""
    found: set[str] = set()

    def look(value: Any, name: str) -> None:
        if isinstance(value, Secret):
            if "." not in name or any(part in name for part in _SECRET_PROPERTIES):
                found.add(value.reveal())
        elif isinstance(value, BaseModel):
            for field in type(value).model_fields:
                look(getattr(value, field), field)
        elif isinstance(value, Mapping):
            for key, each in value.items():
                look(each, str(key))
        elif isinstance(value, (list, tuple)):
            for each in value:
                look(each, name)

    look(settings, "")
    return found - {""}
