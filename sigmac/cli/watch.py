"""`sigmac watch`: the matches of a running service as they are made."""

from __future__ import annotations

import sys

import click

from sigmac.cli.command import Command
from sigmac.cli.options import counted, say
from sigmac.cli.service_options import Service, connection
from sigmac.runtime.printable import escaped_json

EXAMPLE = """Examples:

  sigmac watch --to 127.0.0.1:9090

  sigmac watch --to sigmac.example:9090 --token-file token --ca ca.pem | jq .rule.title
"""


@click.command(cls=Command, epilog=EXAMPLE)
@connection
def watch(service: Service) -> None:
    """Show matches of a running service as they are made, one JSON object a line, until Ctrl-C.

    It never slows the service: what comes too fast is left out, and standard error says how many.
    """
    with service.connect() as client:
        shown = sys.stdout.isatty()
        for item in client.watch():
            if item.WhichOneof("item") == "missed":
                say(f"{counted(item.missed, 'match', 'matches')} left out")
                continue
            line = escaped_json(item.match) if shown else item.match
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
