"""`sigmac dlq`: dead letters are looked at, and sent again when what killed them is mended."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Group
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import Form, at_least, counted, need, output_format, say
from sigmac.runtime.printable import escaped

if TYPE_CHECKING:
    from sigmac.runtime.service.config.configuration import Settings
    from sigmac.runtime.service.replay import Letters
    from sigmac.runtime.stream.dead_letters import DeadLetter

EXAMPLE = """Examples:

  sigmac dlq list sigmac.yml --kind rejected

  sigmac dlq replay sigmac.yml --dry-run

  sigmac dlq replay sigmac.yml --kind evaluation --kind undeliverable
"""

_config = click.argument(
    "config",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="Configuration of the service that wrote them.",
)
_kinds = click.option(
    "--kind",
    multiple=True,
    metavar="KIND",
    help="Only letters of this kind; may be repeated.",
)


@click.group(cls=Group, epilog=EXAMPLE)
def dlq() -> None:
    """List dead letters, or send them again."""


@dlq.command("list")
@_config
@_kinds
@click.option("--limit", type=at_least(1), metavar="N", help="Stop after this many.")
@output_format
def list_letters(config: Path, kind: tuple[str, ...], limit: int | None, form: Form) -> None:
    """Show dead letters, oldest first: when, why, and where the record lies.

    `--format json` prints one object a line, with the bytes in base64 and, where they are text, as text.
    """
    from sigmac.runtime.service.replay import described

    shown = 0
    kinds = _known(kind)
    with _letters(_settings(config), kinds, again=True) as letters:
        for letter in (each for batch in letters.read() for each in batch):
            if kinds and letter.kind not in kinds:
                continue
            if form is Form.json:
                print(json.dumps(described(letter), ensure_ascii=False))
            else:
                print(escaped(_line(letter)))
            shown += 1
            if shown == limit:
                break
    _tell_strange(letters)


@dlq.command()
@_config
@_kinds
@click.option("--all", "everything", is_flag=True, help="Also those that were sent again before.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent.")
def replay(config: Path, kind: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Send dead letters again: records to their topics, matches to the sink that gave them up.

    What was sent is remembered, so that the next replay goes on behind it. Letters that come up meanwhile wait for the
    next one. Exit status 1 where some could not be sent.
    """
    from sigmac.runtime.service.replay import Returns
    from sigmac.runtime.service.replay import replay as send_again

    kinds, settings = _known(kind), _settings(config)
    with (
        _letters(settings, kinds, again=everything) as letters,
        contextlib.closing(Returns(settings)) as returns,
    ):
        result = send_again(letters, returns, kinds, dry=dry_run)
    total = counted(result.sent.total(), "dead letter")
    by_kind = ", ".join(f"{count:,} {each}" for each, count in sorted(result.sent.items()))
    print(f"{total} {'would be ' if dry_run else ''}sent again{by_kind and f': {by_kind}'}")
    for reason, count in result.left.most_common():
        say(f"{counted(count, 'dead letter')} not sent: {escaped(reason)}")
    _tell_strange(letters)
    if result.left:
        raise Exit(ExitStatus.FAILED)


def _settings(config: Path) -> Settings:
    need("service", "pydantic", "structlog", "yaml")
    from sigmac.runtime.service.config.configuration import load_settings

    settings = load_settings(config)
    if settings.uses_kafka:
        need("kafka", "confluent_kafka")
    return settings


@contextlib.contextmanager
def _letters(settings: Settings, kinds: list[str], *, again: bool) -> Iterator[Letters]:
    from sigmac.runtime.service.replay import open_letters

    with contextlib.closing(open_letters(settings, kinds, again=again)) as letters:
        yield letters


def _known(kinds: tuple[str, ...]) -> list[str]:
    from sigmac.runtime.stream.dead_letters import KINDS

    for kind in kinds:
        if kind not in KINDS:
            raise click.BadParameter(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    return [*kinds]


def _line(letter: DeadLetter) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(letter.time))
    part = "" if letter.index is None else f", event {letter.index}"
    origin = letter.origin
    return (
        f"{when} {letter.kind} {origin.topic}, partition {origin.partition}, offset {origin.offset}{part} "
        f"({letter.pack} {letter.version}): {letter.reason}"
    )


def _tell_strange(letters: Letters) -> None:
    if letters.strange:
        say(f"{counted(letters.strange, 'record')} passed over: no dead letters")
