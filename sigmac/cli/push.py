"""`sigmac push`: a new pack for a running service, or the one before."""

from __future__ import annotations

from typing import Annotated

import typer

from sigmac.cli import completion
from sigmac.cli.options import say
from sigmac.cli.service_options import Address, Authority, Certificate, Key, Tls, TokenFile, connect
from sigmac.runtime.printable import escaped

EXAMPLE = """Examples:

  sigmac push build/windows --to 127.0.0.1:9090 --as windows

  sigmac push build/windows --to sigmac.example:9090 --as windows --token-file token --ca ca.pem

  sigmac push --rollback --to sigmac.example:9090 --as windows --certificate me.pem --key me.key
"""


def push(
    to: Address,
    name: Annotated[
        str,
        typer.Option("--as", metavar="NAME", help="Name of the pack in the configuration."),
    ],
    pack: Annotated[
        str | None,
        typer.Argument(
            metavar="[PACK]",
            help="Folder or name of a rule pack.",
            autocompletion=completion.packs,
        ),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Bring back the pack that ran before; no PACK.")
    ] = False,
    token_file: TokenFile = None,
    ca: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    tls: Tls = None,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long the service may take.")
    ] = 300,
) -> None:
    """Send a pack to a running service, which checks it and swaps it in: in all workers or in none.

    Exit status 1 where the service refuses it; the pack that ran before runs on then.
    """
    if (pack is None) is not rollback:
        raise typer.BadParameter("give either a pack or --rollback", param_hint="[PACK]")
    with connect(to, token_file, ca, certificate, key, tls) as client:
        if pack is None:
            version = client.rollback(name, timeout=timeout).version
            say(f"{name} is back at version {escaped(version)}")
            return
        from sigmac.runtime.pack.pack import find_pack

        done = client.push(find_pack(pack), name, timeout=timeout)
        note = f" ({escaped(done.detail)})" if done.detail else ""
        say(f"{name} runs version {escaped(done.version)}{note}")
