"""Which rules have a chance, on events of `cases.yml` and on any; that what is said is true of what packs answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime import Pack
from sigmac.runtime.chances import event_fields
from sigmac.runtime.chances.chances import Chance, Chances, Report
from tests.unit.packs import make_pack

CASES = yaml.safe_load(Path(__file__).with_name("cases.yml").read_text("utf-8"))
VALUES = [None, "", "root", "C:\\agent.exe", "10.1.2.3", 80, 4625, True, [], ["a", None], {"b": 1}]
NAMES = ["Image", "User", "Parent", "Port", "Address", "Time", "Path", "Name", "Other", "Gone"]
EVENTS = st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4)


def report_on(pack: Pack, events: Sequence[dict[str, Any]], logsource: Any = None) -> Report:
    chances = Chances(pack)
    seen = chances.event_fields()
    for event in events:
        seen.look(event, None if logsource == "auto" else logsource or {})
    return chances.of_events(seen)


def assert_true(
    pack: Pack, events: Sequence[dict[str, Any]], found: Report, **options: Any
) -> None:
    """No rule without a chance matches any event, one that always matches does."""
    matching = [{match.rule.title for match in pack.match(each, **options)} for each in events]
    for each in found.rules:
        title = pack.rules[each.rule].title
        matches = sum(title in titles for titles in matching)
        if each.chance == Chance.ALWAYS:
            assert matches == each.events > 0, title
        elif each.chance != Chance.OPEN:
            assert matches == 0, title


@pytest.mark.parametrize("case", CASES, ids=[each["name"] for each in CASES])
def test_chances(case: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"logsource": {"product": "any"}, **each} for each in case["rules"]]
    pack = make_pack(yaml.safe_dump_all(rules), tmp_path, pipelines=case.get("pipelines", ()))
    logsource = case.get("logsource")
    report = report_on(pack, case["events"], logsource)
    found: dict[str, Any] = {}
    for each in report.rules:
        missing = [*dict.fromkeys(question.field for question in each.missing)]
        said = "open" if each.chance == Chance.OPEN else {each.chance.value: sorted(missing)}
        found[pack.rules[each.rule].title] = said
    assert {title: found[title] for title in case["chances"]} == case["chances"]
    assert sum(kind.events for kind in report.without_rule) == case.get("without_rule", 0)
    assert_true(pack, case["events"], report, logsource=logsource)


@settings(max_examples=40)
@given(events=EVENTS)
def test_what_is_said_is_true(pack: Pack, events: list[dict[str, Any]]) -> None:
    assert_true(pack, events, report_on(pack, events))


@settings(max_examples=40)
@given(events=EVENTS)
def test_bounds_make_it_less_sure_not_wrong(pack: Pack, events: list[dict[str, Any]]) -> None:
    exact = report_on(pack, events)
    with pytest.MonkeyPatch.context() as patch:
        for bound in ("MAX_KINDS", "MAX_VALUES", "MAX_HELD"):
            patch.setattr(event_fields, bound, 1)
        report = report_on(pack, events)
    assert_true(pack, events, report)
    for sure, each in zip(exact.rules, report.rules, strict=True):
        assert each.chance in (sure.chance, Chance.OPEN)


@pytest.mark.parametrize("bound", ["MAX_KINDS", "MAX_ALL"])
def test_kinds_beyond_the_bound_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(event_fields, bound, 1)
    case = next(each for each in CASES if each["name"].startswith("what pipelines ask"))
    pack = make_pack(yaml.safe_dump_all(case["rules"]), tmp_path, pipelines=["windows"])
    chances = Chances(pack)
    seen = chances.event_fields()
    for event in [*case["events"], *case["events"]]:
        seen.look(event)
    assert seen.events == 8
    rest = [kind for kind in seen.kinds() if kind.values is None]
    assert sum(kind.events for kind in rest) == (2 if bound == "MAX_KINDS" else 6)
    report = chances.of_events(seen)
    assert_true(pack, case["events"], report)
    # Of the kinds that no rule looks at it is known that none does, but where all are one.
    without = sum(kind.events for kind in report.without_rule)
    assert without == (4 if bound == "MAX_KINDS" else 0)


def test_names_are_bounded(tmp_path: Path) -> None:
    rules = {
        "title": "R",
        "logsource": {"product": "any"},
        "detection": {"s": {"x.y": "z"}, "condition": "s"},
    }
    seen = Chances(make_pack(yaml.safe_dump(rules), tmp_path)).event_fields()
    deep: dict[str, Any] = {}
    for _ in range(1000):
        deep = {"k" * 100: deep}
    for event in (deep, {"n" * 1_000_000: 1}, {"p" * 150: {str(i): 1 for i in range(1000)}}):
        seen.look(event)
    for number in range(event_fields.MAX_NAMES + 10):
        seen.look({f"n{number}": {"x": {"y": 1}}, "x": {"y": 1}})
    kinds = seen.kinds()
    assert len(seen.names) == event_fields.MAX_NAMES
    assert max(map(len, seen.names)) <= 200
    assert [kind.present["x.y"] for kind in kinds] == [event_fields.MAX_NAMES + 10]
