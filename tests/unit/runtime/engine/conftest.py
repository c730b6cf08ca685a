"""Packs of all the questions that the engine answers, one a file of `rules/`, and all of them in one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sigmac.runtime import Pack, load_pack
from sigmac.runtime.engine.machine_code import choice
from tests.unit.packs import write_text_pack

RULES = {file.stem: file for file in sorted(Path(__file__).with_name("rules").iterdir())}
PACKS = (*RULES, "all")


def rules_text(name: str) -> str:
    """The rules of a pack; `all` is every file."""
    files = RULES.values() if name == "all" else [RULES[name]]
    return "\n---\n".join(file.read_text("utf-8") for file in files)


@pytest.fixture(scope="session")
def pack_folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the pack of a name, built when it is first asked for."""
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            pipelines = ("windows",) if name in ("all", "logsources") else ()
            path = tmp_path_factory.mktemp(name)
            built[name] = write_text_pack(rules_text(name), path, pipelines=pipelines)
        return built[name]

    return folder


@pytest.fixture(params=PACKS, scope="session")
def pack(request: pytest.FixtureRequest, pack_folders: Callable[[str], Path]) -> Pack:
    """Each of the packs, loaded once: what it remembers of other tests changes no answer."""
    return load_pack(pack_folders(request.param))


@pytest.fixture(scope="package", autouse=True)
def _kernels() -> None:
    if choice.find_kernels() is None:
        pytest.skip("no kernels run here: neither compiled ones nor Numba are found")
