"""`sigmac status`: how a running service does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import Form, counted, output_format
from sigmac.cli.service_options import Service, connection
from sigmac.runtime.printable import escaped

if TYPE_CHECKING:
    from sigmac.runtime.service.control.control_pb2 import GetStatusResponse

EXAMPLE = """Examples:

  sigmac status --to 127.0.0.1:9090

  sigmac status --to sigmac.example:9090 --token-file token --ca ca.pem --format json
"""


@click.command(cls=Command, epilog=EXAMPLE)
@connection
@output_format
def status(service: Service, form: Form) -> None:
    """Show how a running service does: its workers, its packs, and what was counted.

    Exit status 1 where it is not ready.
    """
    with service.connect() as client:
        found = client.status()
    if form is Form.json:
        from google.protobuf.json_format import MessageToJson

        print(MessageToJson(found, preserving_proto_field_name=True))
    else:
        print("\n".join(escaped(line) for line in _lines(found)))
    if not found.ready:
        raise Exit(ExitStatus.FAILED)


def _lines(found: GetStatusResponse) -> list[str]:
    state = "ready" if found.ready else f"not ready: {found.reason}"
    lines = [f"{found.name} (sigmac {found.version}): {'paused, ' if found.paused else ''}{state}"]
    for worker in found.workers:
        waiting = sum(each.lag for each in worker.assigned if each.lag > 0)
        lines.append(
            f"worker {worker.index}: {worker.state}, {counted(len(worker.assigned), 'partition')}, "
            f"{counted(waiting, 'record')} waiting, {counted(worker.restarts, 'restart')}"
            + (f": {worker.detail}" if worker.detail else "")
        )
    for pack in found.packs:
        before = f", before it {pack.previous}" if pack.previous else ""
        lines.append(
            f"pack {pack.name}: {pack.pack} {pack.version}, {counted(pack.rules, 'rule')}{before}"
        )
        if pack.last_refusal:
            lines.append(f"  last refused: {pack.last_refusal}")
    counts = found.counts
    matches = sum(each.matches for each in counts.matches)
    lines.append(
        f"{counted(counts.events, 'event')}, {counted(matches, 'match', 'matches')}, "
        f"{counts.rejected:,} rejected, {counted(sum(counts.dead_letters.values()), 'dead letter')}"
    )
    return lines
