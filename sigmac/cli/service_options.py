"""The options of all commands that speak with a running service, and the connection that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sigmac.runtime.service.control.client import ControlClient

_MAX_TOKEN = 64 << 10  # bytes

Address = Annotated[
    str, typer.Option("--to", metavar="HOST:PORT", help="Control address of the service.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="File with the token."),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Authority that vouches for the service, PEM. Default: the well-known ones.",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, help="Certificate to show to it, PEM."
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, help="Private key of the certificate, PEM."
    ),
]
Tls = Annotated[
    bool | None,
    typer.Option(
        "--tls/--plaintext",
        help="Speak TLS. Default: but with this machine, where no certificate is named.",
    ),
]


def connect(
    to: str,
    token_file: Path | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    tls: bool | None,
) -> ControlClient:
    """A client of the control plane. Raises `typer.BadParameter` for what cannot be an address or does not fit."""
    try:
        from sigmac.runtime.service.control.client import ControlClient
    except ModuleNotFoundError as error:
        raise typer.BadParameter(
            f"this needs more packages ({error.name} is missing): pip install 'sigmac[service]'"
        ) from None
    if (certificate is None) != (key is None):
        raise typer.BadParameter("give both or none", param_hint="--certificate, --key")
    if tls is False and (ca or certificate):
        raise typer.BadParameter("certificates are for --tls", param_hint="--plaintext")
    token = None
    if token_file is not None:
        with token_file.open("rb") as file:
            token = _token(file.read(_MAX_TOKEN))
    try:
        return ControlClient(to, token=token, ca=ca, certificate=certificate, key=key, tls=tls)
    except ValueError:
        raise typer.BadParameter(f"`{to}` is not HOST:PORT", param_hint="--to") from None


def _token(data: bytes) -> str:
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise typer.BadParameter("holds no token: one line of ASCII", param_hint="--token-file")
    return text
