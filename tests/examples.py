"""How many examples a law is tried on: all in `make fuzz`, a third in `make test`, a tenth in `make test-quick`."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

FIXED, QUICK = "fixed", "quick"
_SLICES = {FIXED: 3, QUICK: 10}


def examples(most: int, **options: Any) -> settings:
    """Settings of a law with so many examples; in the profiles of `make test` and `make test-quick` with a slice."""
    slices = _SLICES.get(settings.get_current_profile_name(), 1)
    return settings(max_examples=max(1, most // slices), **options)
