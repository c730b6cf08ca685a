"""The pages tell the truth: what they show is run, what they list is compared, where they point there is something.

The first line of a fenced block says what is done with it:

- ``console``: the commands behind `$ ` run in order, in an empty folder for each page; the lines below a command are
  what it prints, where `…` stands for anything within a line, and alone on a line for any lines.
- ``yaml file=NAME``: written to that file of the folder, for the commands that follow.
- ``python from=NAME``: stands in that file, which a command has made; `…` alone on a line leaves lines out. Comments
  `fmt: off` and `on` around it keep our formatter from laying it out anew.
- ``python``: runs, as a doctest where it has `>>>`.
- ``yaml`` with lines `# yes: EVENT`, `# no: EVENT`, `# error: CODE`, `# warning: CODE` or `# with: NAME=VALUE,…`: parts
  between blank lines are each an item, a detection or a rule, which the reference evaluator and a pack must agree on.
- ``yaml sequence``: correlations over events, see `test_sequences.py`.
- anything else: only its options of `sigmac` are checked.
"""

from __future__ import annotations

import doctest
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.util import find_spec
from itertools import filterfalse
from pathlib import Path
from typing import Any

import orjson
import pytest
from click import Context
from click.testing import CliRunner

import sigmac
from sigmac.cli import app
from sigmac.cli.exit_status import ExitStatus
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning import reference
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.modifiers.modifiers import MODIFIERS
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import Pack, load_pack
from sigmac.runtime.pack.checked_arrays import load_arrays

