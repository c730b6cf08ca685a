"""`sigmac formats`: what `sigmac run` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from sigmac.cli.command import Command
from sigmac.cli.options import LOGSOURCE_KEYS

EXAMPLE = """Examples:

  sigmac formats

  sigmac formats --format json
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people or for programs.",
)
def formats(form: str) -> None:
    """List the formats of logs that are read; a file's is told by its content. And what events tell of themselves.

    Each may be compressed (gzip, zstd, bzip2, xz, lz4) or lie in a zip or tar archive, in UTF-8 or UTF-16.
    """
    from sigmac.runtime.pack.event_logsources import EVENT_LOGSOURCES
    from sigmac.runtime.reading import known_formats

    listed = known_formats.formats().values()

    if form == "json":
        plain = [
            {
                "name": each.name,
                "title": each.title,
                "logsource": dict(each.logsource),
                "extra": each.extra or None,
            }
            for each in listed
        ]
        events = [
            {"title": each.title, "logsource": each.logsource, "fields": each.detection}
            for each in EVENT_LOGSOURCES
        ]
        click.echo(json.dumps({"version": 1, "formats": plain, "events": events}, indent=2))
        return
    width = max(len(each.name) for each in listed)
    for each in listed:
        more = [_shown(each.logsource)] if each.logsource else []
        more += [f"needs sigmac[{each.extra}]"] if each.extra else []
        click.echo(f"{each.name:{width}}  {each.title}{f' ({chr(44).join(more)})' if more else ''}")
    click.echo("\nevents that are told by their fields, the first that fits:\n")
    rows = [(_shown(each.logsource), each) for each in EVENT_LOGSOURCES]
    width = max(len(logsource) for logsource, _ in rows)
    for logsource, event in rows:
        maps = event.detection if isinstance(event.detection, list) else [event.detection]
        fields = " or ".join(", ".join(map(_item, each, each.values())) for each in maps)
        click.echo(f"{logsource:{width}}  {event.title}: {fields}")


def _shown(logsource: Mapping[str, str]) -> str:
    return "/".join(logsource[key] for key in LOGSOURCE_KEYS if key in logsource)


def _item(name: str, value: object) -> str:
    return name.partition("|")[0] if value is True else f"{name} {value}"
