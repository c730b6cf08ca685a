"""`sigmac push`: a new pack for a running service, or the one before."""

from __future__ import annotations

import click

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.options import say
from sigmac.cli.service_options import Service, connection
from sigmac.runtime.printable import escaped

EXAMPLE = """Examples:

  sigmac push build/windows --to 127.0.0.1:9090 --as windows

  sigmac push build/windows --to sigmac.example:9090 --as windows --token-file token --ca ca.pem

  sigmac push --rollback --to sigmac.example:9090 --as windows --certificate me.pem --key me.key
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.option(
    "--as", "name", required=True, metavar="NAME", help="Name of the pack in the configuration."
)
@click.argument(
    "pack",
    cls=Argument,
    required=False,
    metavar="[PACK]",
    help="Folder or name of a rule pack.",
    shell_complete=completion.packs,
)
@click.option("--rollback", is_flag=True, help="Bring back the pack that ran before; no PACK.")
@connection
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300,
    metavar="SECONDS",
    help="How long the service may take.",
)
def push(service: Service, name: str, pack: str | None, rollback: bool, timeout: float) -> None:
    """Send a pack to a running service, which checks it and swaps it in: in all workers or in none.

    Exit status 1 where the service refuses it; the pack that ran before runs on then.
    """
    if (pack is None) is not rollback:
        raise click.BadParameter("give either a pack or --rollback", param_hint="[PACK]")
    with service.connect() as client:
        if pack is None:
            version = client.rollback(name, timeout=timeout).version
            say(f"{name} is back at version {escaped(version)}")
            return
        from sigmac.runtime.pack.finding import find_pack

        done = client.push(find_pack(pack), name, timeout=timeout)
        note = f" ({escaped(done.detail)})" if done.detail else ""
        say(f"{name} runs version {escaped(done.version)}{note}")
