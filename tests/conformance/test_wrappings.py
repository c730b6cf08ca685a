"""Logs as they really come give what they must, without an option that says what they are."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.cli.chosen_pipelines import chosen, first_events
from sigmac.runtime.errors import InputError
from sigmac.runtime.reading.reading import Reading, read_events
from tests.conformance.corpora import FOLDER, MISSING
from tests.unit.packs import make_pack

WRAPPINGS = FOLDER.parent / "trials" / "wrappings"
if not WRAPPINGS.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

GIVEN = yaml.safe_load((WRAPPINGS / "wrappings.yml").read_text(encoding="utf-8"))


def found(name: str, folder: Path, pipeline: str) -> dict[str, Any]:
    file = str(WRAPPINGS / name)
    pipelines = chosen((), partial(first_events, [file], Reading()))
    assert pipeline in pipelines or pipeline == "windows"
    pack = make_pack(GIVEN["rule"], folder, pipelines=pipelines)
    blocks = list(read_events(file, Reading()))
    results = [pack.match_each(block.data) for block in blocks]
    assert not any(block.unreadable for block in blocks)
    assert not any(result.rejected for result in results)
    for block in blocks:
        assert all(isinstance(json.loads(line), dict) for line in block.data.splitlines() if line)
    return {
        "events": sum(result.records for result in results),
        "matches": sum(len(result) for result in results),
    }


@pytest.mark.parametrize("name", GIVEN["files"])
def test_a_file_gives_what_it_must(name: str, tmp_path: Path) -> None:
    expected = GIVEN["files"][name]
    asked = {key for key in ("events", "matches") if key in expected}
    try:
        made = found(name, tmp_path, expected.get("pipeline", "windows"))
    except InputError as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(str(error))
    assert {key: made[key] for key in asked} == {key: expected[key] for key in asked}
