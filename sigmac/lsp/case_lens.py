"""The tests of a rule: a lens above it runs them, as `sigmac test` does, and what failed is shown at its title."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from lsprotocol import types

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.lsp.checking import Settings
from sigmac.lsp.shown_diagnostics import SOURCE, Locate
from sigmac.lsp.texts.loose_yaml import LooseDocument
from sigmac.lsp.texts.open_text import OpenText

COMMAND = "sigmac.runTests"
TITLE = "Run the tests of this rule"
_SECONDS = 300  # that a run may take
_MOST = 20  # failures that are shown


@dataclass(frozen=True, slots=True)
class CaseRun:
    """What came of a run: a sentence, whether all is well, and what is shown at the rule's title."""

    said: str
    is_passed: bool
    failures: Sequence[types.Diagnostic] = ()


def lenses(text: OpenText) -> list[types.CodeLens]:
    """A lens for each rule and correlation of a text."""
    return [
        types.CodeLens(text.positions.range(start, end), command(text, number))
        for number, start, end in _titles(text)
    ]


def command(text: OpenText, number: int) -> types.Command:
    """What runs the tests of one of a text's documents."""
    return types.Command(TITLE, COMMAND, arguments=[text.uri, number])


def document_number(text: OpenText, offset: int) -> int | None:
    """Which document with tests an offset is in; None where there is none."""
    for number, document in enumerate(text.documents):
        if document.start <= offset <= document.end and _title(text, document) is not None:
            return number
    return None


def _titles(text: OpenText) -> Iterator[tuple[int, int, int]]:
    for number, document in enumerate(text.documents):
        span = _title(text, document)
        if span is not None:
            yield number, *span


def _title(text: OpenText, document: LooseDocument) -> tuple[int, int] | None:
    """Where the title of a rule or correlation stands; None for any other document."""
    title = document.get("title")
    keys = {each.path[0] for each in document.children(())}
    if title is None or title.end == title.start or not keys & {"detection", "correlation"}:
        return None
    return title.start, title.end


async def run(
    text: OpenText, number: int, settings: Settings, folder: str, locate: Locate
) -> CaseRun:
    """Run the tests of a document of a saved text, by `sigmac test` in a process of its own."""
    document = next(itertools.islice(text.documents, max(number, 0), None), None)
    span = None if document is None else _title(text, document)
    if document is None or span is None:
        return CaseRun("no rule stands here", False)
    output, errors = await _output(_arguments(text, settings), folder)
    try:
        report = orjson.loads(output)
    except ValueError:
        said = errors.decode("utf-8", "replace").strip() or "`sigmac test` said nothing"
        return CaseRun(said.removeprefix("sigmac: ").removeprefix(f"{text.file}: "), False)
    # A rule's line is that of its first key.
    first, last = (text.positions.position(at).line + 1 for at in (document.start, document.end))
    here = os.path.realpath(text.file)
    cases = [
        each
        for each in report["cases"]
        if first <= each["rule"]["line"] <= last
        and os.path.realpath(os.path.join(folder, each["rule"]["file"])) == here
    ]
    errors_told = [each["message"] for each in report["diagnostics"] if each["severity"] == "error"]
    failed = [each for each in cases if not each["passed"]]
    span_of_title = text.positions.range(*span)
    failures = [_failure(each, span_of_title, folder, locate) for each in failed[:_MOST]]
    title = text.text[slice(*span)]
    if errors_told:
        return CaseRun(f"{title}: {errors_told[0]}", False, failures)
    if not cases:
        return CaseRun(f"{title}: the rule has no tests", False)
    counts = f"{len(cases) - len(failed)} of {len(cases)} tests passed"
    return CaseRun(f"{title}: {counts}", not failed, failures)


def _arguments(text: OpenText, settings: Settings) -> list[str]:
    # -P: modules are no files of the workspace, which may be a stranger's.
    made = [sys.executable, "-P", "-m", "sigmac", "test", text.file]
    made += ["--format", "json", "--no-project"]
    for name in settings.pipelines:
        made += ["--pipeline", name]
    for name, values in settings.placeholders:
        made += ["--placeholder", f"{name}={','.join(values)}"]
    return [*made, "--strict-logsource"] if settings.strict_logsource else made


async def _output(arguments: Sequence[str], folder: str) -> tuple[bytes, bytes]:
    """What a process writes; it ends with the request."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        return await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        return b"", f"the tests took longer than {_SECONDS} seconds".encode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _failure(
    case: dict[str, Any], span: types.Range, folder: str, locate: Locate
) -> types.Diagnostic:
    said = [
        f"{case['case']['why']}: expected {case['expected']}, got {case['got']}",
        *case["reasons"],
    ]
    place = Place(os.path.join(folder, case["case"]["file"]), case["case"]["line"])
    return types.Diagnostic(
        span,
        "\n".join(said),
        severity=types.DiagnosticSeverity.Error,
        code="test",
        source=SOURCE,
        related_information=[types.DiagnosticRelatedInformation(locate(place), "the test")],
    )
