"""Builds hostile rules in a process of its own and says what came of it."""

from __future__ import annotations

import builtins
import contextlib
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.ir.values import (
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Regex,
    Text,
    TimePart,
    Value,
)
from sigmac.compiler.lowering.lower_rule import lower_rule
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Item, Rule, items
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import Pack, load_pack
from sigmac.runtime.pack.checked_arrays import load_arrays
from tests.property.hostile.grammar import NotGenerated, check_module

CPU_SECONDS = 20  # several times what any case takes on a slow machine
MEMORY = 1 << 30  # bytes above what the process has at its start
MAX_PROBES = 12  # events a rule is tried on
MAX_COMPARED = 300  # rules of a pack

Files = Mapping[str, bytes]
Matching = dict[str, set[str]]  # an event as JSON → the sources of the rules that match it


@dataclass
class Verdict:
    """`compiled` and `refused` are (file, document) of rules in the pack and of documents with an error.

    `codes` are those of the diagnostics of each file; `problems` say what must never be, and are empty.
    """

    compiled: set[tuple[str, int]] = field(default_factory=set)
    refused: set[tuple[str, int]] = field(default_factory=set)
    codes: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def judge(files: Files) -> Verdict:
    """Build some files and give them to `sigmac check`, within limits of time and memory."""
    # Forked from a server that has imported all there is to import: a case starts in milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pytest"])
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(writer, files))
    process.start()
    writer.close()
    try:
        verdict: Verdict = reader.recv()
    except EOFError:
        process.join()
        verdict = Verdict(problems=[f"the process died (exit code {process.exitcode})"])
    process.join()
    return verdict


def _run(writer: Any, files: Files) -> None:
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # RE2 talks of large patterns
    verdict = Verdict()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _judge(files, Path(folder), verdict)
    except BaseException:  # noqa: BLE001 - whatever it is, it is what the test looks for
        verdict.problems.append(traceback.format_exc()[-3000:])
    writer.send(verdict)


def _judge(files: Files, folder: Path, verdict: Verdict) -> None:
    called = _watch()
    root = folder / "rules"
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sources = find_sources([root])
    options = BuildOptions("hostile", skip_errors=True, jobs=1)
    result = compile_sources(sources, options, Cache(None))
    _check_diagnostics(result, str(root), verdict)
    if result.rendered:
        pack = _load(result, folder, verdict)
        sys.setrecursionlimit(10_000)  # the reference evaluator walks rules as they are nested
        rules = [rule for source in sources for rule in _sound(source.read(), source.file)]
        verdict.compiled = {
            (_inside(rule.place.file, str(root)), rule.place.document) for rule in rules
        }
        if len(rules) != len(pack.rules):
            verdict.problems.append(f"{len(pack.rules)} rules in the pack instead of {len(rules)}")
        matching: Matching = {}
        for index in range(0, len(rules), len(rules) // MAX_COMPARED + 1):
            verdict.problems += _compare(rules[index], index, pack, matching)
    check_sources(sources)
    verdict.problems += [f"called: {what}" for what in called]


def _inside(file: str, root: str) -> str:
    return os.path.relpath(file, root)


def _sound(data: bytes, file: str) -> Iterator[Rule]:
    for rule in read_file(data, file).rules:
        with contextlib.suppress(RuleError):
            lower_rule(load_pipelines(()).apply(rule, Diagnostics()))
            yield rule


def _watch() -> list[str]:
    """What a rule could only do if it became code: a call of `canary`, a command."""
    called: list[str] = []
    builtins.canary = lambda *_: called.append("canary")  # type: ignore[attr-defined]
    commands = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "socket.connect"}

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in commands:
            called.append(event)
        if event == "subprocess.Popen" and not str(arguments[0]).endswith("ruff"):
            called.append(f"{event} {arguments[0]}")

    sys.addaudithook(audit)
    return called


def _check_diagnostics(result: BuildResult, root: str, verdict: Verdict) -> None:
    known = catalogue()
    for each in result.diagnostics:
        file = _inside(each.place.file, root)
        verdict.codes.setdefault(file, set()).add(each.code)
        if each.code not in known:
            verdict.problems.append(f"the code {each.code} is in no list")
        if not each.place.file.startswith(root) or not each.message or len(each.message) > 1000:
            verdict.problems.append(f"a diagnostic without place or sentence: {each}"[:1000])
        if each.is_error:
            verdict.refused.add((file, each.place.document))


def _load(result: BuildResult, folder: Path, verdict: Verdict) -> Pack:
    """Write the pack and run all of its code."""
    for name, data in result.rendered.items():
        if name.endswith(".py"):
            source = data.decode("utf-8")
            try:
                check_module(name, source)
            except NotGenerated as error:
                verdict.problems.append(f"{name}: {error}")
            exec(compile(source, name, "exec"), {"__name__": name})
    load_arrays(result.rendered["tables.npz"])
    write_pack(result.rendered, folder / "pack")
    return load_pack(folder / "pack")


def _compare(rule: Rule, index: int, pack: Pack, matching: Matching) -> Iterator[str]:
    found = pack.rules[index]
    meta = rule.meta
    for name in ("title", "id", "name", "level", "tags", "description", "references", "related"):
        if getattr(found, name) != getattr(meta, name):
            yield f"the {name} of {meta.title[:60]!r} is {getattr(found, name)!r}"[:1000]
    if len(found.custom) != len(dict(meta.custom)):
        yield f"the custom attributes of {meta.title[:60]!r} are {found.custom!r}"[:1000]
    for event in probes(rule):
        expected = bool(matches(rule, event))
        key = json.dumps(event)
        if key not in matching:
            matching[key] = {match.rule.source for match in pack.match(event)}
        if (found.source in matching[key]) is not expected:
            yield f"{meta.title[:60]!r} should be {expected} of {str(event)[:300]}"
    pack.explain(index, event)


def probes(rule: Rule) -> Iterator[dict[str, Any]]:
    """Events that a rule's values were made for, by one item and by all, and one that holds nothing of them."""
    asked = [item for detection in rule.detections.values() for item in items(detection)]
    together: dict[str, Any] = {}
    yield {}
    for count, item in enumerate(asked):
        name = "" if item.field is None else item.field
        for value in [_sample(item.values[0]), _sample(item.values[-1])]:
            if isinstance(value, str) and not _is_json(value + name):
                continue
            together[name] = value
            if count < MAX_PROBES // 2:
                yield {name: value, **_companion(item)}
    yield together
    yield {"nothing": "x"}


def _is_json(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _companion(item: Item) -> dict[str, Any]:
    value = item.values[0]
    return {value.field: "x"} if isinstance(value, FieldRef) else {}


def _sample(value: Value) -> Any:
    """A value of an event that is near to what a rule's value asks for, at most 10,000 characters long."""
    match value:
        case Text():
            text = "".join(part if isinstance(part, str) else "x" for part in value.parts)
            return text[:10_000]
        case Alternatives():
            return _sample(value.values[-1]) if value.values else "x"
        case Regex():
            return value.pattern[:1000]
        case Number():
            return _number(value.value)
        case Compare():
            return _number(value.number)
        case TimePart():
            return "2024-01-02T03:04:05Z"
        case Boolean():
            return value.value
        case Network():
            return value.cidr.partition("/")[0]
        case Null():
            return None
        case Exists() | FieldRef():
            return "X"


def _number(number: float) -> Any:
    return json.loads(json.dumps(number)) if abs(number) < 2**64 else "x"
