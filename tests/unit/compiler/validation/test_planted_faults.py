"""Faults planted in optimizer, lowering, generated code and tables: `sigmac build --verify` tells of each."""

from __future__ import annotations

import inspect
import json
import textwrap
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import yaml

from sigmac.compiler.packaging.build import BuildOptions
from sigmac.compiler.validation.verify import verify
from tests.unit.packs import compile_text, rule

FAULTS = yaml.safe_load(Path(__file__).with_name("faults.yml").read_text(encoding="utf-8"))


def differences(detection: str, folder: Path) -> list[Any]:
    lines = "\n".join(
        f"{key}: {json.dumps(value)}" for key, value in yaml.safe_load(detection).items()
    )
    made = compile_text(rule(lines), folder, jobs=1)
    assert made.errors == []
    return verify(made, BuildOptions("test", jobs=1)).differences


def plant(monkeypatch: pytest.MonkeyPatch, where: str, was: str, wrong: str) -> None:
    """Let a function run as if its source said something else, whoever has imported it."""
    name, _, path = where.partition(":")
    function: Any = import_module(f"sigmac.compiler.{name}")
    for each in path.split("."):
        function = getattr(function, each)
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(was) == 1, f"what {where} says has changed: write the fault anew"
    made: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{source.replace(was, wrong)}", {}, made)
    monkeypatch.setattr(function, "__code__", made[function.__name__].__code__)


@pytest.mark.parametrize(("where", "was", "wrong", "detection"), FAULTS)
def test_a_planted_fault_is_told(
    where: str,
    was: str,
    wrong: str,
    detection: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch, where, was, wrong)
    assert differences(detection, tmp_path)


def test_without_a_fault_nothing_is_told(tmp_path: Path) -> None:
    for i, detection in enumerate({each[-1] for each in FAULTS}):
        assert differences(detection, tmp_path / str(i)) == []
