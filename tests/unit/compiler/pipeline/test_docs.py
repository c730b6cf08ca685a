"""Every type is in `docs/pipelines.md`, and every example there is a pipeline."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.conditions.processing_conditions import (
    FIELD_CONDITIONS,
    ITEM_CONDITIONS,
    RULE_CONDITIONS,
)
from sigmac.compiler.pipeline.transformations import IGNORED, REFUSED, TRANSFORMATIONS

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "pipelines.md").read_text("utf-8")
CONDITIONS = {
    "rule_conditions": RULE_CONDITIONS,
    "detection_item_conditions": ITEM_CONDITIONS,
    "field_name_conditions": FIELD_CONDITIONS,
}


def rows() -> dict[str, dict[str, str]]:
    """Of the tables of types: section → type → example."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for section in re.split(r"^##+ ", TEXT, flags=re.MULTILINE):
        title = section.partition("\n")[0].strip("`")
        for row in re.finditer(r"^\| `(\w+)` \| `(\{type: .*?\})` \|", section, re.MULTILINE):
            found[title][row[1]] = row[2]
    return found


ROWS = rows()
TRANSFORMATION_ROWS = {
    kind: example
    for title, section in ROWS.items()
    if title not in CONDITIONS
    for kind, example in section.items()
}


def loads(text: str, folder: Path) -> None:
    file = folder / "example.yml"
    file.write_text(text, "utf-8")
    assert load_pipelines([str(file)]).warnings == ()


def test_every_type_is_there() -> None:
    assert set(TRANSFORMATION_ROWS) == {*TRANSFORMATIONS, "nest"}
    for title, table in CONDITIONS.items():
        assert set(ROWS[title]) == set(table)
    refused = TEXT.partition("### Not supported")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", refused)) == {*REFUSED, *IGNORED, "vars"}


@pytest.mark.parametrize("kind", TRANSFORMATION_ROWS)
def test_example_of_a_transformation(kind: str, tmp_path: Path) -> None:
    example = TRANSFORMATION_ROWS[kind]
    assert example.startswith(f"{{type: {kind}")
    loads(f"transformations: [{example}]", tmp_path)


@pytest.mark.parametrize(("key", "kind"), [(key, kind) for key in CONDITIONS for kind in ROWS[key]])
def test_example_of_a_condition(key: str, kind: str, tmp_path: Path) -> None:
    example = ROWS[key][kind]
    assert example.startswith(f"{{type: {kind}")
    loads(f"transformations: [{{type: case, {key}: [{example}]}}]", tmp_path)


def test_example_files(tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        loads(example, tmp_path)
