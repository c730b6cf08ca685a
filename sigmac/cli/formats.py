"""`sigmac formats`: what `sigmac run` reads."""

from __future__ import annotations

import json

import click

from sigmac.cli.command import Command

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
    """List the formats of logs that are read; a file's is told by its content.

    Each may be compressed (gzip, zstd, bzip2, xz, lz4) or lie in a zip or tar archive, in UTF-8 or UTF-16.
    """
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
        click.echo(json.dumps({"version": 1, "formats": plain}, indent=2))
        return
    width = max(len(each.name) for each in listed)
    for each in listed:
        source = "/".join(each.logsource.get(k, "") for k in ("product", "category", "service"))
        more = [source.strip("/").replace("//", "/")] if each.logsource else []
        more += [f"needs sigmac[{each.extra}]"] if each.extra else []
        click.echo(f"{each.name:{width}}  {each.title}{f' ({chr(44).join(more)})' if more else ''}")
