"""Where cases are found, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmac.compiler.cases.find_cases import CaseSet, find_cases
from sigmac.compiler.cases.named_files import find_named, project_of
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime.errors import InputError

RULE = "title: {0}\nlogsource: {{product: any}}\ndetection: {{s: {{a: 1}}, condition: s}}\n"
CASES = "match:\n  - event: {a: 1}\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(f"{path.name}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found_in(folder: Path, *paths: str, others: str = "") -> CaseSet:
    sources = find_sources([folder / each for each in paths])
    more = find_sources([folder / others]) if others else ()
    return find_cases(sources, more, folder)


def whose(found: CaseSet) -> list[tuple[str, str | None]]:
    return sorted((each.path.as_posix().rpartition("/")[2], each.source) for each in found.found)


@pytest.mark.parametrize(
    ("events", "whom"),
    [
        ("rules__windows__events__x", "rules/windows/x.yml"),
        ("rules__events__windows__x", "rules/windows/x.yml"),
        ("rules__events__x", "rules/windows/x.yml"),  # as no other rule mirrors it
        ("events__rules__windows__x", "rules/windows/x.yml"),
        ("events__windows__x", "rules/windows/x.yml"),
        ("events__linux__x", None),
        ("others__x", None),
    ],
)
def test_folders_that_mirror_rules(tmp_path: Path, events: str, whom: str | None) -> None:
    write(tmp_path, rules__windows__x=RULE.format("X"), **{events: CASES})
    found = found_in(tmp_path, "rules")
    assert whose(found) == ([("x.yml", whom)] if whom else [])
    assert [each.source for each in found.rules] == ["rules/windows/x.yml"]


def test_a_file_that_mirrors_two_rules_must_say_which(tmp_path: Path) -> None:
    rules = {"rules__a__x": RULE.format("A"), "rules__b__x": RULE.format("B")}
    write(tmp_path, **rules, rules__events__x=f"{CASES}---\nrule: A\n{CASES}")
    found = found_in(tmp_path, "rules")
    assert [each.code for each in found.diagnostics] == ["E_CASE_RULE"]
    assert [each.cases.rule for each in found.found] == ["A"]


def test_the_nearest_rule_has_the_cases(tmp_path: Path) -> None:
    write(tmp_path, rules__x=RULE.format("A"), rules__b__x=RULE.format("B"), rules__events__x=CASES)
    assert whose(found_in(tmp_path, "rules")) == [("x.yml", "rules/x.yml")]


def test_other_cases_are_found_by_their_place_or_what_they_say(tmp_path: Path) -> None:
    write(tmp_path, rules__a__x=RULE.format("A"), rules__b__x=RULE.format("B"))
    write(tmp_path, more__b__x=CASES, more__y=f"rule: A\n{CASES}", more__z=CASES)
    found = found_in(tmp_path, "rules", others="more")
    assert whose(found) == [("x.yml", "rules/b/x.yml"), ("y.yml", None)]
    (said,) = found.diagnostics
    assert (said.code, said.place.file) == ("E_CASE_RULE", str(tmp_path / "more" / "z.yml"))


def test_tests_that_a_rule_names_are_looked_for_above_it(tmp_path: Path) -> None:
    named = RULE.format("X") + "regression_tests_path: data/x/info.yml\n"
    info = "regression_tests_info: [{path: data/x/a.json}]\n"
    write(
        tmp_path, rules__windows__x=named, rules__y=named.replace("/x/", "/y/"), data__x__info=info
    )
    found = found_in(tmp_path, "rules")
    assert [(each.source, each.document) for each in found.found] == [("rules/windows/x.yml", 0)]
    assert [(each.file, each.place.line) for each in found.missing] == [("data/y/info.yml", 4)]


def test_files_are_named_within_the_project_alone(tmp_path: Path) -> None:
    inside = tmp_path / "project" / "rules"
    inside.mkdir(parents=True)
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "project" / "a.json").write_text("{}")
    (inside / "link.json").symlink_to(tmp_path / "secret.json")
    (inside / "folder").mkdir()
    project = tmp_path / "project"
    assert find_named("../a.json", inside, project, above=False) == project / "a.json"
    assert find_named("a.evtx", inside, project, above=True) == project / "a.json"
    for name in ("../../secret.json", "link.json", "folder", "none.json", "/etc/hostname", "a\0"):
        with pytest.raises(InputError):
            find_named(name, inside, project, above=True)


def test_a_project_is_the_folder_with_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "a" / "b" / "rules"
    rules.mkdir(parents=True)
    assert project_of([rules]) == rules.parent
    monkeypatch.chdir(tmp_path)
    assert project_of([rules]) == tmp_path
    (tmp_path / "a" / ".git").mkdir()
    assert project_of([rules, rules / "none.yml"]) == tmp_path / "a"


@pytest.mark.parametrize(("installed", "found"), [(True, "a.evtx"), (False, "a.json")])
def test_json_is_read_where_evtx_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, found: str
) -> None:
    for name in ("a.evtx", "a.json", "b.evtx"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: "spec" if installed else None)
    assert find_named("a.evtx", tmp_path, tmp_path, above=False).name == found
    assert find_named("b.evtx", tmp_path, tmp_path, above=False).name == "b.evtx"
