"""What the program imports to answer at once, and what its help and its messages say."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from sigmac.cli import COMMANDS, app
from sigmac.runtime.inputs.lines import MAX_RECORD
from tests.unit.cli.conftest import ROOT, Run

SLOW = ("numpy", "pydantic", "rich", "typer", "multiprocessing", "concurrent", "asyncio", "yaml")
ROOMS = ("sigmac.runtime.", "sigmac.compiler.")
LIGHT = ("sigmac.runtime.errors", "sigmac.runtime.printable")


def imported(*arguments: str, **environment: str) -> list[str]:
    """The modules that the program has imported when it ends."""
    program = """if True:
        import atexit, sys
        atexit.register(lambda: print(*sys.modules, sep="\\n", file=sys.stderr))
        from sigmac.cli import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_no_command_is_imported_that_is_not_called(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert [name for name in modules if name.partition(".")[0] in SLOW] == []
    assert [name for name in COMMANDS if f"sigmac.cli.{name}" in modules] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_completion_of_a_command_import_no_part_that_does_its_work(command: str) -> None:
    line = f"sigmac {command} --"
    for modules in (
        imported(command, "--help"),
        imported(COMP_WORDS=line, COMP_CWORD="2", _SIGMAC_COMPLETE="bash_complete"),
    ):
        assert [name for name in modules if name.partition(".")[0] in SLOW] == []
        assert [n for n in modules if n.startswith(ROOMS) and n not in LIGHT] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(command: str) -> None:
    name = command.replace("-", "_")
    found = getattr(import_module(f"sigmac.cli.{name}"), name)
    assert COMMANDS[command] == found.get_short_help_str(limit=1000)
    assert CliRunner().invoke(app, [command, "--help"], prog_name="sigmac").exit_code == 0


def test_a_consumer_installs_no_pydantic() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "requirements" / "consumer.txt").read_text(encoding="utf-8")
    assert "pydantic" not in pins
    assert any(each.startswith("pydantic") for each in project["optional-dependencies"]["service"])


def test_arguments_and_examples_are_in_the_help(sigmac: Run) -> None:
    done = sigmac("push", "--help")
    assert "Usage: sigmac push [OPTIONS] [PACK]\n" in done.stdout
    assert "\nArguments:\n  [PACK]  Folder or name of a rule pack.\n" in done.stdout
    # An example is a line to copy, however long it is.
    example = "  sigmac push build/windows --to sigmac.example:9090 --as windows --token-file token --ca ca.pem\n"
    assert example in done.stdout
    assert "[required]" in sigmac("serve", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nope", "No such command 'nope'."),
        ("buil", "No such command 'buil'. Did you mean 'build'?"),
        ("dlq lst", "No such command 'lst'. Did you mean 'list'?"),
        ("inspect", "Missing argument 'PACK'."),
        (
            "build",
            "name rule files or folders; a project file (sigmac.toml) may name them for good",
        ),
        ("build x --jobs y", "Invalid value for '--jobs' / '-j': 'y' is not a valid whole number."),
        ("run --workers 0 x", "Invalid value for '--workers': 0 is not in the range x>=1."),
        ("inspect x --format xml", "'xml' is not one of 'text', 'json'."),
        ("status", "Missing option '--to'."),
        (
            "status --to a:1 --ca nothing",
            "Invalid value for '--ca': File 'nothing' does not exist.",
        ),
        ("status --to a:1 --plaintext --ca pyproject.toml", "certificates are for --tls"),
    ],
)
def test_wrong_usage_is_told_with_where_help_is(sigmac: Run, arguments: str, message: str) -> None:
    done = sigmac(*arguments.split(), cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    usage, hint, _, error = done.stderr.splitlines()
    assert usage.startswith("Usage: sigmac ")
    assert hint.startswith("Try 'sigmac ")
    assert error.startswith("Error: ")
    assert error.endswith(message)


def test_without_a_command_the_help_is_shown_and_the_usage_is_wrong(sigmac: Run) -> None:
    for group in ([], ["config"], ["dlq"]):
        done = sigmac(*group)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == sigmac(*group, "--help").stdout


def test_the_longest_record_is_that_of_the_reader() -> None:
    run = app.get_command(click.Context(app), "run")
    assert run is not None
    (option,) = (each for each in run.params if each.name == "max_record")
    assert option.default << 20 == MAX_RECORD
