"""A run of `sigmac test`: rules built through the cache, their cases found, bound to them and judged."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sigmac.cli.options import counted, say, tell_unused
from sigmac.cli.progress import Progress

if TYPE_CHECKING:
    from sigmac.compiler.cases.find_cases import CaseSet
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.packaging.build import BuildOptions
    from sigmac.results.rule_choice import Choice
    from sigmac.runtime.pack.pack import Pack
    from sigmac.verdicts.case_report import Report
    from sigmac.verdicts.rule_set import RuleCases
    from sigmac.verdicts.verdict import Verdict


_POLL = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged, and as what; `text` is in the title, the file or the reason of each case, in any case."""

    paths: Sequence[str]
    others: Sequence[str]
    options: BuildOptions
    choose: Callable[[Pack], Choice]
    skip_errors: bool = False
    require: bool = False
    logsource: str | None = None
    timestamp_fields: Sequence[str] = ()
    by_time: bool = True
    text: str = ""
    given: Sequence[str] = ()  # the placeholders of the command line


@dataclass(slots=True)
class CaseRun:
    """What came of a run; `files` are those that it depends on."""

    report: Report
    files: set[Path] = field(default_factory=set)


def run_cases(asked: Asked, changed: set[Path] | None = None) -> CaseRun:
    """Judge all cases, or those that files which have changed may concern.

    Raises `InputError` where a file cannot be read, `SigmacError` for a faulty pipeline.
    """
    from sigmac.cli.direct_rules import load_rendered
    from sigmac.compiler.cases.find_cases import find_cases
    from sigmac.compiler.cases.named_files import project_of
    from sigmac.compiler.packaging.build import compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.syntax.rule_files import find_sources
    from sigmac.runtime.pack.pack import load_pack
    from sigmac.verdicts.case_report import Report

    started = time.perf_counter()
    project = project_of([*map(Path, asked.paths), *map(Path, asked.others)])
    others = find_sources(asked.others) if asked.others else ()
    cases = find_cases(find_sources(asked.paths), others, project)
    with Progress("compiling") as progress:
        cache = Cache(default_folder())
        result = compile_sources(cases.rules, asked.options, cache, None, progress)
    tell_unused(asked.given, cases.rules)
    if cases.missing:
        first = cases.missing[0]
        rules = counted(len(cases.missing), "rule")
        say(f"tests that {rules} name are not there, as `{first.file}` ({first.place})")
    diagnostics: list[Diagnostic] = [] if asked.skip_errors else list(result.errors)
    verdicts: list[Verdict] = []
    files = {each.path for each in cases.rules} | cases.files
    files |= {Path(each) for each in asked.options.pipelines if Path(each).is_file()}
    if result.rendered:
        pack = load_rendered(result.rendered, load_pack)
        faulty = {each.place.file for each in result.errors}
        verdicts, read = _judged(asked, pack, cases, project, faulty, changed)
        files |= read
    diagnostics += cases.diagnostics
    report = Report(verdicts, list(dict.fromkeys(diagnostics)), time.perf_counter() - started)
    return CaseRun(report, files)


def run_again(asked: Asked) -> Iterator[Report]:
    """The report of all cases, then, whenever files change, of those that they may concern; it never ends."""
    from sigmac.compiler.syntax.rule_files import find_sources
    from sigmac.runtime.errors import SigmacError

    changed: set[Path] | None = None
    files = {each.path for each in find_sources([*asked.paths, *asked.others])}
    files |= {Path(each) for each in asked.options.pipelines if Path(each).is_file()}
    while True:
        # Looked at before they are read: what changes meanwhile is judged again.
        states = _states(files)
        try:
            run = run_cases(asked, changed)
        except SigmacError as error:
            # Of a file that is being written perhaps: the next change mends it.
            say(f"sigmac: {error}")
        else:
            files = run.files
            yield run.report
        now = _states(files)
        states = now | {each: state for each, state in states.items() if each in now}
        say(f"watching {counted(len(files), 'file')}; Ctrl-C ends")
        changed = _next_change(states)


def _states(files: set[Path]) -> dict[Path, object]:
    """Of files, and of the folders that they lie in."""
    return {each: _state(each) for each in files | {each.parent for each in files}}


def _next_change(states: Mapping[Path, object]) -> set[Path] | None:
    """Waits until files are no more as they were, and says which; None where some came or went."""
    while True:
        now = {each: _state(each) for each in states}
        found = {each for each, state in states.items() if now[each] != state}
        if any(each.is_dir() or now[each] is None for each in found):
            return None
        if found:
            return found
        time.sleep(_POLL)


def _state(path: Path) -> object:
    """What changes with a file, of a folder the names in it; None where there is none."""
    try:
        if path.is_dir():
            return sorted(name for name in os.listdir(path) if not name.startswith("."))
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _judged(
    asked: Asked,
    pack: Pack,
    cases: CaseSet,
    project: Path,
    faulty: set[str],
    changed: set[Path] | None,
) -> tuple[list[Verdict], set[Path]]:
    """The verdicts, and the files of events; what there is to say is added to what is said of the cases."""
    from sigmac.cli.event_files import stream_tag
    from sigmac.compiler.pipeline import load_pipelines
    from sigmac.verdicts.judge import Judge, Settings
    from sigmac.verdicts.reasons import Reasons
    from sigmac.verdicts.rule_set import RuleSet

    tag = stream_tag(asked.logsource, pack) if asked.logsource else None
    choice = asked.choose(pack)
    rules = RuleSet.of(pack, cases.rules, faulty)
    bound = [
        each
        for each in rules.bind(cases.found, cases.diagnostics)
        if each.rule.key not in choice.left_out
    ]
    missing = [each for each in rules.without_case(bound) if each.rule.key not in choice.left_out]
    chosen = [*filter(None, (_with_text(each, asked.text.lower()) for each in bound))]
    if changed is not None:
        chosen = _concerned(chosen, changed)
    judge = Judge(pack, Settings(project, tag, asked.timestamp_fields, asked.by_time))
    verdicts = judge.judge(chosen)
    cases.diagnostics.extend(judge.diagnostics)
    reasons = Reasons(
        cases.rules, load_pipelines(asked.options.pipelines, asked.options.placeholders)
    )
    for number, event in judge.unexpected.items():
        each = verdicts[number]
        said = reasons.of(each.rule, event.event, matched=event.matched)
        verdicts[number] = replace(each, reasons=said)
    return verdicts + (missing if asked.require else []), judge.files


def _with_text(bound: RuleCases, text: str) -> RuleCases | None:
    """The cases whose rule's title or file, or whose reason, has a text in lower case."""
    rule = bound.rule
    if text in rule.title.lower() or text in rule.place.file.lower():
        return bound
    cases = [(case, path) for case, path in bound.cases if text in case.why.lower()]
    return replace(bound, cases=cases) if cases else None


def _concerned(bound: list[RuleCases], changed: set[Path]) -> list[RuleCases]:
    """Those whose rule or case stands in a file that changed, and correlations; all, where another file changed."""
    known = {Path(each.rule.place.file) for each in bound}
    known |= {path for each in bound for _, path in each.cases}
    if not changed <= known:
        return bound
    return [
        each
        for each in bound
        if each.rule.key < 0
        or Path(each.rule.place.file) in changed
        or any(path in changed for _, path in each.cases)
    ]
