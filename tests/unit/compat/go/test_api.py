"""The Go engine's API over compiled packs: what it counts, raises, asks events and answers."""

from __future__ import annotations

import datetime
import json
import threading
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from sigmac.compat import go
from sigmac.compat.go import Config, MapEvent, Ruleset, new_ruleset
from sigmac.runtime.errors import ConfigurationError, EventError

LOGSOURCE = "logsource: {product: any}"
SHELL = f"""title: Shell
id: 5f2a8a0c-3c1e-4f0c-9d63-0b6c1c1f2a01
tags: [attack.t1059]
{LOGSOURCE}
detection:
    selection: {{Image|endswith: '\\cmd.exe', User: root}}
    condition: selection
"""
TALK = f"""title: Talk
{LOGSOURCE}
detection:
    keywords: ['su:  *root', failed]
    condition: keywords
"""
NOT_ROOT = f"""title: Not Root
{LOGSOURCE}
detection:
    root: {{User: root}}
    condition: not root
"""
COUNT = f"""title: Count
{LOGSOURCE}
detection:
    s: {{A: b}}
    condition: s | count() > 5
"""
CORRELATION = """title: Often
correlation: {type: event_count, rules: [talk], group-by: [A], timespan: 5m, condition: {gte: 5}}
"""
FILTER = f"""title: Not This One
{LOGSOURCE}
filter: {{rules: any, selection: {{Host: build}}, condition: not selection}}
"""


class Asked:
    """An event that counts what it is asked."""

    def __init__(self, fields: dict[str, Any], texts: Sequence[str] | None = None):
        self.fields = fields
        self.texts = texts
        self.counts: Counter[str] = Counter()

    def keywords(self) -> tuple[Sequence[str] | None, bool]:
        self.counts["keywords()"] += 1
        return self.texts, self.texts is not None

    def select(self, key: str) -> tuple[Any, bool]:
        self.counts[key] += 1
        return self.fields.get(key), key in self.fields


def ruleset(folder: Path, files: dict[str, str], **options: Any) -> Ruleset:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return new_ruleset(Config(directory=[folder], **options))


def titles(rules: Ruleset, event: go.Event) -> list[str]:
    results, matched = rules.eval_all(event)
    assert matched is bool(results)
    return [each.title for each in results]


def test_rules_that_match_are_given_with_the_keys_of_the_go_engine(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {"a.yml": SHELL, "b.yml": TALK, "c.yml": NOT_ROOT})
    results, matched = rules.eval_all(MapEvent({"Image": r"C:\CMD.EXE", "User": "Root"}))
    assert matched
    assert json.dumps(results.plain()) == (
        '[{"Tags": ["attack.t1059"], "ID": "5f2a8a0c-3c1e-4f0c-9d63-0b6c1c1f2a01", "Title": "Shell"}]'
    )
    assert rules.eval_all(MapEvent({"User": "root"})) == ([], False)
    assert titles(rules, MapEvent({}, ["login failed"])) == ["Talk", "Not Root"]
    (result,) = rules.eval_all(MapEvent({}))[0]
    assert result.plain() == {"Tags": None, "ID": "", "Title": "Not Root"}


def test_every_document_is_counted_and_told(tmp_path: Path) -> None:
    files = {
        "a/shell.yml": SHELL,
        "a/two.yml": f"{TALK}name: talk\n---\n{NOT_ROOT}---\n{CORRELATION}",
        "b/count.yml": COUNT,
        "b/filter.yml": FILTER,
        "b/none.yml": "title: [\n",
        "b/empty.yml": f"title: Empty\n{LOGSOURCE}\ndetection: {{condition: s, s: []}}\n",
        "b/missing.yml": f"title: Missing\n{LOGSOURCE}\ndetection: {{condition: x, s: {{A: 1}}}}\n",
        "b/other.yaml": SHELL,
    }
    rules = ruleset(tmp_path, files)
    assert (rules.total, rules.ok, rules.failed, rules.unsupported, rules.filters) == (
        8,
        3,
        3,
        2,
        1,
    )
    assert [tree.rule.title for tree in rules.rules] == ["Shell", "Talk", "Not Root"]
    assert [tree.rule.multipart for tree in rules.rules] == [False, True, True]
    told = [
        (type(each).__name__, Path(each.path).name, each.place.document) for each in rules.errors
    ]
    assert told == [
        ("Unsupported", "two.yml", 2),
        ("Unsupported", "count.yml", 0),
        ("EmptyDetection", "empty.yml", 0),
        ("InvalidCondition", "missing.yml", 0),
        ("ParseYaml", "none.yml", 0),
    ]
    assert titles(rules, MapEvent({"Host": "build"})) == []
    assert titles(rules, MapEvent({"Host": "desk"})) == ["Not Root"]


