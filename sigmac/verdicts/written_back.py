"""Writes what came out into the cases that failed, for review: exact edits that keep comments and layout.

Each edit is read again, and is kept only where the cases then say what came and all others what they did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from sigmac.compiler.cases.case import (
    ALERT_KEYS,
    Case,
    CaseFile,
    EventCase,
    ExpectedAlert,
    FileCase,
    SequenceCase,
)
from sigmac.compiler.cases.read_cases import read_cases
from sigmac.compiler.cases.regression_info import read_regression
from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.syntax.rule_files import replace_file
from sigmac.runtime.scalar.json_record import json_bytes
from sigmac.verdicts.verdict import Verdict

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset(
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
)  # that YAML reads as something else
_SHOWN = ("position", "group", "value")  # keys of an alert where the case has none to go by
_NOTHING = re.compile(r"[ \t]*(?:#.*)?\r?\n?")


@dataclass(slots=True)
class WrittenBack:
    """How many cases were changed in each file, and those that only somebody who knows can change."""

    changed: dict[str, int] = field(default_factory=dict)
    left: list[Verdict] = field(default_factory=list)


def write_back(failed: Sequence[Verdict]) -> WrittenBack:
    """Change the cases that failed. Raises `OSError` where a file cannot be written."""
    done = WrittenBack()
    by_file: dict[str, list[Verdict]] = {}
    for each in failed:
        if each.case is None:
            done.left.append(each)
        else:
            by_file.setdefault(each.place.file, []).append(each)
    for file, verdicts in by_file.items():
        before = data = Path(file).read_bytes()
        # From the end on, so that places above stay; events last, as they move.
        verdicts.sort(key=lambda each: (isinstance(each.case, EventCase), -each.place.line))
        for each in verdicts:
            new = _changed(data, file, each)
            if new is None:
                done.left.append(each)
            else:
                data = new
                done.changed[file] = done.changed.get(file, 0) + 1
        if data != before:
            replace_file(file, data)
    return done


def _changed(data: bytes, file: str, verdict: Verdict) -> bytes | None:
    """The file with what came in place of what was expected; None where that is not sure to be right."""
    case = verdict.case
    assert case is not None
    reader = read_regression if isinstance(case, FileCase) and case.above else read_cases
    before = reader(data, file)
    wanted = _passing(case, verdict.came)
    text = data.decode("utf-8-sig")
    mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
    place = _place_now(before, case)
    if wanted is None or place is None:
        return None
    edited = _edit(text, case, place, verdict.came)
    if edited is None:
        return None
    if 0 < text.count("\n") == text.count("\r\n"):
        edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
    made = f"{mark}{edited}".encode()
    after = reader(made, file)
    expected = [
        _meaning(wanted if each.place == place else each, document.rule)
        for document in before.documents
        for each in document.cases
    ]
    got = [_meaning(each, document.rule) for document in after.documents for each in document.cases]
    faults = [len(each.diagnostics) for each in (before, after)]
    return made if sorted(expected) == sorted(got) and faults[0] >= faults[1] else None


def _passing(case: Case, came: Any) -> Case | None:
    """The case that would have passed, None where none of the same kind would."""
    if isinstance(case, EventCase):
        return replace(case, matches=came)
    if isinstance(case, SequenceCase):
        keys = _keys_of(case)
        alerts = tuple(ExpectedAlert(case.place, {key: each[key] for key in keys}) for each in came)
        return replace(case, alerts=alerts)
    if case.count_place is None or came < 1:
        return None
    return replace(case, least=came, most=came if case.most is not None else None)


def _keys_of(case: SequenceCase) -> tuple[str, ...]:
    given = {key for each in case.alerts or () for key in each.given}
    return tuple(key for key in ALERT_KEYS if key in (given or _SHOWN))


def _place_now(read: CaseFile, case: Case) -> Place | None:
    """Where a case stands after others were changed: it has the same document, reason and events."""
    for document in read.documents:
        for each in document.cases:
            same = each.place.document == case.place.document and each.why == case.why
            if same and _meaning(each, None) == _meaning(case, None):
                return each.place
    return None


def _meaning(case: Case, rule: str | None) -> bytes:
    """All that a case says, but for where."""
    said: list[Any] = [rule, case.why]
    if isinstance(case, EventCase):
        said += [case.event, case.matches]
    elif isinstance(case, FileCase):
        said += [case.file, case.least, case.most]
    else:
        said.append([[each.time, each.event] for each in case.events])
        alerts = None if case.alerts is None else [dict(each.given) for each in case.alerts]
        said.append(alerts)
    try:
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number beyond 64 bits
        return repr(said).encode()


def _edit(text: str, case: Case, place: Place, came: Any) -> str | None:
    try:
        root = [*yaml.compose_all(text, _Loader)][place.document]
    except (yaml.YAMLError, IndexError):
        return None
    found = _find(root, place)
    if found is None:
        return None
    node, parents = found
    if isinstance(case, EventCase):
        return _moved(text, node, parents)
    if isinstance(case, SequenceCase):
        return _with_alerts(text, node, [{k: each[k] for k in _keys_of(case)} for each in came])
    number = next(
        (v for k, v in node.value if k.value in ("count", "at_least", "match_count")), None
    )
    return (
        None
        if number is None
        else _cut(text, number.start_mark.index, number.end_mark.index, str(came))
    )


def _find(root: Any, place: Place) -> tuple[Any, list[Any]] | None:
    """The map at a place, and the nodes around it from the outermost on."""
    waiting: list[tuple[Any, list[Any]]] = [(root, [])]
    seen: set[int] = set()
    while waiting:
        node, parents = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        start = node.start_mark
        is_map = isinstance(node, yaml.MappingNode)
        if is_map and (start.line + 1, start.column + 1) == (place.line, place.column) and parents:
            return node, parents
        inner = [value for _, value in node.value] if is_map else node.value
        waiting += [(each, [*parents, node]) for each in inner]
    return None


def _cut(text: str, start: int, end: int, new: str) -> str:
    return f"{text[:start]}{new}{text[end:]}"


# The alerts of a sequence


def _with_alerts(text: str, node: Any, alerts: Sequence[Mapping[str, Any]]) -> str | None:
    keys = {key.value: (key, value) for key, value in node.value}
    said = [_flow(each) for each in alerts]
    if "alerts" not in keys:
        last = node.value[-1][1]
        if node.flow_style:
            return _cut(text, _end(last), _end(last), f", alerts: [{', '.join(said)}]")
        end, indent = _end(last), " " * node.value[0][0].start_mark.column
        rest = _NOTHING.match(text, end)
        end += len(rest[0].rstrip()) if rest else 0
        return _cut(text, end, end, f"\n{indent}alerts:{_block(said, indent)}")
    key, value = keys["alerts"]
    if node.flow_style:
        return _cut(text, value.start_mark.index, _end(value), f"[{', '.join(said)}]")
    # From the colon on: a block of a list begins in the next line.
    colon = text.index(":", key.end_mark.index) + 1
    return _cut(text, colon, _end(value), _block(said, " " * key.start_mark.column))


def _block(said: Sequence[str], indent: str) -> str:
    return "".join(f"\n{indent}  - {each}" for each in said) or " []"


def _flow(value: Any) -> str:
    """JSON, which YAML reads as the same, without the quotes of plain names."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{_flow_text(key)}: {_flow(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, str):
        return _flow_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_flow, value))}]"
    return json_bytes(value).decode()


