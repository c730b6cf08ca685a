"""Hypothesis searches the same examples in every run; `--hypothesis-profile=search` looks for new ones."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("fixed")
