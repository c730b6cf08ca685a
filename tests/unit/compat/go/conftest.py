from __future__ import annotations

from collections.abc import Iterator

import pytest

from sigmac.compat.go.go_engine import GoEngine, build_engine
from sigmac.runtime.errors import ConfigurationError


@pytest.fixture(scope="session")
def go_engine() -> Iterator[GoEngine]:
    """The Go engine; the tests that need it are left out where there is no Go, or the module cannot be had."""
    try:
        program = build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with GoEngine(program, applicable=True) as engine:
        yield engine
