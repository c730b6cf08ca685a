"""How many examples a law is tried on: all of them, or a tenth in `make test-quick`."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

QUICK = "quick"
_SLICE = 10


def examples(most: int, **options: Any) -> settings:
    """Settings of a law with so many examples; in the profile `quick` with a slice of them."""
    is_quick = settings.get_current_profile_name() == QUICK
    return settings(max_examples=max(1, most // _SLICE) if is_quick else most, **options)
