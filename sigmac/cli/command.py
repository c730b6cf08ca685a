"""Commands of click: a command's module is imported when the command is called, and help tells of arguments too."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Argument(click.Argument):
    """An argument with a line in the help of its command."""

    def __init__(self, *declarations: Any, help: str, **attributes: Any):
        super().__init__(*declarations, **attributes)
        # Not `help`: that is click's own from 8.5 on, and none before.
        self.explanation = help

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, Any]:
        # Older versions of click give an empty tuple where nothing is given, which would win over a default.
        given = {name: value for name, value in opts.items() if value != ()}
        return super().consume_value(ctx, given)


class Command(click.Command):
    """A command whose help has its arguments above its options, and its examples as they are written."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_arguments(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = [
            (each.make_metavar(ctx), each.explanation + "  [required]" * each.required)
            for each in self.params
            if isinstance(each, Argument)
        ]
        if lines:
            with formatter.section("Arguments"):
                formatter.write_dl(lines)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lines to copy: none is wrapped."""
        if self.epilog:
            formatter.write_paragraph()
            for line in self.epilog.splitlines():
                formatter.write(f"  {line.strip()}\n" if line else "\n")


class Group(click.Group, Command):
    """Commands in the order in which they were written."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def about(self, name: str) -> str:
        """What a command does, in one sentence."""
        return self.commands[name].get_short_help_str(limit=1000)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.about(name)) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        begun = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [
            *(CompletionItem(name, help=self.about(name)) for name in begun),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], known)
            ctx.fail(
                f"No such command {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else "")
            )
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """Commands by what they do; each lies in a module `sigmac.cli.NAME`, imported when it is called."""

    def __init__(self, *, lazy: Mapping[str, str], **attributes: Any):
        super().__init__(**attributes)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def about(self, name: str) -> str:
        return self.lazy[name]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"sigmac.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command
