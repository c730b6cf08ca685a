"""The options that say which results of a run are written, and what a match means for the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli import completion
from sigmac.cli.command import Command
from sigmac.cli.options import need, wants_color
from sigmac.results.carried import NAMES
from sigmac.results.output_form import FORMS
from sigmac.results.rule_choice import STATUSES
from sigmac.results.severity import LEVELS, NO_LEVEL

if TYPE_CHECKING:
    from sigmac.results.details import Details
    from sigmac.results.output_form import Form
    from sigmac.results.report_data import Kept
    from sigmac.results.rule_choice import Choice
    from sigmac.runtime.pack.pack import Pack

ANY = "any"
_CHOSEN_BY = ("min_level", "level", "status", "tag", "rule", "exclude_rule")
_FAIL_ON_MATCH = "--fail-on-match"
_CHOICE = (
    click.option(
        "--min-level",
        metavar="LEVEL",
        help="Only rules of this level or a higher one: informational, low, medium, high, critical.",
        shell_complete=completion.words(LEVELS),
    ),
    click.option(
        "--level",
        multiple=True,
        metavar="LEVEL,…",
        help="Only rules of these levels; `none` is for those without one. Repeatable.",
        shell_complete=completion.words([*LEVELS, NO_LEVEL]),
    ),
    click.option(
        "--status",
        multiple=True,
        metavar="STATUS,…",
        help="Only rules of these statuses, as stable,test. Repeatable.",
        shell_complete=completion.words([*STATUSES, NO_LEVEL]),
    ),
    click.option(
        "--tag",
        multiple=True,
        metavar="TAG,…",
        help="Only rules with one of these tags or one below it, as attack.t1059. Repeatable.",
    ),
    click.option(
        "--rule",
        multiple=True,
        metavar="RULE",
        help="Only this rule: its id, title, name or file, with * and ?. Repeatable.",
    ),
    click.option(
        "--exclude-rule",
        multiple=True,
        metavar="RULE",
        help="Not this rule. Repeatable.",
    ),
)
_OPTIONS = (
    click.option(
        "--output-format",
        type=click.Choice(FORMS),
        help="Form of the results. Default: table on a terminal (ndjson with --explain), else ndjson.",
    ),
    click.option(
        "--with",
        "carried",
        multiple=True,
        metavar="NAME,…",
        help="What results carry besides: time, host, user, fields (that matched), logsource, file, description, "
        "status, author, references, falsepositives. Repeatable.",
        shell_complete=completion.words(NAMES),
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write an HTML page to look through the results.",
    ),
    *_CHOICE,
    click.option(
        _FAIL_ON_MATCH,
        is_flag=False,
        flag_value=ANY,
        metavar="[LEVEL]",
        help="Exit with 3 where there is a result, or one of this level or a higher one.",
        shell_complete=completion.words(LEVELS),
    ),
)


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Which results are written and how, as the options say."""

    output_format: str | None
    carried: Sequence[str]
    report: Path | None
    min_level: str | None
    level: Sequence[str]
    status: Sequence[str]
    tag: Sequence[str]
    rule: Sequence[str]
    exclude_rule: Sequence[str]
    fail_on_match: str | None

    def choice(self, pack: Pack) -> Choice:
        """What of a pack is left out. Raises `click.BadParameter` for what there is not."""
        return choice_of(pack, **{name: getattr(self, name) for name in _CHOSEN_BY})

    def form(self, details: Details, *, event: bool, explain: bool, terminal: bool) -> Form:
        """What makes text of results. Raises `click.BadParameter` for what there is not or does not go together."""
        import shutil

        from sigmac.results.output_form import make_form
        from sigmac.results.rule_choice import near_to

        name = self.output_format or ("table" if terminal and not explain else "ndjson")
        if explain and name in ("table", "timeline"):
            raise click.BadParameter(
                f"a {name} has no explanations; give ndjson, json or csv", param_hint="--explain"
            )
        names = list(dict.fromkeys(_split(self.carried)))
        for each in names:
            if each not in NAMES:
                hint = near_to(each, NAMES, always=True)
                raise click.BadParameter(f"there is no `{each}`{hint}", param_hint="--with")
        if names and name == "timeline":
            raise click.BadParameter("a timeline has what it has", param_hint="--with")
        return make_form(
            name,
            details,
            names,
            event=event,
            explain=explain,
            width=shutil.get_terminal_size((160, 24)).columns if terminal else None,
            color=terminal and wants_color(sys.stdout),
        )

    def kept(self, details: Details) -> Kept | None:
        """Where results wait for the report, if one is asked for.

        Raises `ConfigurationError` where it cannot be made, `OSError` where it cannot be written: before the work.
        """
        if self.report is None:
            return None
        need("report", "jinja2")
        from sigmac.results.report_data import Kept

        self.report.open("ab").close()
        return Kept(details)

    def fails_on(self, level: str | None) -> bool:
        """Whether a result of this level is one to fail on."""
        from sigmac.results.severity import rank

        if self.fail_on_match is None:
            return False
        return self.fail_on_match == ANY or rank(level) >= rank(self.fail_on_match)


class ResultsCommand(Command):
    """A command with `--fail-on-match [LEVEL]`, whose level is none of the arguments that may follow it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        for i, each in enumerate(args[:end]):
            if each == _FAIL_ON_MATCH and (i + 1 == len(args) or args[i + 1].lower() not in LEVELS):
                args[i] = f"{_FAIL_ON_MATCH}={ANY}"
        return super().parse_args(ctx, args)


def choice_of(
    pack: Pack,
    *,
    min_level: str | None,
    level: Sequence[str],
    status: Sequence[str],
    tag: Sequence[str],
    rule: Sequence[str],
    exclude_rule: Sequence[str],
) -> Choice:
    """What of a pack the options leave out. Raises `click.BadParameter` for what there is not."""
    from sigmac.results.rule_choice import UnknownValueError, Wanted, choose

    wanted = Wanted(
        min_level and min_level.lower(),
        [each.lower() for each in _split(level)],
        [each.lower() for each in _split(status)],
        _split(tag),
        rule,
        exclude_rule,
    )
    try:
        return choose(pack, wanted)
    except UnknownValueError as error:
        raise click.BadParameter(str(error), param_hint=error.option) from None


def rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose rules; it gets them as a function from a pack, called `choose`."""

    @wraps(command)
    def choosing(**given: Any) -> None:
        named = {name: given.pop(name) for name in _CHOSEN_BY}
        command(choose=partial(choice_of, **named), **given)

    for option in reversed(_CHOICE):
        option(choosing)
    return choosing


def result_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of results; it gets them as one `ResultOptions`, called `results`."""

    @wraps(command)
    def choosing(**given: Any) -> None:
        named = {name: given.pop(name) for name in ResultOptions.__slots__}
        level = named["fail_on_match"]
        if level not in (None, ANY, *LEVELS):
            message = f"there is no level `{level}`; there are {', '.join(LEVELS)}"
            raise click.BadParameter(message, param_hint=_FAIL_ON_MATCH)
        command(results=ResultOptions(**named), **given)

    for option in reversed(_OPTIONS):
        option(choosing)
    return choosing


def _split(given: Sequence[str]) -> list[str]:
    return [part.strip() for each in given for part in each.split(",") if part.strip()]
