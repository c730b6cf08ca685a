"""Answers that are easily got wrong, and who gives them: the engine alone, or with a look at the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from sigmac.runtime import load_pack
from tests.unit.runtime.engine.agreement import agreed, said

CASES = yaml.safe_load(Path(__file__).with_name("answers.yml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, found in CASES.items() for case in found],
    ids=lambda each: each if isinstance(each, str) else each["record"],
)
def test_answers(name: str, case: dict[str, Any], pack_folders: Callable[[str], Path]) -> None:
    pack = load_pack(pack_folders(name), memory_budget=1 << 20)
    pairs, _, _ = agreed(pack, case["record"].encode())
    assert [pack.rules[rule].title for _, rule in pairs] == case["titles"]
    counts = pack.engine_counts()
    left = {"all": (1, 0), "some": (0, 1), "nothing": (0, 0)}[case["left"]]
    assert (counts["fallbacks"], counts["undecided"]) == left


@pytest.mark.parametrize("name", CASES)
def test_a_buffer_is_answered_as_bytes_are(name: str, pack_folders: Callable[[str], Path]) -> None:
    pack = load_pack(pack_folders(name))
    data = b"\n".join(case["record"].encode() for case in CASES[name])
    expected = said(pack.match_batch(data))
    assert said(load_pack(pack.path).match_lines(cast(bytes, bytearray(data)))) == expected
