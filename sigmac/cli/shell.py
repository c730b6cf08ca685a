"""Completion in the user's shell: which shell that is, the script it needs, and where the script is put."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.exit_status import ExitStatus

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import ShellComplete

VARIABLE = "_SIGMAC_COMPLETE"  # the script of a shell asks by it
SHELLS = ("bash", "zsh", "fish")
_CURRENT = "the current one"


def _show(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell and not ctx.resilient_parsing:
        print(_completion(ctx, shell).source().rstrip("\n"))
        raise Exit


def _install(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell and not ctx.resilient_parsing:
        completion = _completion(ctx, shell)
        path = _installed(completion.name, completion.source())
        print(f"{completion.name} completion installed in {path}")
        print("Completion will take effect once you restart the terminal")
        raise Exit


install_completion = click.option(
    "--install-completion",
    is_flag=False,
    flag_value=_CURRENT,
    metavar="[SHELL]",
    is_eager=True,
    expose_value=False,
    callback=_install,
    help="Install completion for a shell: bash, zsh or fish, by default the current one.",
)
show_completion = click.option(
    "--show-completion",
    is_flag=False,
    flag_value=_CURRENT,
    metavar="[SHELL]",
    is_eager=True,
    expose_value=False,
    callback=_show,
    help="Show completion for a shell, to copy it or to customize the installation.",
)


def complete(command: click.Command, instruction: str) -> int:
    """Answer a shell that completes a word; the exit status."""
    from click.shell_completion import shell_complete

    return shell_complete(command, {}, "sigmac", VARIABLE, instruction)


def _completion(ctx: click.Context, shell: str) -> ShellComplete:
    from click.shell_completion import get_completion_class

    name = _current_shell() if shell == _CURRENT else shell
    found = get_completion_class(name) if name in SHELLS else None
    if found is None:
        click.echo(f"Shell {name or 'of this process'} is not supported.", err=True)
        raise Exit(ExitStatus.FAILED)
    return found(ctx.command, {}, "sigmac", VARIABLE)


def _current_shell() -> str:
    """The shell that started this process, where that can be seen, else the user's."""
    user = os.environ.get("SHELL", "").rpartition("/")[2]
    return next((name for name in _ancestors() if name in SHELLS), user)


def _ancestors() -> Iterator[str]:
    """The names of the processes above this one, as far as the system tells."""
    process = os.getppid()
    while process > 1:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            return
        yield name.removeprefix("-")  # a shell of a login has it
        process = int(rest.split()[1])


def _installed(shell: str, script: str) -> Path:
    """Write the script where the shell finds it, and tell the shell where that is not by itself."""
    from pathlib import Path

    home = Path.home()
    if shell == "fish":
        path = home / ".config" / "fish" / "completions" / "sigmac.fish"
    elif shell == "zsh":
        path = home / ".zfunc" / "_sigmac"
        _ensure(home / ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
    else:
        path = home / ".bash_completions" / "sigmac.sh"
        _ensure(home / ".bashrc", f"source '{path}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    return path


def _ensure(file: Path, line: str) -> None:
    """A line at the end of a file, unless the file has it."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    if line not in text:
        with file.open("a", encoding="utf-8") as end:
            end.write(f"\n{line}\n")