def test_what_is_kept_says_the_same(tmp_path: Path) -> None:
    files = {
        "a.yml": f"{SHELL}---\n{CORRELATION}",
        "b.yml": COUNT,
        "c.yml": "title: [",
        "d.yml": FILTER,
    }
    first = ruleset(tmp_path, files)
    again = new_ruleset(Config(directory=[tmp_path]))
    for rules in (first, again):
        assert [(each.code, each.place.document) for each in rules.errors] == [
            ("correlation", 1),
            ("E_AGGREGATION", 0),
            ("E_YAML", 0),
        ]
        assert (rules.ok, rules.filters) == (1, 1)
        assert titles(rules, MapEvent({"Image": r"\cmd.exe", "User": "root"})) == ["Shell"]
    (tmp_path / "a.yml").write_text(NOT_ROOT, "utf-8")
    assert titles(new_ruleset(Config(directory=[tmp_path])), MapEvent({})) == ["Not Root"]


@pytest.mark.parametrize(
    ("option", "kind"),
    [("fail_on_yaml_parse", go.ErrParseYaml), ("fail_on_rule_parse", go.ErrUnsupportedToken)],
)
def test_a_fault_is_raised_where_that_is_asked(
    option: str, kind: type[go.RuleFault], tmp_path: Path
) -> None:
    files = {"a.yml": COUNT, "b.yml": "title: [\n", "c.yml": SHELL}
    options: dict[str, Any] = {option: True}
    assert ruleset(tmp_path, files).ok == 1
    with pytest.raises(kind):
        new_ruleset(Config(directory=[tmp_path], **options))


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file.yml").write_text(SHELL, "utf-8")
    for directory, said in (
        ([], "there is no folder"),
        ([tmp_path / "x"], "does not exist"),
        ([tmp_path / "file.yml"], "is no folder"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            new_ruleset(Config(directory=directory))


def test_a_folder_without_rules_matches_nothing(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {})
    assert (rules.total, rules.rules, rules.pack) == (0, [], None)
    assert rules.eval_all(MapEvent({"A": 1})) == ([], False)


def test_an_event_is_asked_once_for_each_field_that_rules_ask(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {"a.yml": SHELL, "b.yml": TALK, "c.yml": NOT_ROOT})
    event = Asked({"Image": r"C:\cmd.exe", "User": "root", "Other": 1}, ["it failed"])
    assert titles(rules, event) == ["Shell", "Talk"]
    assert event.counts == {"Image": 1, "User": 1, "keywords()": 1}
    event = Asked({"Image": r"C:\cmd.exe", "User": "root"})
    assert rules.rules[2].match(event) == (False, True)
    assert event.counts == {"User": 1}


def test_keywords_are_searched_in_what_the_event_gives_for_them_alone(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {"a.yml": TALK})
    assert titles(rules, MapEvent({"message": "failed"})) == []
    assert titles(rules, MapEvent({"keywords()": "failed"})) == []
    assert titles(rules, MapEvent({}, ["x", "it FAILED"])) == ["Talk"]
    assert titles(rules, Asked({}, ["su: to root"])) == ["Talk"]
    assert titles(rules, Asked({}, [])) == []


def test_what_is_applicable(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {"a.yml": SHELL, "b.yml": TALK, "c.yml": NOT_ROOT})
    shell, talk, not_root = rules.rules
    assert shell.match(MapEvent({"User": "x"})) == (False, True)
    assert shell.match(MapEvent({"Other": "x"}, ["failed"])) == (False, False)
    assert talk.match(MapEvent({"User": "x"})) == (False, False)
    assert talk.match(MapEvent({}, ["x"])) == (False, True)
    assert not_root.match(MapEvent({})) == (True, True)
    assert not_root.eval(MapEvent({})) == (not_root.result, True)
    assert shell.eval(MapEvent({})) == (None, False)


def test_white_space_is_collapsed_unless_it_is_left(tmp_path: Path) -> None:
    rule = f"""title: White Space
{LOGSOURCE}
detection:
    text: {{A|contains: "net \\t user"}}
    pattern: {{A|re: 'add\\s\\s$'}}
    inside: {{B.C: x y}}
    keywords: ["a  b"]
    condition: 1 of them
"""
    events: list[go.Event] = [
        MapEvent({"A": "net    user /all"}),
        MapEvent({"A": "net user"}),
        MapEvent({"A": "user add \t"}),
        MapEvent({"B": [{"C": "x\n\ny"}]}),
        MapEvent({}, ["- a b -"]),
        Asked({"A": ["", "net  user"]}),
    ]
    rules = ruleset(tmp_path, {"a.yml": rule})
    assert [titles(rules, each) != [] for each in events] == [True] * 6
    assert [rules.rules[0].match(each).matched for each in events] == [True] * 6
    rules = new_ruleset(Config(directory=[tmp_path], no_collapse_ws=True))
    assert [titles(rules, each) != [] for each in events] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert titles(rules, MapEvent({"A": "a net \t user"})) != []


def test_values_that_json_does_not_know_are_asked_by_their_texts(tmp_path: Path) -> None:
    rule = f"""title: Texts
{LOGSOURCE}
detection:
    s: {{Address|cidr: 10.0.0.0/8, Time|startswith: '2024-', Some: [a, b], Number: nan}}
    condition: s
"""
    rules = ruleset(tmp_path, {"a.yml": rule})
    event = {
        "Address": ip_address("10.1.2.3"),
        "Time": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        "Some": {"x", "b"},
        "Number": float("nan"),
    }
    assert titles(rules, Asked(event)) == ["Texts"]
    with pytest.raises(EventError, match="Address"):
        rules.eval_all(MapEvent(event))


def test_one_rule_by_itself(tmp_path: Path) -> None:
    (tmp_path / "two.yml").write_text(f"{SHELL}---\n{NOT_ROOT}---\n{COUNT}", "utf-8")
    (tmp_path / "bad.yml").write_text("a: [", "utf-8")
    files = go.new_rule_file_list([tmp_path])
    assert [Path(each).name for each in files] == ["bad.yml", "two.yml"]
    handles = go.new_rule_list(files)
    assert handles.error is not None
    assert len(handles.error.faults) == 1
    with pytest.raises(go.ParseYaml):
        go.new_rule_list(files, skip=False)
    shell, not_root, count = handles
    assert not_root.plain()["title"] == "Not Root"
    assert shell.plain()["logsource"]["product"] == "any"
    assert shell.plain()["detection"]["selection"]["User"] == "root"
    assert go.new_tree(not_root).eval(MapEvent({"User": "x"}))[1]
    with pytest.raises(go.Unsupported):
        go.new_tree(count)


def test_files_are_found_as_the_go_engine_finds_them(tmp_path: Path) -> None:
    for name in ("b/x.yml", "b-a/x.yml", "b/.hidden.yml", "b/y.yaml", "c/xyml", "c/x.YML"):
        path = tmp_path / "rules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "rules" / "d").symlink_to(tmp_path / "rules" / "b")
    found = go.new_rule_file_list([tmp_path / "rules"])
    names = [str(Path(each).relative_to(tmp_path / "rules")) for each in found]
    assert names == ["b/.hidden.yml", "b/x.yml", "b-a/x.yml", "c/xyml"]


def test_pipelines_of_ones_own_come_first(tmp_path: Path) -> None:
    pipeline = tmp_path / "mine.yml"
    pipeline.write_text(
        "name: mine\ntransformations: [{type: field_name_mapping, mapping: {User: user.name}}]\n",
        "utf-8",
    )
    rules = ruleset(tmp_path / "rules", {"a.yml": NOT_ROOT}, pipelines=[str(pipeline)])
    assert titles(rules, MapEvent({"user": {"name": "root"}})) == []
    assert titles(rules, Asked({"user.name": "x"})) == ["Not Root"]


def test_threads_share_a_ruleset(tmp_path: Path) -> None:
    rules = ruleset(tmp_path, {"a.yml": SHELL, "b.yml": TALK, "c.yml": NOT_ROOT})
    wrong: list[object] = []

    def ask(number: int) -> None:
        for i in range(300):
            user = "root" if (i + number) % 2 else "x"
            found = titles(rules, MapEvent({"User": user, "N": f"{number}  {i}"}))
            if found != ([] if user == "root" else ["Not Root"]):
                wrong.append((number, i, found))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def test_names_of_the_go_package() -> None:
    assert go.NewRuleset is go.new_ruleset
    assert go.Ruleset.EvalAll is go.Ruleset.eval_all
    assert (go.Tree.Match, go.Tree.Eval) == (go.Tree.match, go.Tree.eval)
    assert issubclass(go.ErrMissingConditionItem, go.RuleFault)
