"""What docstrings of the room show is what happens."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import sigmac.results


@pytest.mark.parametrize(
    "name", [each.name for each in pkgutil.iter_modules(sigmac.results.__path__)]
)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sigmac.results.{name}")).failed == 0
