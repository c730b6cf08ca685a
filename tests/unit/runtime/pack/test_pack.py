"""A loaded pack: one event, a batch, explanations, threads, two versions, little memory."""

from __future__ import annotations

import json
import pickle
import random
import shutil
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from sigmac.runtime import EventError, Pack, PackError, load_pack
from sigmac.runtime.match import Matches
from sigmac.runtime.pack.pack import EVENTS_BEFORE_ENGINE
from tests.unit.packs import make_pack, rule, titles, write_text_pack
from tests.unit.runtime.conftest import RULES

WHOAMI = {"Image": r"C:\Windows\WHOAMI.exe", "User": "NT AUTHORITY\\SYSTEM"}
EVENTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Else"]),
    (WHOAMI, ["Whoami", "Else"]),
    ({**WHOAMI, "Parent": r"c:\AGENT.exe"}, ["Else"]),
    ({"Image": "x"}, []),
    ({"Image": ["x", "y"]}, []),
    ({"x": {"y": ["n", "SUDO to root"]}}, ["Words", "Else"]),
    ({"x": 14625}, ["Words", "Else"]),
    ({"4625": "key"}, ["Else"]),
    ({"Port": 2000}, ["Ports", "Else"]),
    ({"Port": "80"}, ["Ports", "Else"]),
    ({"Port": [1, 2, 80.0]}, ["Ports", "Else"]),
    ({"Port": True}, ["Else"]),
    ({"Address": "10.1.2.3"}, ["Inside", "Else"]),
    ({"Address": "::ffff:10.1.2.3"}, ["Inside", "Else"]),
    ({"Address": "FE80::1%eth0"}, ["Inside", "Else"]),
    ({"Address": "10.1.2.3:80"}, ["Else"]),
    ({"Time": "2024-01-02T23:10:00+09:00"}, ["Night", "Else"]),
    ({"Time": 1704236400}, ["Night", "Else"]),
    ({"Time": "23:10"}, ["Else"]),
    ({"Path": "an EVIL1"}, ["Pattern", "Else"]),
    ({"Path": "good evil1"}, ["Else"]),
    ({"Path": ["good", "evil1"]}, ["Else"]),
    ({"Name": "Bob", "Other": ["al", "BOB"]}, ["Same", "Else"]),
    ({"Name": 5, "Other": "5.0"}, ["Same", "Else"]),
    ({"Name": "Bob"}, ["Else"]),
    ({"a": {"b": None}}, ["Present", "Else"]),
    ({"a.b": {}}, ["Present", "Else"]),
    ({"a": {"b": 1}, "Gone": [None]}, ["Present", "Else"]),
    ({"a": {"b": 1}, "Gone": ""}, ["Else"]),
    ({"a": {"c": 1}}, ["Else"]),
    ({"Cased": "aFoo", "Line": "cmd —xzy"}, ["Glob", "Else"]),
    ({"Cased": "afoo", "Line": "cmd -xzy"}, ["Else"]),
    ({"Cased": "Foo", "Line": "cmd -xy"}, ["Else"]),
]


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@pytest.mark.parametrize(("event", "matching"), EVENTS, ids=lambda each: str(each)[:40])
def test_match(pack: Pack, event: dict[str, Any], matching: list[str]) -> None:
    assert titles(pack, event) == matching


def test_a_batch_gives_what_match_gives(pack: Pack) -> None:
    result = pack.match_batch(lines(*(event for event, _ in EVENTS)))
    assert result.record.dtype == result.rule.dtype == np.int32
    found: list[list[str]] = [[] for _ in EVENTS]
    for record, number in zip(result.record.tolist(), result.rule.tolist(), strict=True):
        found[record].append(pack.rules[number].title)
    assert found == [matching for _, matching in EVENTS]
    assert (result.records, result.rejected, len(result)) == (len(EVENTS), (), len(result.rule))


