"""Faulty pipeline files are refused with the place and a hint, by the cases of `errors.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.transformations import REFUSED

CASES = yaml.safe_load(Path(__file__).with_name("errors.yml").read_text("utf-8"))


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
    assert found.hint == "did you mean `windows`?"


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refusal(str(tmp_path)).diagnostic.message


def test_placeholder_without_values() -> None:
    found = refusal(placeholders={"admins": []}).diagnostic
    assert found.code == "E_PLACEHOLDER"
    assert "`admins`" in found.message
