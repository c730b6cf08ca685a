"""What holds for all tests.

Hypothesis searches the same examples in every run; `--hypothesis-profile=search` looks for new ones, `quick` tries few.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from tests.examples import FIXED, QUICK

# `make fuzz` takes the profile `search`.
settings.register_profile(FIXED, derandomize=True, deadline=None, print_blob=True, max_examples=50)
settings.register_profile("search", deadline=None, print_blob=True)
settings.register_profile(QUICK, settings.get_profile(FIXED), max_examples=10)
settings.load_profile(FIXED)
MOST_WORKERS = 8  # each has brokers and services of its own

# What commands print comes in the order in which a shell shows it, where nothing flushes but they themselves.
os.environ.pop("PYTHONUNBUFFERED", None)

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """How many processes `--numprocesses=auto` stands for: one more than cores, as many tests wait."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) + 1)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A case of compressed bytes goes by its argument's name: gzip writes the time, and each process its own."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes each begins with long tests, file by file: what begins last ends soon."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    slow = [item for item in items if item.get_closest_marker("slow")]
    if workers == 1 or not slow:
        return
    rest = [item for item in items if not item.get_closest_marker("slow")]
    files = [*dict.fromkeys(item.path for item in slow)]
    items.clear()
    for worker in range(workers):
        mine = {*files[worker::workers]}
        items += [item for item in slow if item.path in mine]
        items += rest[len(rest) * worker // workers : len(rest) * (worker + 1) // workers]


@pytest.fixture(params=["direct", "python"])
def each_consumer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """For tests of topics that are to hold with both consumers; which it is."""
    monkeypatch.setenv("SIGMAC_CONSUMER", request.param)
    return str(request.param)