def test_every_match_carries_its_rule_and_its_event(pack: Pack) -> None:
    match = pack.match(WHOAMI)[0]
    assert match.event is WHOAMI
    assert match.explanation is None
    assert match.rule.on_the_wire() == {
        "id": "80167ada-7a12-41ed-b8e9-aa47195c66a1",
        "title": "Whoami",
        "level": "high",
        "tags": ["attack.t1033"],
    }
    assert match.rule.logsource.category == "process_creation"
    assert match.rule.source == "rules.yml:1"


def test_rules_are_a_sequence(pack: Pack) -> None:
    assert len(pack) == len(pack.rules) == 10
    assert pack.rules[-1].title == "Else"
    assert [each.title for each in pack.rules[:2]] == ["Whoami", "Words"]
    assert pack.rules[0] is pack.rules[0]
    with pytest.raises(IndexError, match="10 rules"):
        pack.rules[10]


@pytest.mark.parametrize(
    ("tag", "left_out"),
    [
        ({}, set()),
        ({"product": "windows"}, {"Words", "Inside"}),
        ({"product": "WINDOWS"}, {"Words", "Inside"}),
        ({"product": "linux"}, {"Whoami", "Inside"}),
        ({"category": "network"}, {"Whoami"}),
        ({"service": "x"}, {"Else"}),
        ({"product": "any", "category": "network", "service": "other"}, {"Whoami", "Words"}),
    ],
)
def test_a_rule_is_left_out_where_a_logsource_key_differs(
    pack: Pack, tag: dict[str, str], left_out: set[str]
) -> None:
    event = {**WHOAMI, "n": "sudo root", "Address": "10.0.0.1", "Port": 80}
    everything = {"Whoami", "Words", "Inside", "Ports", "Else"}
    assert set(titles(pack, event, logsource=tag)) == everything - left_out
    assert len(pack.match_batch(lines(event), logsource=tag)) == 5 - len(left_out)


# Explanations


def test_an_explanation_says_which_selections_and_values_made_the_match(pack: Pack) -> None:
    explanation = pack.match(WHOAMI, explain=True)[0].explanation
    assert explanation is not None
    assert dict(explanation.selections) == {"sel": True, "filter": False}
    asked = {(q.selection, q.field, q.test): (q.held, q.answer) for q in explanation.questions}
    assert asked["sel", "Image", "endswith"] == (("\\whoami.exe",), True)
    held, answer = asked["sel", "User", "contains"]
    assert answer
    assert "authori" in held
    assert asked["filter", "Parent", "equals"] == ((), False)
    json.dumps(explanation.plain())


@pytest.mark.parametrize(("port", "conditions"), [(2000, (0,)), (80, (1,))])
def test_an_explanation_names_the_conditions_that_hold(
    pack: Pack, port: int, conditions: tuple[int, ...]
) -> None:
    explanation = pack.match({"Port": port}, explain=True)[0].explanation
    assert explanation is not None
    assert explanation.conditions == conditions


@pytest.mark.parametrize(
    ("conditions", "held"),
    [("[s, not s]", (1,)), ("[s or not s, t]", (0, 1)), ("[s and not s, t]", (1,))],
)
def test_an_explanation_names_conditions_that_the_optimizer_could_decide(
    tmp_path: Path, conditions: str, held: tuple[int, ...]
) -> None:
    pack = make_pack(rule(f"s: {{A: 1}}\nt: {{B: 1}}\ncondition: {conditions}"), tmp_path)
    explanation = pack.match({"B": 1}, explain=True)[0].explanation
    assert explanation is not None
    assert explanation.conditions == held


def test_a_rule_that_does_not_match_can_be_explained_too(pack: Pack) -> None:
    explanation = pack.explain(0, {**WHOAMI, "Parent": r"C:\agent.exe"})
    assert dict(explanation.selections) == {"sel": True, "filter": True}


# Batches


