"""The command line: one command a file, imported when it is called, as is what the command needs."""

from __future__ import annotations

import io
import os
import sys

import click

from sigmac.cli.command import LazyGroup
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.shell import VARIABLE, complete, install_completion, show_completion

# What each does, as the first sentence of its docstring says it.
COMMANDS = {
    "build": "Compile rules to a pack.",
    "check": "Report errors, warnings and notes of rules, and mend what has one right answer.",
    "test": "Judge the cases beside rules: events that they must match, and events that they must not.",
    "lsp": "Answer an editor over standard input and output, by the Language Server Protocol.",
    "run": "Evaluate events and write what rules match and what correlations alert of.",
    "serve": "Evaluate streams: topics of Redpanda or Kafka, or followed files, as a configuration says.",
    "push": "Send a pack to a running service, which checks it and swaps it in: in all workers or in none.",
    "status": "Show how a running service does: its workers, its packs, and what was counted.",
    "watch": "Show matches of a running service as they are made, one JSON object a line, until Ctrl-C.",
    "explain": "Show which parts of a rule are true for an event, and what the event holds there.",
    "formats": "List the formats of logs that are read; a file's is told by its content.",
    "pipelines": "List the pipelines that are shipped, or show one.",
    "fields": "Show which rules can never match these events, and which fields or values they ask for in vain.",
    "coverage": "Show what rules cover of MITRE ATT&CK, and what of it fired.",
    "new": "Draft a rule, with its cases, from an event that it should match.",
    "diff": "Show what differs between two packs or sets of rules, and in what they match.",
    "migrate": "Say what becomes of rules on the way from the Go engine to sigmac, and write files to go on with.",
    "shadow": "Ask go-sigma-rule-engine and sigmac about the same events, and say where they differ and why.",
    "shadow-live": "Compare the matches that the Go program and sigmac write of the same topics, while both run.",
    "inspect": "Show what a pack holds and whether it verifies; none of its code is run.",
    "config": "Check a configuration of the service, print its schema, or show the project file.",
    "dlq": "List dead letters, or send them again.",
}
EPILOG = """Exit status: 0 done, 1 something is faulty or fails, 2 wrong usage, 3 a match (`run --fail-on-match`).
Docs: docs/guide.md
"""


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from sigmac import __version__

        print(f"sigmac {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@install_completion
@show_completion
def app() -> None:
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

    # NumPy's linear algebra, which nothing here asks for, would start a thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Rules and events hold characters that the terminal's encoding may not have.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            sys.exit(_run(sys.argv[1:]))
        finally:
            _flush_output()
    except SigmacError as error:
        _say(f"sigmac: {error}")
        sys.exit(ExitStatus.FAILED)
    except BrokenPipeError:
        sys.exit(ExitStatus.PIPE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"sigmac: {where}{error.strerror or error}")
        sys.exit(ExitStatus.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)


def _say(message: str) -> None:
    from sigmac.cli.options import say

    say(message)


def _run(arguments: list[str]) -> int:
    """Carry out a command, or complete a word for the shell; the exit status."""
    if instruction := os.environ.get(VARIABLE):
        return complete(app, instruction)
    try:
        with app.make_context("sigmac", arguments) as context:
            app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.UsageError) and error.ctx is not None and error.ctx.default_map:
            # What is wrong may stand there.
            _say("sigmac: options of a project file count here; see `sigmac config show`")
        return error.exit_code
    return ExitStatus.OK


__all__ = ["app", "main"]
