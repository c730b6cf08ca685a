"""A text that is checked with its neighbours alone gets what the whole workspace says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.lsp.checking import Settings, check_text, summarize
from sigmac.lsp.workspace_index import WorkspaceIndex

ROOT = Path(__file__).resolve().parents[3]
WORKSPACES = yaml.safe_load(Path(__file__).with_name("workspaces.yml").read_text(encoding="utf-8"))
# What two documents have in common is told of the later one by the whole, and of the open one in an editor.
IN_COMMON = {"W_TITLE_TWICE", "W_NAME_TWICE", "W_RULE_TWICE", "W_META", "E_CASE_TWICE"}


def compared(folder: Path, pipelines: tuple[str, ...] = ()) -> None:
    # Files of pipelines lie there too, which are no rules.
    sources = [each for each in find_sources([folder]) if "pipelines" not in each.path.parts]
    texts = {str(each.path): each.read() for each in sources}
    index = WorkspaceIndex()
    for file, data in texts.items():
        index.put(file, summarize(file, data))
    whole: dict[str, set[object]] = {file: set() for file in texts}
    for found in check_sources(sources, pipelines):
        whole[found.place.file].add(_key(found))
    for file, data in texts.items():
        checked = check_text(
            file, data.decode(), Settings(pipelines), index.neighbours(file), {}
        ).found
        told = {_key(each) for each in checked}
        assert whole[file] - told == set()
        assert {each for each in told - whole[file] if each[0] not in IN_COMMON} == set()


def _key(found: Diagnostic) -> tuple[str, int, int]:
    return found.code, found.place.line, found.place.column


@pytest.mark.parametrize("name", WORKSPACES)
def test_a_workspace_that_is_made_of_references(name: str, tmp_path: Path) -> None:
    for file, text in WORKSPACES[name].items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    compared(tmp_path)


def test_the_example_rules() -> None:
    compared(ROOT / "rules", ("windows",))


def test_a_file_that_is_gone_is_forgotten_as_a_whole() -> None:
    index = WorkspaceIndex()
    data = (ROOT / "rules" / "logons" / "logon.yml").read_bytes()
    index.put("a.yml", summarize("a.yml", data))
    assert index.documents == 1
    index.put("a.yml", ())
    assert index == WorkspaceIndex()
