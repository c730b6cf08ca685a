from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmac.compat.go.go_engine import GoEngine, build_engine
from sigmac.runtime.errors import ConfigurationError


@pytest.fixture(scope="session")
def cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache_of_tests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests build is kept for them, and pushes nothing of the user's out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_of_tests))


@pytest.fixture(scope="session")
def go_engine() -> Iterator[GoEngine]:
    """The Go engine; the tests that need it are left out where there is no Go, or the module cannot be had."""
    try:
        program = build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with GoEngine(program, applicable=True) as engine:
        yield engine
