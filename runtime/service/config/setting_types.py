"""The kinds of values that a configuration holds, each refusing in words what it cannot be."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from sigmac.runtime.service.config.secrets import Secret, Surroundings
from sigmac.runtime.stream.kafka.topic_pattern import check_pattern

# What the delivery guarantee rests on is not a matter of taste.
RESERVED_PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "enable.auto.commit": "offsets are committed when what came of the records is delivered",
        "enable.auto.offset.store": "offsets are committed when what came of the records is delivered",
        "enable.partition.eof": "a stream has no end",
        "transactional.id": "each worker has its own",
        "enable.idempotence": "producers are always idempotent",
        "acks": "a message is delivered when all replicas in sync have it",
    }
)
MOST_SOCKET = 103  # bytes of a Unix socket's path, on any system
_UNIX = "unix:"
_RESERVED_HEADERS = {
    "authorization": "give `token`",
    "connection": "the service sets it",
    "content-length": "the service sets it",
    "content-type": "the service sets it",
    "host": "it is in `url`",
    "transfer-encoding": "the service sets it",
}


def _absolute(path: Path, info: ValidationInfo) -> Path:
    return Surroundings.of(info).folder / path


def _property(name: str) -> str:
    if re.fullmatch(r"[a-z0-9]+(\.[a-z0-9]+)*|log_level", name) is None:
        dotted = re.sub(r"[^a-z0-9]+", ".", name.lower()).strip(".")
        raise ValueError(f"properties of librdkafka are lower case with dots, as `{dotted}`")
    if name in RESERVED_PROPERTIES:
        raise ValueError(f"`{name}` cannot be set: {RESERVED_PROPERTIES[name]}")
    return name


def _header(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}", name) is None:
        raise ValueError("this is no name of a header")
    if reason := _RESERVED_HEADERS.get(name.lower()):
        raise ValueError(f"`{name}` cannot be set here: {reason}")
    return name


def _header_value(value: Secret) -> Secret:
    text = value.reveal()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a header holds printable ASCII text only")
    return value


def _token(value: Secret) -> Secret:
    text = value.reveal()
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("a token is printable ASCII text without blanks, and not empty")
    return value


def _url(text: str) -> str:
    try:
        url = urlsplit(text)
        wrong = url.scheme not in ("http", "https") or not url.hostname or url.port == 0
        wrong |= not (text.isascii() and text.isprintable()) or " " in text
    except ValueError:  # such as a port that is no number
        wrong = True
    if wrong:
        raise ValueError("should be an address such as `https://collector:4317`")
    if "@" in url.netloc:
        raise ValueError("leave user and password out of the address: logs show it")
    return text


def _topic(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) is None or name in (".", ".."):
        raise ValueError("a topic's name is up to 249 letters, digits, `.`, `_` and `-`")
    return name


def _topic_or_pattern(name: str) -> str:
    if not name.startswith("^"):
        return _topic(name)
    try:
        re.compile(name)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    check_pattern(name)
    return name


def _dotted(path: str) -> str:
    if path and not all(path.split(".")):
        raise ValueError("should be names with dots between them, as `log.original`")
    return path


def _address(text: str) -> str:
    split_address(text)
    return text


def _control_address(text: str, info: ValidationInfo) -> str:
    path = socket_of(text)
    if path is None:
        return _address(text)
    if not path.name:
        raise ValueError("should be `unix:` and the path of a socket, as `unix:run/control.sock`")
    path = _absolute(path, info)
    if len(os.fsencode(path)) > MOST_SOCKET:
        raise ValueError(f"the path of a socket has at most {MOST_SOCKET} bytes")
    return f"{_UNIX}{path}"


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text) is None:
        raise ValueError("a name is up to 64 letters, digits, `_`, `.` and `-`")
    return text


def _timespan(given: Any) -> Any:
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", given) if isinstance(given, str) else None
    return int(match[1]) * _UNITS[match[2]] if match else given


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
Timespan = Annotated[float, Field(gt=0, le=31_536_000), BeforeValidator(_timespan)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Name = Annotated[str, AfterValidator(_name)]
AnyPath = Annotated[Path, AfterValidator(_absolute)]
Token = Annotated[Secret, AfterValidator(_token)]
Url = Annotated[str, Field(max_length=2048), AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]
ControlAddress = Annotated[str, AfterValidator(_control_address)]
Topic = Annotated[str, AfterValidator(_topic)]
TopicOrPattern = Annotated[str, AfterValidator(_topic_or_pattern)]
DottedPath = Annotated[str, Field(max_length=1024), AfterValidator(_dotted)]
Headers = dict[
    Annotated[str, AfterValidator(_header)], Annotated[Secret, AfterValidator(_header_value)]
]
Properties = dict[Annotated[str, AfterValidator(_property)], Secret]


def split_address(bind: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises `ValueError`."""
    host, colon, port = bind.rpartition(":")
    if (
        not colon
        or not host.strip("[]")
        or not (port.isascii() and port.isdecimal() and len(port) <= 5)
        or int(port) > 65535
    ):
        raise ValueError(f"`{bind}` is not HOST:PORT")
    return host.strip("[]"), int(port)


def socket_of(address: str) -> Path | None:
    """The path of `unix:PATH`; None for any other address."""
    return Path(address.removeprefix(_UNIX)) if address.startswith(_UNIX) else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
