"""The program that asks the Go engine: built once, and told in one line where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmac.compat.go.go_engine import GoEngine, build_engine
from sigmac.runtime.errors import ConfigurationError, SigmacError

RULE = "title: A\nid: 1\ndetection: {s: {A: a}, condition: s}\n"


def tool_chain(folder: Path, text: str) -> str:
    program = folder / "bin" / "go"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    program.chmod(0o755)
    return str(program.parent)


def test_without_a_tool_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="install Go") as raised:
        build_engine(tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_a_build_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PATH", tool_chain(tmp_path, "echo one >&2; echo no such module >&2; exit 1")
    )
    with pytest.raises(ConfigurationError, match="one / no such module") as raised:
        build_engine(tmp_path / "cache")
    assert "\n" not in str(raised.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'echo x >> "$LOG"; echo program > engine'
    monkeypatch.setenv("PATH", f"{tool_chain(tmp_path, script)}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    made = build_engine(tmp_path / "cache")
    assert build_engine(tmp_path / "cache") == made
    assert made.read_text("utf-8") == "program\n"
    assert (tmp_path / "log").read_text("utf-8") == "x\n"


def test_folders_rules_and_what_is_wrong(go_engine: GoEngine, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(RULE, "utf-8")
    (tmp_path / "b.yml").write_text("title: [", "utf-8")
    found = go_engine.load([str(tmp_path)])
    assert [(Path(each["path"]).name, each["id"], each["outcome"]) for each in found] == [
        ("a.yml", "1", "ok"),
        ("b.yml", "", "failed"),
    ]
    assert go_engine.evaluate({"A": "a"}) == {"matched": [0], "applicable": [0]}
    assert go_engine.evaluate({"A": "b"}) == {"matched": [], "applicable": [0]}
    assert go_engine.evaluate({"B": "b"}) == {"matched": []}
    with pytest.raises(SigmacError, match="neither load"):
        go_engine.ask({})


def test_a_program_that_ends() -> None:
    with GoEngine(Path("/bin/true")) as engine, pytest.raises(SigmacError, match="has ended"):
        engine.ask({})
