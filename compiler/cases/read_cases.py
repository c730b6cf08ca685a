"""Cases of rules, made from YAML nodes: documents of their own, or the key `cases` of a rule."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sigmac.compiler.cases.case import (
    ALERT_KEYS,
    Case,
    CaseDocument,
    CaseFile,
    Event,
    EventCase,
    ExpectedAlert,
    FileCase,
    NamedTests,
    SequenceCase,
    TimedEvent,
)
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.syntax.documents import is_case_document
from sigmac.compiler.syntax.known_keys import CASES_KEY
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.yaml_nodes import Document, Node, documents
from sigmac.runtime.correlation.timestamps import LAST, SECOND, microseconds_of
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.json_record import check_values, json_bytes, plain_event

MAX_NODES = 200_000  # of a document with cases
MAX_VALUES = 16_384  # of an event, as `sigmac run` has it
MAX_EVENTS = 10_000  # of a sequence
NAMED = "regression_tests_path"  # of a rule of SigmaHQ: the file with its tests
TESTS = "regression_tests_info"  # in that file: the tests
_LISTS = ("match", "no_match", "sequences")
_BASE = 946_684_800 * SECOND  # 2000-01-01, from which times such as `90s` count
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})?(?:ms|[smhd]))+")
_PART = re.compile(r"([\d.]+)(ms|[smhd])")
_UNITS = {
    "ms": SECOND // 1000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,
}


def read_cases(data: bytes, file: str, *, whole: bool = False) -> CaseFile:
    """The cases in a file of rules, or with `whole` in one that holds nothing else.

    A faulty case is left out alone and reported. Never raises for what stands in the file.
    """
    found = CaseFile(file)
    try:
        for document in documents(data, file, MAX_NODES):
            root = document.root
            if whole or is_case_document(root):
                if not (root.is_map and TESTS in root.value):  # read where a rule names it
                    _read(document, root, found, inside=False)
            elif root.is_map:
                if CASES_KEY in root.value:
                    _read(document, root.value[CASES_KEY], found, inside=True)
                if isinstance((named := root.value.get(NAMED)) and named.value, str):
                    place = named.place(file, document.index)
                    found.named.append(NamedTests(named.value, place))
    except RuleError as error:
        found.diagnostics.catch(error)
    return found


def _read(document: Document, node: Node, found: CaseFile, *, inside: bool) -> None:
    reader = Reader(document, found.diagnostics)
    known = _LISTS if inside else ("rule", *_LISTS)
    try:
        if not node.is_map:
            raise reader.fail("E_CASE", f"cases are a map of {_named(_LISTS)}", node)
        _check_keys(reader, node, known)
        rule, rule_place = None, None
        if not inside and "rule" in node.value:
            named = node.value["rule"]
            if not isinstance(named.value, str) or not named.value.strip():
                hint = "put it in quotes" if named.is_scalar else ""
                raise reader.fail("E_CASE", "`rule` is the id, name or title of one", named, hint)
            rule, rule_place = named.value, reader.place(named)
    except RuleError as error:
        found.diagnostics.catch(error)
        return
    cases: list[Case] = []
    for key in _LISTS:
        listed = node.value.get(key)
        if listed is None or listed.value is None:
            continue
        if not listed.is_list:
            found.diagnostics.catch(reader.fail("E_CASE", f"`{key}` is a list of cases", listed))
            continue
        for number, each in enumerate(listed.value, 1):
            try:
                cases.append(_case(reader, key, each, number))
            except RuleError as error:
                found.diagnostics.catch(error)
    if not any(node.value.get(key) is not None and node.value[key].value for key in _LISTS):
        reader.warn("W_CASE_NONE", "there is no case", node, "write one, or remove it")
    contradictions(cases, found.diagnostics)
    found.documents.append(CaseDocument(reader.place(node), tuple(cases), rule, rule_place, inside))


def _case(reader: Reader, key: str, node: Node, number: int) -> Case:
    if isinstance(node.value, str) and key != "sequences":
        return _file_case(reader, key, node, node, f"{key} {number}")
    if not node.is_map:
        raise reader.fail("E_CASE", f"a case of `{key}` is a map", node)
    why = node.value.get("why")
    if why is not None and why.value is not None and not why.is_scalar:
        raise reader.fail("E_CASE", "`why` is a text", why)
    said = f"{key} {number}" if why is None or why.value is None else str(why.value)
    if key == "sequences":
        return _sequence(reader, node, said)
    if "file" in node.value:
        counts = ("count", "at_least") if key == "match" else ()
        _check_keys(reader, node, ("why", "file", *counts))
        return _file_case(reader, key, node, node.value["file"], said)
    _check_keys(reader, node, ("why", "event", "file"))
    if "event" not in node.value:
        raise reader.fail("E_CASE", "the case has neither `event` nor `file`", node)
    event = _event(reader, node.value["event"])
    return EventCase(said, reader.place(node), event, key == "match")


def _file_case(reader: Reader, key: str, node: Node, file: Node, why: str) -> FileCase:
    if not isinstance(file.value, str) or not file.value.strip():
        raise reader.fail("E_CASE", "`file` is the name of a file with events", file)
    least, most = (1, None) if key == "match" else (0, 0)
    place = None
    given = node.value if node.is_map else {}
    if "count" in given and "at_least" in given:
        raise reader.fail("E_CASE", "a case has `count` or `at_least`", given["at_least"])
    for word in ("count", "at_least"):
        if word in given:
            number = given[word]
            if type(number.value) is not int or number.value < 1:
                hint = "events that must not match stand under `no_match`"
                raise reader.fail("E_CASE", f"`{word}` is a whole number from 1 on", number, hint)
            least, place = number.value, reader.place(number)
            most = least if word == "count" else None
    return FileCase(
        why,
        reader.place(node),
        file.value,
        reader.place(file),
        least,
        most,
        count_place=place,
    )


def _sequence(reader: Reader, node: Node, why: str) -> SequenceCase:
    _check_keys(reader, node, ("why", "events", "alerts"))
    listed = node.value.get("events")
    if listed is None or not listed.is_list or not listed.value:
        raise reader.fail("E_CASE", "a sequence has `events`, a list", listed or node)
    if len(listed.value) > MAX_EVENTS:
        raise reader.fail("E_CASE", f"more than {MAX_EVENTS:,} events", listed)
    events = tuple(_timed(reader, each) for each in listed.value)
    alerts = None
    if "alerts" in node.value:
        given = node.value["alerts"]
        if not given.is_list:
            hint = "`alerts: []` is none at all"
            raise reader.fail("E_CASE", "`alerts` is a list", given, hint)
        alerts = tuple(_alert(reader, each, len(events)) for each in given.value)
    return SequenceCase(why, reader.place(node), events, alerts)


def _timed(reader: Reader, node: Node) -> TimedEvent:
    if not node.is_map or "event" not in node.value:
        raise reader.fail("E_CASE", "each of `events` is a map with `event`, and `at`", node)
    _check_keys(reader, node, ("at", "event"))
    event = _event(reader, node.value["event"])
    at = node.value.get("at")
    if at is None:
        return TimedEvent(event, None)
    if "@timestamp" in event:
        message = "the event has `@timestamp`, so `at` says its time twice"
        raise reader.fail("E_CASE", message, at, "leave one of them out")
    return TimedEvent(event, _time(reader, at))


def _time(reader: Reader, node: Node) -> int:
    value = node.value
    found: int | None = None
    if isinstance(value, str) and _DURATION.fullmatch(value):
        parts = _PART.findall(value)
        found = _BASE + sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    elif isinstance(value, (datetime.date, datetime.datetime)):
        found = microseconds_of(value.isoformat())
    elif isinstance(value, str):
        found = microseconds_of(value)
    if found is None or found > LAST:
        hint = "write `90s`, `1h30m` or `2026-11-28T10:00:00Z`"
        raise reader.fail("E_CASE", "`at` is a time", node, hint)
    return found


def _alert(reader: Reader, node: Node, events: int) -> ExpectedAlert:
    if not node.is_map:
        raise reader.fail("E_CASE", f"an alert is a map of {_named(ALERT_KEYS)}", node)
    _check_keys(reader, node, ALERT_KEYS)
    given = {key: child.plain() for key, child in node.value.items()}
    for key, kind, what in (
        ("group", dict, "a map of fields and values"),
        ("value", (int, float), "a number"),
        ("count", int, "a number"),
        ("events", list, "a list of positions"),
        ("position", int, "the position of an event"),
    ):
        if key in given and (not isinstance(given[key], kind) or isinstance(given[key], bool)):
            raise reader.fail("E_CASE", f"`{key}` is {what}", node.value[key])
    for name, each in given.get("group", {}).items():
        if not isinstance(name, str) or not isinstance(each, (str, int, float)):
            message = "`group` is a map of fields and their values"
            raise reader.fail("E_CASE", message, node.value["group"], "put them in quotes")
    named = [*given.get("events", ()), *([given["position"]] if "position" in given else ())]
    for each in named:
        if type(each) is not int or not 0 <= each < events:
            message = f"there is no event {str(each)[:20]}; they count from 0 to {events - 1}"
            raise reader.fail("E_CASE", message, node)
    return ExpectedAlert(reader.place(node), given)


def _event(reader: Reader, node: Node) -> Event:
    if not node.is_map:
        raise reader.fail("E_CASE_EVENT", "an event is a map of its fields", node)
    try:
        event = plain_event(node.plain())
        data = json_bytes(event)
        check_values(event, MAX_VALUES, len(data))
        orjson.loads(data)
    except (EventError, RecursionError, ValueError) as error:
        raise reader.fail("E_CASE_EVENT", *_why_none(node, error)) from None
    return event


def _why_none(node: Node, error: Exception) -> tuple[str, Node, str]:
    """Message, node and hint: what YAML reads as no JSON, where it stands."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each.value, dict):
            waiting += each.value.values()
            for key in each.value:
                if not isinstance(key, str):
                    at = (each.keys or {}).get(key, each)
                    return f"the name `{key}` is no text", at, "put it in quotes"
        elif isinstance(each.value, list):
            waiting += each.value
        elif isinstance(each.value, (datetime.date, datetime.datetime)):
            return "YAML makes a date of this, which no event holds", each, "put it in quotes"
        elif isinstance(each.value, bytes):
            return "no event holds bytes", each, ""
        elif isinstance(each.value, float) and each.value - each.value != 0:
            return "no event holds this number", each, ""
    return f"this is no event: {error}", node, ""