def _flow_text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return orjson.dumps(text).decode()


def _end(node: Any) -> int:
    """Where a node ends, without the comments and the empty lines behind a block."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        last = last[1] if isinstance(last, tuple) else last
        if last.start_mark.index < node.start_mark.index:
            break  # an alias: its node stands where the anchor is
        node = last
    return int(node.end_mark.index)


# An event that moves from one list to the other


def _moved(text: str, node: Any, parents: Sequence[Any]) -> str | None:
    if len(parents) < 2:
        return None
    listed, owner = parents[-1], parents[-2]
    if listed.flow_style or owner.flow_style:
        return None
    keys = {key.value: (key, value) for key, value in owner.value}
    name = next((key.value for key, value in owner.value if value is listed), None)
    if name not in ("match", "no_match"):
        return None
    start, end = _entry(text, listed, node)
    chunk = text[start:end]
    if not chunk.endswith("\n"):
        chunk += "\n"
    cut = (start, end)
    if len(listed.value) == 1:
        cut = (_line_start(text, keys[name][0].start_mark.index), end)
    other = "no_match" if name == "match" else "match"
    if other in keys and isinstance(keys[other][1], yaml.SequenceNode) and keys[other][1].value:
        target = keys[other][1]
        if target.flow_style:
            return None
        shift = target.start_mark.column - listed.start_mark.column
        at = _entry(text, target, target.value[-1])[1]
        new = _indented(chunk, shift)
    elif other in keys:
        return None
    else:
        at = end
        new = f"{' ' * owner.start_mark.column}{other}:\n{chunk}"
    if at > 0 and text[at - 1] != "\n":
        new = f"\n{new}"
    edits = sorted([(*cut, ""), (at, at, new)], reverse=True)
    for first, last, put in edits:
        text = _cut(text, first, last, put)
    return text


def _entry(text: str, listed: Any, node: Any) -> tuple[int, int]:
    """The lines of an entry of a block list, without the comments in front of the next one."""
    following = [each for each in listed.value if each.start_mark.index > node.start_mark.index]
    after = following[0].start_mark.index if following else listed.end_mark.index
    end = after if after >= len(text) else _line_start(text, after)
    start = _line_start(text, node.start_mark.index)
    for line in reversed([*_lines(text, start, end)]):
        if not _NOTHING.fullmatch(line):
            break
        end -= len(line)
    return start, end


def _lines(text: str, start: int, end: int) -> Iterator[str]:
    yield from re.findall(r"[^\n]*\n|[^\n]+", text[start:end])


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _indented(chunk: str, shift: int) -> str:
    if shift > 0:
        return re.sub(r"^(?=.)", " " * shift, chunk, flags=re.MULTILINE)
    return re.sub(rf"^ {{0,{-shift}}}", "", chunk, flags=re.MULTILINE)
