"""The options of all commands that speak with a running service, and the connection that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli.options import file_to_read

if TYPE_CHECKING:
    from sigmac.runtime.service.control.client import ControlClient

_MAX_TOKEN = 64 << 10  # bytes
_OPTIONS = (
    click.option(
        "--to",
        required=True,
        metavar="HOST:PORT",
        help="Control address of the service, or unix:PATH.",
    ),
    click.option("--token-file", type=file_to_read, metavar="FILE", help="File with the token."),
    click.option(
        "--ca",
        type=file_to_read,
        metavar="FILE",
        help="Authority that vouches for the service, PEM. Default: the well-known ones.",
    ),
    click.option(
        "--certificate",
        type=file_to_read,
        metavar="FILE",
        help="Certificate to show to it, PEM.",
    ),
    click.option(
        "--key",
        type=file_to_read,
        metavar="FILE",
        help="Private key of the certificate, PEM.",
    ),
    click.option(
        "--tls/--plaintext",
        default=None,
        help="Speak TLS. Default: but with this machine, where no certificate is named.",
    ),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, as the options name it."""

    to: str
    token_file: Path | None
    ca: Path | None
    certificate: Path | None
    key: Path | None
    tls: bool | None

    def connect(self) -> ControlClient:
        """A client of the control plane. Raises `click.BadParameter` for what cannot be an address or does not fit."""
        return _connected(self)


def connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a connection; it gets them as one `Service`, called `service`."""

    @wraps(command)
    def connecting(**given: Any) -> None:
        named = {name: given.pop(name) for name in Service.__slots__}
        command(service=Service(**named), **given)

    for option in reversed(_OPTIONS):
        option(connecting)
    return connecting


def _connected(service: Service) -> ControlClient:
    try:
        from sigmac.runtime.service.control.client import ControlClient
    except ModuleNotFoundError as error:
        raise click.BadParameter(
            f"this needs more packages ({error.name} is missing): pip install 'sigmac[service]'"
        ) from None
    if (service.certificate is None) != (service.key is None):
        raise click.BadParameter("give both or none", param_hint="--certificate, --key")
    if service.tls is False and (service.ca or service.certificate):
        raise click.BadParameter("certificates are for --tls", param_hint="--plaintext")
    token = None
    if service.token_file is not None:
        with service.token_file.open("rb") as file:
            token = _token(file.read(_MAX_TOKEN))
    try:
        return ControlClient(
            service.to,
            token=token,
            ca=service.ca,
            certificate=service.certificate,
            key=service.key,
            tls=service.tls,
        )
    except ValueError:
        raise click.BadParameter(
            f"`{service.to}` is not HOST:PORT or unix:PATH", param_hint="--to"
        ) from None


def _token(data: bytes) -> str:
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise click.BadParameter("holds no token: one line of ASCII", param_hint="--token-file")
    return text