def _check_keys(reader: Reader, node: Node, known: Sequence[str]) -> None:
    for key in node.value:
        if key not in known:
            at = (node.keys or {}).get(key, node)
            hint = did_you_mean(str(key), known) or f"there are {_named(known)}"
            raise reader.fail("E_CASE", f"`{str(key)[:60]}` is no key of a case here", at, hint)


def _named(keys: Iterable[str]) -> str:
    *first, last = (f"`{key}`" for key in keys)
    return f"{', '.join(first)} and {last}" if first else last


def contradictions(cases: Iterable[Case], found: Diagnostics) -> None:
    """Report the cases of one rule that ask for something else of the same events."""
    seen: dict[bytes, tuple[Any, Place]] = {}
    for case in cases:
        key, wanted = _events_and_wish(case)
        earlier = seen.setdefault(key, (wanted, case.place))
        if earlier[0] != wanted:
            there = earlier[1]
            where = f"in line {there.line}" if there.file == case.place.file else f"at {there}"
            message = f"the same events {where} are to have another outcome"
            hint = "remove one of the two"
            found.report("E_CASE_TWICE", message, case.place, hint, related=(there,))


def _events_and_wish(case: Case) -> tuple[bytes, Any]:
    if isinstance(case, EventCase):
        return _canonical(case.event), case.matches
    if isinstance(case, FileCase):
        return case.file.encode("utf-8", "surrogateescape"), case.most == 0
    timed = [[each.time, each.event] for each in case.events]
    wish = None if case.alerts is None else [dict(each.given) for each in case.alerts]
    return _canonical(timed), wish


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number beyond 64 bits
        import json

        return json.dumps(value, sort_keys=True).encode()
