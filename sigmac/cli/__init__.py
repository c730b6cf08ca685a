"""The command line: one command a file; what a command needs is imported when it is called."""

from __future__ import annotations

import io
import os
import sys

import typer

from sigmac.cli.build import build
from sigmac.cli.check import check
from sigmac.cli.config import config
from sigmac.cli.dlq import dlq
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.explain import explain
from sigmac.cli.inspect import inspect
from sigmac.cli.options import say
from sigmac.cli.push import push
from sigmac.cli.run import run
from sigmac.cli.serve import serve
from sigmac.cli.status import status
from sigmac.cli.watch import watch

app = typer.Typer(
    name="sigmac",
    help="Compile Sigma rules to Python and run them over events.",
    epilog="Exit status: 0 done, 1 a rule or the input is faulty, 2 wrong usage. Docs: docs/guide.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (build, check, run, serve, push, status, watch, explain, inspect):
    app.command(epilog=_command.__globals__["EXAMPLE"])(_command)
app.add_typer(config)
app.add_typer(dlq)


def _show_version(wanted: bool) -> None:
    if wanted:
        from sigmac import __version__

        print(f"sigmac {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Compile Sigma rules to Python and run them over events."""


def _stand_in_for_closed_streams() -> None:
    """A standard stream that the caller closed gets its number back, so that no other file takes it.

    Messages go nowhere then; to read events or to write output there fails, as a closed file does.
    """
    stand_ins = ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY))
    for number, name, flags in stand_ins:
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, flags)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
            stream = os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8")
            setattr(sys, name, stream)


def _flush_output() -> None:
    """Write what waits for standard output. Raises `OSError` that names it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python tries once more at exit: give it somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OSError(error.errno, error.strerror, "standard output") from None


def main() -> None:
    """Entry point of the console script: a user's mistake is one line on standard error, never a traceback."""
    from sigmac.runtime.errors import SigmacError

    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Rules and events hold characters that the terminal's encoding may not have.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="sigmac", standalone_mode=True)
        finally:
            _flush_output()
    except SigmacError as error:
        say(f"sigmac: {error}")
        sys.exit(ExitStatus.FAILED)
    except SystemExit as end:
        # The reader went away, as `head` does: Typer says nothing, as it should, but exits with 1.
        if isinstance(end.__context__, BrokenPipeError):
            sys.exit(ExitStatus.PIPE)
        raise
    except BrokenPipeError:
        sys.exit(ExitStatus.PIPE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"sigmac: {where}{error.strerror or error}")
        sys.exit(ExitStatus.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)


__all__ = ["app", "main"]