ROOT = Path(__file__).resolve().parents[2]
RUN = (
    "guide",
    "correlations",
    "reference",
    "semantics",
    "pack",
    "design",
    "testing",
    "recipes",
    "cases",
    "coverage",
    "diff",
    "explain",
    "ci",
    "tutorial",
    "project",
    "migration",
)
PAGES = ("README.md", *(f"docs/{name}.md" for name in RUN))
WITH_TOOLS = {"docs/recipes.md": ("fastapi", "httpx2", "pandas", "polars")}
IN_A_CLONE = {"docs/correlations.md"}  # their readers have `rules`
LINKED = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "rules/*.md")
    for path in ROOT.glob(pattern)
)
COMMANDS = {name: app.get_command(Context(app), name) for name in app.list_commands(Context(app))}
MARK = "--- end of command ---"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `info` is what stands behind the first fence, `line` the number of its first line."""

    page: str
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    def named(self, key: str) -> str | None:
        """The value of `key=value` in the info string."""
        return next(
            (w.removeprefix(f"{key}=") for w in self.info.split() if w.startswith(f"{key}=")), None
        )

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def page_text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    text = page_text(page)
    return tuple(
        Block(page, text.count("\n", 0, m.end(2)) + 2, m[2].strip(), textwrap.dedent(m[3]))
        for m in re.finditer(r"^( *)```(\S[^\n]*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    )


def section(page: str, heading: str) -> str:
    """What stands under a heading, down to the next one of its level or above."""
    text = re.sub(r"^```.*?^```$", "", page_text(page), flags=re.MULTILINE | re.DOTALL)
    match = re.search(rf"^(#+) `?{re.escape(heading)}`?$", text, re.MULTILINE)
    assert match, f"{page} has no heading {heading!r}"
    rest = text[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, heads and rules left out."""
    found: list[list[str]] = []
    for match in re.finditer(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", match[1])]
        if set(match[1]) <= set("|-: "):
            found.pop()  # the row above was the head
        else:
            found.append(cells)
    return found


def code(text: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


# Commands, Python and excerpts


class Folder:
    """Where the blocks of a page run: an empty folder with a key to sign with, and `sigmac` on the path."""

    def __init__(self, path: Path, home: Path):
        self.path = path
        self.names: dict[str, Any] = {"__name__": "page"}
        programs = home / "programs"
        programs.mkdir()
        program = "import sys; sys.argv[0] = 'sigmac'; from sigmac.cli import main; main()"
        for name, given in (("sigmac", f'-c "{program}" "$@"'), ("python", '"$@"')):
            shim = programs / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {given}\n')
            shim.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("COV_", "PYTEST_"))},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(home / "cache"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        write_keys(path)

    def run(self, block: Block) -> None:
        steps = list(sessions(block.text))
        script = "\n".join(
            f'{command}\nstatus=$?; echo; echo "{MARK}"; (exit $status)' for command, _ in steps
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        printed = done.stdout.split(f"\n{MARK}\n")
        for (command, wanted), text in zip(steps, printed, strict=False):
            assert_shown(f"{block}: $ {command}", wanted, text)


def write_keys(folder: Path) -> None:
    """What the two `openssl` commands of the guide make."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "signing.pem").write_bytes(private)
    (folder / "signing.pub").write_bytes(public)


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    command: list[str] = []
    shown: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), "\n".join(shown)
            command, shown = [line[2:]], []
        elif command and command[-1].endswith("\\") and not shown:
            command.append(line.removeprefix("> "))
        else:
            shown.append(line)
    assert command, "a console block without a command"
    yield "\n".join(command), "\n".join(shown)


def assert_shown(where: str, wanted: str, printed: str) -> None:
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else f"{elided(line)} *\n"
        for line in wanted.strip("\n").splitlines()
    )
    text = printed.strip("\n")
    found = f"{text}\n" if text else ""
    if not re.fullmatch(pattern, found):
        pytest.fail(f"{where}\nprinted\n{text}\ninstead of\n{wanted}", pytrace=False)


def assert_excerpt(block: Block, text: str, name: str) -> None:
    parts = re.split(r"^ *…\n", block.text, flags=re.MULTILINE)
    if not re.search(r"(?:.*\n)*?".join(map(re.escape, parts)), text):
        pytest.fail(f"{block}\n{name} is\n{text}", pytrace=False)


def elided(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.rstrip().split("…"))


def run_python(block: Block, names: dict[str, Any]) -> None:
    if ">>>" not in block.text:
        # Line breaks in front, so that a traceback shows the line of the page.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, block.page, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, str(block), block.page, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    printed: list[str] = []
    runner.run(test, out=printed.append, clear_globs=False)
    names.update(test.globs)
    if runner.failures:
        pytest.fail(f"{block}\n{''.join(printed)}", pytrace=False)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page == "docs/guide.md" else ())
        for page in PAGES
    ],
)
def test_what_a_page_shows_is_what_happens(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page in WITH_TOOLS and (missing := [*filterfalse(find_spec, WITH_TOOLS[page])]):
        pytest.skip(f"{', '.join(missing)} not installed: `make recipe-tools` does it")
    work = tmp_path / "work"
    work.mkdir()
    if page in IN_A_CLONE:
        shutil.copytree(ROOT / "rules", work / "rules")
    folder = Folder(work, tmp_path)
    monkeypatch.chdir(work)
    for block in blocks(page):
        name, made = block.named("file"), block.named("from")
        if name:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(block.text, encoding="utf-8")
        elif made:
            assert_excerpt(block, (work / made).read_text(encoding="utf-8"), made)
        elif block.language == "console":
            folder.run(block)
        elif block.language == "python":
            run_python(block, folder.names)


# Examples of semantics

VERDICT = re.compile(r"^# (yes|no|error|warning|with): *(.*)$", re.MULTILINE)


@dataclass(slots=True)
class Example:
    """An item, a detection or a rule with what it does; its title is where it stands."""

    title: str
    rule: str
    verdicts: list[tuple[bool, dict[str, Any]]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)


def examples(page: str) -> Iterator[Example]:
    for block in blocks(page):
        if block.info != "yaml" or not VERDICT.search(block.text):
            continue
        line = block.line
        for part in block.text.split("\n\n"):
            yield example(f"{page}:{line}", part)
            line += part.count("\n") + 2


def example(title: str, part: str) -> Example:
    found = VERDICT.findall(part)
    assert found, f"{title}: an example without `# yes:`, `# no:`, `# error:` or `# warning:`"
    made = Example(title, rule_text(title, VERDICT.sub("", part).strip("\n")))
    for word, rest in found:
        if word == "with":
            name, _, values = rest.partition("=")
            made.values[name] = values.split(",")
        elif word in ("yes", "no"):
            made.verdicts.append((word == "yes", json.loads(rest)))
        else:
            made.codes.append(rest.strip())
    return made


def rule_text(title: str, text: str) -> str:
    """A whole rule; what the first document leaves out is put around it."""
    text, *others = text.split("\n---\n")
    if not re.search(r"^(detection|correlation|filter):", text, re.MULTILINE):
        if not re.search(r"^condition:", text, re.MULTILINE):
            text = f"selection:\n{textwrap.indent(text, '    ')}\ncondition: selection"
        text = f"detection:\n{textwrap.indent(text, '    ')}"
    for key, value in (("logsource", "{product: any}"), ("title", f"'{title}'")):
        if not re.search(rf"^{key}:", text, re.MULTILINE):
            text = f"{key}: {value}\n{text}"
    return "\n---\n".join((text, *others)) + "\n"


@dataclass(slots=True)
class Built:
    """All examples, the pack that they make, and the codes that are reported for each."""

    examples: list[Example]
    values: dict[str, list[str | int | float]]
    pack: Pack
    codes: dict[str, set[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("examples")
    found = [each for page in PAGES for each in examples(page)]
    values: dict[str, list[str | int | float]] = {}
    for number, each in enumerate(found):
        (folder / f"example_{number}.yml").write_text(each.rule, encoding="utf-8")
        for name, given in each.values.items():
            assert values.setdefault(name, list(given)) == given
    options = BuildOptions("docs", placeholders=values, skip_errors=True, jobs=1)
    result = compile_sources(find_sources([folder]), options, Cache(None))
    write_pack(result.rendered, folder / "pack")
    codes: dict[str, set[str]] = {each.title: set() for each in found}
    for diagnostic in result.diagnostics:
        number = int(Path(diagnostic.place.file).stem.removeprefix("example_"))
        codes[found[number].title].add(diagnostic.code)
    return Built(found, values, load_pack(folder / "pack"), codes)


def test_every_modifier_has_an_example(built: Built) -> None:
    rules = "\n".join(each.rule for each in built.examples if each.verdicts)
    assert set(re.findall(r"(?<=\|)[a-z0-9]+", rules)) == MODIFIERS.keys()


def test_examples_say_what_the_reference_evaluator_says(built: Built) -> None:
    pipelines = load_pipelines((), built.values)
    wrong = []
    for each in built.examples:
        contents = read_file(each.rule.encode(), each.title)
        filters = acting_in([contents], Diagnostics()).on
        for rule, on_it in zip(contents.rules, filters, strict=True) if each.verdicts else ():
            (variant,) = pipelines.apply(join(rule, on_it), Diagnostics())
            wrong += [
                f"{each.title}: {event} is not {'yes' if matched else 'no'}"
                for matched, event in each.verdicts
                if bool(reference.matches(variant.rule, event)) is not matched
            ]
    assert wrong == []


def test_examples_say_what_a_pack_says(built: Built) -> None:
    titles = [rule.title for rule in built.pack.rules]
    wrong = []
    for each in built.examples:
        for matched, event in each.verdicts:
            one = each.title in {match.rule.title for match in built.pack.match(event)}
            batch = built.pack.match_batch(orjson.dumps(event))
            other = titles.index(each.title) in batch.rule.tolist()
            if one is not matched or other is not matched:
                wrong.append(f"{each.title}: {event} is not {'yes' if matched else 'no'}")
    assert wrong == []


def test_examples_are_refused_or_warned_of_as_they_say(built: Built) -> None:
    # That an example is like another one of the page is not what it is about.
    beside = {"W_RULE_TWICE", "W_FIELD_CASE", "W_TITLE_TWICE", "W_NAME_TWICE"}
    said = {title: codes - beside for title, codes in built.codes.items()}
    assert said == {each.title: set(each.codes) for each in built.examples}


# Lists


def option_names(command: Any) -> set[str]:
    context = command.make_context("sigmac", [], resilient_parsing=True)
    names = {
        name
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    of_subcommands = map(option_names, getattr(command, "commands", {}).values())
    return names.union(command.get_help_option_names(context), *of_subcommands)


OPTIONS = {name: option_names(command) for name, command in COMMANDS.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_lists_every_option(command: str) -> None:
    listed = {
        name
        for first, *_ in rows(section("docs/reference.md", f"sigmac {command}"))
        for name in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(code(first)))
    }
    # -h is told of once, for all.
    assert listed == OPTIONS[command] - {"-h", "--help"}


def test_the_reference_lists_every_command_and_exit_status() -> None:
    table = section("docs/reference.md", "Commands").partition("\n### ")[0]
    commands = {code(first)[0] for first, *_ in rows(table) if "sigmac" in first}
    assert commands == {f"sigmac {name}" for name in COMMANDS}
    listed = {
        int(first): second
        for first, second, *_ in rows(section("docs/reference.md", "Exit statuses"))
    }
    assert listed == {int(status): f"`{status.name}`" for status in ExitStatus}


@pytest.mark.parametrize(
    ("page", "heading"), [("docs/semantics.md", "All modifiers"), ("docs/support.md", "Modifiers")]
)
def test_every_modifier_is_listed(page: str, heading: str) -> None:
    listed = {name for first, *_ in rows(section(page, heading)) for name in code(first)}
    assert listed == MODIFIERS.keys()


def test_the_pack_page_lists_every_key_and_array(built: Built) -> None:
    keys = {code(first)[0] for first, *_ in rows(section("docs/pack.md", "The manifest"))}
    assert keys == built.pack.manifest.keys()
    listed = {
        code(first)[0]: (code(dtype)[0], len(re.findall(r"\w+", shape)))
        for first, dtype, shape, *_ in rows(section("docs/pack.md", "The tables"))
    }
    arrays = load_arrays((built.pack.path / "tables.npz").read_bytes())
    assert listed == {name: (str(a.dtype), a.ndim) for name, a in arrays.items()}


# Forms of output

# What stands below these is called as rules, pipelines and levels are.
NAMES = frozenset({"selections", "levels", "custom", "event"})
RICH = """
title: rich
id: 5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11
level: high
tags: [attack.t1105, attack.t1086]
logsource: {product: windows, category: process_creation}
detection:
    selection:
        - A|base64offset|contains: whoami
        - {B|fieldref|neq: C, D: '*'}
    keywords: [one, two]
    condition: selection and not keywords
"""
EVENT = {"A": "x" * 2000, "B": "b", "C": ["c", None], "D": True}


def output(*arguments: str) -> Any:
    """What a command that succeeds prints, as JSON."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            if key not in NAMES or not isinstance(child, dict) or "present" in child:
                yield from keys_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from keys_of(child)


@pytest.mark.parametrize(
    ("page", "heading", "arguments"),
    [
        ("reference", "Matches", "run pack event.json --quiet --explain"),
        ("reference", "Diagnostics as JSON", "check rich.yml --format json"),
        ("reference", "Diagnostics as JSON", "check --list --format json"),
        ("explain", "--format json", "explain rich.yml event.json -p windows --format json"),
        ("explain", "--format json", "explain rich.yml two.ndjson -p windows --format json"),
        ("inspect", "--format json", "inspect pack --format json"),
        ("inspect", "--format json", "inspect pack --rules --format json"),
        ("inspect", "--format json", "inspect pack --rule rich --format json"),
        ("fields", "--format json", "fields pack event.json --unused --format json"),
        ("diff", "--format json", "diff poor.yml rich.yml event.json -p none --format json"),
        ("coverage", "--format json", "coverage pack --fired fired.json --format json"),
    ],
)
def test_every_key_of_an_output_is_described(
    page: str, heading: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rich.yml").write_text(RICH, encoding="utf-8")
    Path("poor.yml").write_text(RICH.replace("[one, two]", "[x]"), encoding="utf-8")
    Path("event.json").write_bytes(orjson.dumps(EVENT))
    Path("two.ndjson").write_bytes(b'{"A": 1}\n{"b": "x"}\n')
    Path("fired.json").write_bytes(orjson.dumps({"rule": {"id": None, "title": "rich"}}))
    options = BuildOptions("pack", skip_errors=True, jobs=1)
    result = compile_sources(find_sources(["rich.yml"]), options, Cache(None))
    write_pack(result.rendered, Path("pack"))
    text = section(f"docs/{page}.md", heading) + section("docs/reference.md", "Rule")
    described = {word for each in code(text) for word in re.findall(r"\w+", each)}
    given = set(keys_of(output(*arguments.split())))
    assert given
    assert given - described == set()


def test_the_reference_names_every_public_name() -> None:
    text = section("docs/reference.md", "Python")
    named = {word for each in code(text) for word in re.findall(r"\w+", each)}
    assert set(sigmac.__all__) - {"__version__"} <= named
    for kind in (
        *(sigmac.Rule, sigmac.Match, sigmac.BatchResult, sigmac.Rejected),
        *(sigmac.Alert, sigmac.Limits),
    ):
        assert {each.name for each in fields(kind)} <= named
    assert {name for name in vars(sigmac.Pack) if not name.startswith("_")} - INTERNAL <= named


# Of `Pack`, for the parts of the runtime.
INTERNAL = frozenset(
    {"condition", "engines", "forget_sightings", "logsource", "match_each", "sightings", "tagged"}
)


# Command lines


def command_lines(page: str) -> Iterator[tuple[str, str]]:
    for block in blocks(page):
        for line in re.sub(r"\\\n", " ", block.text).splitlines():
            yield f"{block}: {line.strip()}", line


def unknown_options(line: str) -> list[str]:
    """The options of `sigmac` in a line of shell that it has not."""
    for match in re.finditer(r"(?:^|[\s|(])sigmac (\w+) ", line):
        if match[1] in OPTIONS:
            lexer = shlex.shlex(line[match.end() :], posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = itertools.takewhile(lambda word: not set(word) <= set("();<>|&"), lexer)
            given = [word.partition("=")[0] for word in words]
            return [w for w in given if re.match(r"-+[a-z]", w) and w not in OPTIONS[match[1]]]
    return []


@pytest.mark.parametrize("page", [page for page in LINKED if page != "docs/checks.md"])
def test_commands_on_pages_have_the_options_that_they_use(page: str) -> None:
    assert [where for where, line in command_lines(page) if unknown_options(line)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_in_the_help_have_the_options_that_they_use(command: str) -> None:
    lines = [line.strip() for line in COMMANDS[command].epilog.splitlines() if "sigmac " in line]
    assert lines
    assert all(f"sigmac {command}" in line for line in lines)
    assert [line for line in lines if unknown_options(line)] == []


# Links


def slug(heading: str) -> str:
    """The anchor that code hosts give a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return frozenset(slug(m) for m in re.findall(r"^#+ (.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("page", LINKED)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", page_text(page), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []
