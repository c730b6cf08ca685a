"""What is restored is timed while it goes on, and counted once."""

from __future__ import annotations

import time
from itertools import count
from types import SimpleNamespace

import pytest

from sigmac.runtime.stream.cluster.restoring import Restoring


class Partition:
    """One of Quix Streams that restores."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def recover_from_changelog_message(self, changelog_message: object) -> None:
        self.taken.append(changelog_message)


def test_entries_are_counted_once_however_often_partitions_come() -> None:
    restoring, one, other = Restoring(), Partition(), Partition()
    restoring.count({0: {"changelog": one}})
    restoring.count({0: {"changelog": one}, 1: {"changelog": other}})
    for each in (one, other):
        each.recover_from_changelog_message(changelog_message="entry")
    assert restoring.entries == 2
    assert one.taken == other.taken == ["entry"]


def test_time_is_counted_while_it_goes_on_and_where_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restoring, seen = Restoring(), []
    clock = count(100)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))

    def restore() -> None:
        seen.append((restoring.running, restoring.seconds))
        if len(seen) > 1:
            raise RuntimeError("recovery stuck")

    states = SimpleNamespace(do_recovery=restore)
    restoring.watch(states)
    assert (restoring.running, restoring.seconds) == (False, 0)
    states.do_recovery()
    with pytest.raises(RuntimeError):
        states.do_recovery()
    assert seen == [(True, 1), (True, 3)]
    assert (restoring.running, restoring.seconds) == (False, 4)
