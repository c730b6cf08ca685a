"""Faulty pipeline files are refused with the place and a hint, by the cases of `errors.yml`; those of
`warnings.yml` are carried out, and a warning says what they may not mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.transformations import REFUSED

CASES = yaml.safe_load(Path(__file__).with_name("errors.yml").read_text("utf-8"))
WARNINGS = yaml.safe_load(Path(__file__).with_name("warnings.yml").read_text("utf-8"))


def refusal(*names: str, **given: Any) -> RuleError:
    with pytest.raises(RuleError) as error:
        load_pipelines(names, **given)
    return error.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_faulty_file(case: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "faulty.yml"
    file.write_text(case["file"], "utf-8")
    found = refusal(str(file)).diagnostic
    assert found.code == case.get("code", "E_PIPELINE")
    assert case["says"] in found.message
    assert case.get("hint", "") in found.hint
    assert [found.place.line, found.place.column] == case["at"]
    assert found.place.file == str(file)


@pytest.mark.parametrize("case", WARNINGS, ids=lambda case: case["name"])
def test_file_with_a_warning(case: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "warned.yml"
    file.write_text(case["file"], "utf-8")
    (found,) = load_pipelines([str(file)]).warnings
    assert found.code == case["code"]
    assert case["says"] in found.message
    assert case.get("hint", "") in found.hint
    assert [found.place.line, found.place.column] == case["at"]


@pytest.mark.parametrize("replacement", ["C:\\\\temp", r"\REGISTRY\MACHINE", r"\1\*", r"\\\*", "*"])
def test_replacement_that_means_the_same_to_both(replacement: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    item = {"type": "replace_string", "regex": "(a)", "replacement": replacement}
    file.write_text(yaml.safe_dump({"transformations": [item]}))
    assert load_pipelines([str(file)]).warnings == ()


@pytest.mark.parametrize("kind", REFUSED)
def test_type_that_is_refused_says_why(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text(f"transformations: [{{type: {kind}}}]\n")
    message = refusal(str(file)).diagnostic.message
    assert message == f"the transformation `{kind}` is not supported: {REFUSED[kind]}"


def test_pipeline_that_is_not_there() -> None:
    found = refusal("window").diagnostic
    assert (found.code, found.place.file) == ("E_PIPELINE", "window")
    assert found.message == "there is no pipeline `window`"
    assert found.hint.startswith("did you mean `windows`")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("windows_audit", "did you mean `windows-audit`"),
        ("Sysmom", "did you mean `windows`? `sigmac pipelines` lists those that are shipped"),
        ("auto", "it is chosen by events, with `sigmac run RULES EVENTS`"),
        ("qqq", "`sigmac pipelines` lists those that are shipped"),
        ("x" * 10_000, ""),
    ],
)
def test_hint_for_a_name_that_is_not_shipped(name: str, hint: str) -> None:
    assert refusal(name).diagnostic.hint.startswith(hint)


@pytest.mark.parametrize("name", ["mine", "sysmon-old"])
def test_folder_in_place_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    found = refusal(name).diagnostic
    assert found.message == f"`{name}` is a folder, and a pipeline is a file"
    assert found.hint


@pytest.mark.parametrize("name", ["windows", "sysmon"])
def test_what_lies_beside_does_not_hide_a_shipped_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert [each.file for each in load_pipelines([name]).pipelines] == ["windows"]


def test_a_pipeline_builds_on_shipped_ones_only(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("variant: mine\nbuilds_on: windos\n")
    found = refusal(str(file)).diagnostic
    assert (found.message, found.place.line) == ("no pipeline `windos` is shipped", 2)
    assert found.hint.startswith("did you mean `windows`")


def test_a_file_of_many_nodes_is_a_pipeline(tmp_path: Path) -> None:
    file = tmp_path / "large.yml"
    item = "  - {type: field_name_mapping, mapping: {A: B}, rule_conditions: [{type: tag, tag: a.b}]}\n"
    file.write_text("transformations:\n" + item * 1000)
    assert len(load_pipelines([str(file)]).pipelines[0].items.items) == 1000


def test_placeholder_without_values() -> None:
    found = refusal(placeholders={"admins": []}).diagnostic
    assert found.code == "E_PLACEHOLDER"
    assert "`admins`" in found.message
