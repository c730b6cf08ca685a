"""`sigmac push`: a new pack for a running service, or the one before; what would change by it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.compared_packs import (
    CHANGES,
    DiffForm,
    Events,
    compared,
    counts_of,
    difference_format,
    read_side,
    show,
)
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    fail_on_any,
    failed_on,
    need,
    read_keys,
    say,
    timestamp_field,
    trusted_key,
)
from sigmac.cli.service_options import Service, connection
from sigmac.runtime.printable import escaped

if TYPE_CHECKING:
    from sigmac.runtime.service.control.client import ControlClient

EXAMPLE = """Examples:

  sigmac push build/windows --to 127.0.0.1:9090 --as windows

  sigmac push build/windows --to sigmac.example:9090 --as windows --token-file token --ca ca.pem

  sigmac push build/windows --to 127.0.0.1:9090 --as windows --dry-run

  sigmac push build/windows --to 127.0.0.1:9090 --as windows --events recent/ --trusted-key key.pub --fail-on lost

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
@click.option(
    "--diff",
    is_flag=True,
    help="Show first what differs from the pack that runs, as `sigmac diff`.",
)
@click.option(
    "--events",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="File or folder with recent events: show which matches and alerts are gained and lost too. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Show what differs, and push nothing.")
@fail_on_any(CHANGES)
@timestamp_field
@trusted_key
@click.option(
    "--allow-unsigned",
    is_flag=True,
    help="With --events: run the code of the pack that the service gives, whoever signed it.",
)
@difference_format
@connection
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300,
    metavar="SECONDS",
    help="How long the service may take.",
)
def push(
    service: Service,
    name: str,
    pack: str | None,
    rollback: bool,
    diff: bool,
    events: tuple[str, ...],
    dry_run: bool,
    fail_on: list[str],
    timestamp_field: tuple[str, ...],
    trusted_key: tuple[Path, ...],
    allow_unsigned: bool,
    form: DiffForm,
    timeout: float,
) -> None:
    """Send a pack to a running service, which checks it and swaps it in: in all workers or in none.

    With --diff, --events, --dry-run or --fail-on what differs from the pack that runs is shown first. Exit status 1
    where the service refuses the pack or events cannot be read, 3 where there is what --fail-on names; the pack that
    ran before runs on then.
    """
    if (pack is None) is not rollback:
        raise click.BadParameter("give either a pack or --rollback", param_hint="[PACK]")
    shows = bool(diff or events or dry_run or fail_on)
    if shows and rollback:
        raise click.BadParameter("a rollback shows no difference", param_hint="--rollback")
    if events and not (trusted_key or allow_unsigned):
        said = (
            "events are evaluated by the pack that the service gives, and a pack is code: name the key that must "
            "have signed it (--trusted-key), or trust the service with it (--allow-unsigned)"
        )
        raise click.BadParameter(said, param_hint="--events")
    with service.connect() as client:
        if pack is None:
            version = client.rollback(name, timeout=timeout).version
            say(f"{name} is back at version {escaped(version)}")
            return
        if shows:
            _show_changes(client, name, pack, events, fail_on, timestamp_field, trusted_key, form)
        if dry_run:
            return
        from sigmac.runtime.pack.finding import find_pack

        done = client.push(find_pack(pack), name, timeout=timeout)
        note = f" ({escaped(done.detail)})" if done.detail else ""
        say(f"{name} runs version {escaped(done.version)}{note}")


def _show_changes(
    client: ControlClient,
    name: str,
    pack: str,
    events: tuple[str, ...],
    fail_on: list[str],
    timestamp_fields: tuple[str, ...],
    trusted_keys: tuple[Path, ...],
    form: DiffForm,
) -> None:
    """What differs between the pack that runs and a new one. Ends the command where that keeps it from being pushed."""
    need("compiler", *COMPILER)
    from sigmac.cli.event_files import event_files, how_to_read

    names = event_files(events)
    keys = read_keys(trusted_keys)
    with tempfile.TemporaryDirectory(prefix="sigmac-running-") as folder:
        client.fetch(name, Path(folder), trusted_keys=keys or ())
        before, after = read_side(folder, keys), read_side(pack, None)
        given = Events(names, how_to_read(None, None, False), None, timestamp_fields)
        found, unreadable = compared(before, after, given)
    told = {"old": f"{name} {before.version}", "new": f"{pack} {after.version}", **found}
    show(told, unreadable, form, code=False)
    failed = failed_on(fail_on, counts_of(told))
    if unreadable:
        raise Exit(ExitStatus.FAILED)
    if failed:
        raise Exit(ExitStatus.MATCHED)
