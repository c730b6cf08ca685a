"""What holds for all tests.

Hypothesis searches the same examples in every run; `--hypothesis-profile=search` looks for new ones, `quick` tries few.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

from tests.examples import FIXED, QUICK

# `make fuzz` takes the profile `search`.
settings.register_profile(FIXED, derandomize=True, deadline=None, print_blob=True, max_examples=50)
settings.register_profile("search", deadline=None, print_blob=True)
settings.register_profile(QUICK, settings.get_profile(FIXED), max_examples=10)
settings.load_profile(FIXED)
MOST_WORKERS = 8  # each has brokers and services of its own

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """How many processes `--numprocesses=auto` stands for."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))