def test_lines_are_counted_whatever_they_hold(pack: Pack) -> None:
    batch = b'\xef\xbb\xbf{"Port":80}\r\n\n  \t\n{"Port":80}\nnot json\n[1]\n{"Port":80} '
    result = pack.match_batch(batch)
    ports = [each.title for each in pack.rules].index("Ports")
    assert result.record[result.rule == ports].tolist() == [0, 3, 6]
    assert result.records == 3
    assert [(r.record, r.position) for r in result.rejected] == [
        (4, batch.index(b"not json")),
        (5, batch.index(b"[1]")),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"a":1}}', "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":1}\0', "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),  # a mark inside a batch is no mark
        (b"[]", "an array"),
        (b'"x"', "a string"),
        (b"5", "a number"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON"),
    ],
)
def test_a_record_that_is_no_json_object_is_rejected_alone(
    pack: Pack, line: bytes, reason: str
) -> None:
    result = pack.match_batch(b'{"Port":80}\n' + line + b'\n{"Port":80}\n')
    (rejected,) = result.rejected
    assert (rejected.record, rejected.position) == (1, 12)
    assert reason in rejected.reason
    assert sorted(set(result.record.tolist())) == [0, 2]


@pytest.mark.parametrize("batch", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_a_batch_of_nothing(pack: Pack, batch: bytes) -> None:
    result = pack.match_batch(batch)
    assert (len(result), result.records, result.rejected) == (0, 0, ())


def test_a_batch_may_be_any_buffer_of_bytes(pack: Pack) -> None:
    data = lines({"Port": 80})
    assert len(pack.match_batch(bytearray(data))) == 2
    assert len(pack.match_batch(memoryview(data))) == 2


# Events that are none


@pytest.fixture(scope="module")
def kinds_of_rules(tmp_path_factory: pytest.TempPathFactory) -> list[Pack]:
    """Packs whose rules look at an event in each of the ways there are, new and with the engine loaded."""
    detections = (
        "k: [needle]\ncondition: k",
        "k: [needle]\ncondition: not k",
        "s: {Image|endswith: needle}\ncondition: s",
        "s: {Image|re: n.*e}\ncondition: s",
        "s: {Image|exists: true, count|gt: 4}\ncondition: s",
        "s: {Image|hour: 5}\ncondition: s",
        "s: {other: 1}\ncondition: s",
    )
    folders = [make_pack(rule(text), tmp_path_factory.mktemp("pack")).path for text in detections]
    packs = [load_pack(folder) for folder in (*folders, *folders)]
    for made in packs[len(folders) :]:
        for _ in range(EVENTS_BEFORE_ENGINE):
            made.match({})
    return packs


@pytest.mark.parametrize("event", [None, [], "x", 5, b"{}", [("Port", 80)]])
def test_an_event_is_a_mapping(pack: Pack, event: Any) -> None:
    with pytest.raises(EventError, match="dict"):
        pack.match(event)


@pytest.mark.parametrize(
    "value",
    [
        *(
            float("nan"),
            np.float64("inf"),
            10**400,
            b"x",
            {1},
            object(),
            Decimal(1),
            uuid.UUID(int=1),
        ),
        *(
            datetime.now(UTC),
            "\ud800",
            ["\ud800"],
            {"\ud800": 1},
            {5: 1},
            {"x": {None: 1}},
            np.array([b"x"]),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1, v], lambda v: {"a": ({"b": v},)}])
def test_what_json_cannot_hold_is_refused_whichever_rule_asks(
    kinds_of_rules: list[Pack], value: Any, wrap: Callable[[Any], Any]
) -> None:
    for field in ("Image", "nobody asks for it"):
        said = set()
        for made in kinds_of_rules:
            with pytest.raises(EventError, match=r"the field|a key") as caught:
                made.match({field: wrap(value)})
            said.add(str(caught.value))
        assert len(said) == 1


@pytest.mark.parametrize(
    "value",
    [
        ("needle",),
        np.array(["needle"]),
        [("hay", ("needle",))],
        MappingProxyType({"in": "needle"}),
        np.str_("needle"),
        StrEnum("Word", {"ONE": "needle"})["ONE"],
        [StrEnum("Word", {"ONE": "needle"})["ONE"]],
        type("Names", (list,), {})(["needle"]),
        OrderedDict(a="needle"),
        OrderedDict(a=OrderedDict(b=["needle"])),
        {"deep": np.array([["hay"], ["needle"]])},
    ],
    ids=repr,
)
def test_what_python_writes_otherwise_is_what_json_would_be(
    kinds_of_rules: list[Pack], value: Any
) -> None:
    more = {"count": np.int64(5), "seen": np.bool_(True)}
    for event in ({"Image": value}, {"Image": value} | more, {np.str_("Image"): value}):
        as_json = json.loads(
            json.dumps(event, default=lambda v: dict(v) if isinstance(v, Mapping) else v.tolist())
        )
        for made in kinds_of_rules:
            expected = [match.rule.title for match in made.match(as_json)]
            for given in (event, MappingProxyType(event)):
                found = made.match(given)
                assert [match.rule.title for match in found] == expected
                assert all(match.event is given for match in found)


def test_an_event_that_holds_itself_is_refused(kinds_of_rules: list[Pack]) -> None:
    event: dict[str, Any] = {}
    event["x"] = [event]
    for made in kinds_of_rules:
        with pytest.raises(EventError, match="1024 levels"):
            made.match(event)


@pytest.mark.parametrize("records", ["{}", {"A": 1}, [5], ["{}"], 5, None], ids=repr)
def test_a_batch_of_something_else_is_told_what_to_give(pack: Pack, records: Any) -> None:
    with pytest.raises(TypeError, match=r"match_batch takes bytes.*to_json\("):
        pack.match_batch(records)


def test_a_batch_may_be_events_one_by_one(pack: Pack) -> None:
    events = [event for event, _ in EVENTS]
    given: list[Any] = [*events]
    given[0] = json.dumps(events[0], indent=1).encode()  # over several lines
    given[1] = OrderedDict(events[1])
    given.insert(2, {"x": float("nan")})
    given.insert(3, b"not JSON")
    given.insert(4, b"")
    result = pack.match_batch(iter(given))
    expected = pack.match_batch(events)
    assert [each.record for each in result.rejected] == [2, 3]
    assert "no JSON value" in result.rejected[0].reason
    assert result.records == expected.records == len(events)
    places = [record + 3 * (record >= 2) for record in expected.record.tolist()]
    assert list(zip(result.record.tolist(), result.rule.tolist(), strict=True)) == list(
        zip(places, expected.rule.tolist(), strict=True)
    )
    for number, (_, names) in enumerate(EVENTS):
        rules = expected.rule[expected.record == number].tolist()
        assert [pack.rules[rule].title for rule in rules] == names


def test_a_pack_is_pickled_by_its_place_and_digest(tmp_path: Path) -> None:
    folder = write_text_pack(RULES, tmp_path / "pack")
    one = load_pack(folder, memory_budget=1 << 20, max_values=99)
    data = pickle.dumps(one)
    assert len(data) < 1000
    other = pickle.loads(data)
    assert titles(other, WHOAMI) == titles(one, WHOAMI) == ["Whoami", "Else"]
    assert (other.digest, other.budget.limit) == (one.digest, 1 << 20)
    with pytest.raises(EventError, match="99 values"):
        other.match({"a": [0] * 100})
    shutil.rmtree(folder)
    write_text_pack(RULES.replace("Whoami", "Who"), folder.parent)
    with pytest.raises(PackError, match="another pack"):
        pickle.loads(data)


def test_a_rule_is_found_by_its_id(pack: Pack) -> None:
    assert pack.rule("80167ada-7a12-41ed-b8e9-aa47195c66a1").title == "Whoami"
    with pytest.raises(KeyError, match="no rule with the id 'none'"):
        pack.rule("none")


def test_matches_are_dicts_and_a_table(pack: Pack) -> None:
    event = {**WHOAMI, "Note": "<script>alert(1)</script>\x1b[2J"}
    found = pack.match(event, explain=True)
    assert [each.rule.title for each in found] == ["Whoami", "Else"]
    assert found.plain()[0]["rule"]["title"] == "Whoami"
    assert found.plain()[0]["event"] == event
    assert found[0].plain()["explanation"]["selections"]
    assert "explanation" not in pack.match(event)[0].plain()
    page = found._repr_html_()
    assert page.count("<tr>") == 1 + len(found)
    assert "<td>Whoami</td>" in page
    assert r"Image: C:\Windows\WHOAMI.exe" in found[0]._repr_html_()
    plain = pack.match(event)._repr_html_()
    assert "<script>" not in plain + page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J" in plain
    assert "and 20 more" in Matches([*found] * 60)._repr_html_()


def test_a_lone_surrogate_is_refused_where_only_a_pattern_looks_at_it(tmp_path: Path) -> None:
    made = make_pack(rule("s: {f|re: 'a.'}\nt: {g|cased: 'b?'}\ncondition: s or t"), tmp_path)
    for field in ("f", "g"):
        with pytest.raises(EventError, match="surrogate"):
            made.match({field: "\ud800b"})


# Sharing


def test_eight_threads_get_the_answers_of_one(tmp_path: Path) -> None:
    shared = make_pack(RULES, tmp_path, memory_budget=20_000)
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def work(seed: int) -> None:
        mine = EVENTS * 20
        random.Random(seed).shuffle(mine)
        start.wait()
        for event, matching in mine:
            if (found := titles(shared, event)) != matching:
                wrong.append((event, found))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def test_two_versions_of_a_pack_side_by_side(tmp_path: Path) -> None:
    old = make_pack(rule("s: {f: [a, b]}\ncondition: s", "Old"), tmp_path / "1", version="1.0")
    new = make_pack(rule("s: {f: [b, c]}\ncondition: s", "New"), tmp_path / "2", version="2.0")
    assert (old.name, new.name) == ("test", "test")
    answers = {value: (titles(old, {"f": value}), titles(new, {"f": value})) for value in "abc"}
    assert answers == {"a": (["Old"], []), "b": (["Old"], ["New"]), "c": ([], ["New"])}


def test_a_pack_that_was_replaced_on_the_disk_keeps_its_answers(tmp_path: Path) -> None:
    old = make_pack(rule("s: {f: a}\ncondition: s", "Old"), tmp_path)
    new = make_pack(rule("s: {f: a}\ncondition: s", "New"), tmp_path)
    assert titles(old, {"f": "a"}) == ["Old"]
    assert titles(new, {"f": "a"}) == ["New"]


@pytest.mark.parametrize("budget", [1, 1000, 5000])
def test_answers_do_not_depend_on_the_memory_budget(tmp_path: Path, budget: int) -> None:
    small = make_pack(RULES, tmp_path, memory_budget=budget)
    for event, matching in EVENTS * 2:
        assert titles(small, event) == matching
    assert small.budget.flushes > 0
    assert small.budget.used <= budget + 10_000


# Loading


@pytest.mark.parametrize(("name", "says"), [("missing", "missing"), ("./missing", "sigmac build")])
def test_a_pack_that_is_not_there(name: str, says: str) -> None:
    with pytest.raises(PackError, match=says):
        load_pack(name)


def test_a_folder_that_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"no manifest\.json"):
        load_pack(tmp_path)


def test_a_pack_is_loaded_by_path_or_text(tmp_path: Path) -> None:
    folder = write_text_pack(rule("s: {f: a}\ncondition: s"), tmp_path)
    assert load_pack(folder).name == load_pack(str(folder)).name == "test"
