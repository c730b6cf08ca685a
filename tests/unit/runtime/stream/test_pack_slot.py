"""The pack of a worker: tried beside the one that runs, then swapped in or dropped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sigmac.runtime.errors import PackError
from sigmac.runtime.stream.pack_slot import PackSlot
from tests.unit.runtime.service.conftest import make
from tests.unit.runtime.service.packs.bad_packs import condition

APPLE = b'{"Name": "apple"}'


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return make(tmp_path / "first", "1", "Apple")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return make(tmp_path / "second", "2", "Apple")


def test_a_prepared_pack_runs_from_the_swap_on(first: Path, second: Path) -> None:
    slot = PackSlot("test", first)
    slot.remember(APPLE, None)
    slot.prepare(7, second)
    assert slot.pack.version == "1"
    assert not slot.swap(6)
    assert slot.swap(7)
    assert slot.pack.version == slot.writer.pack.version == "2"
    assert not slot.swap(7)


def test_a_dropped_pack_never_runs(first: Path, second: Path) -> None:
    slot = PackSlot("test", first)
    slot.prepare(7, second)
    slot.drop(8)
    slot.drop(7)
    assert not slot.swap(7)


def test_a_pack_that_was_decided_on_replaces_those_prepared_before(
    first: Path, second: Path
) -> None:
    slot = PackSlot("test", first)
    slot.prepare(7, second)
    slot.prepare(8, second)
    slot.decide(9)  # of another slot
    slot.decide(8)
    assert not slot.swap(7)
    assert slot.swap(8)


def test_a_pack_that_fails_on_a_recent_record_is_refused(
    first: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMAC_KERNELS", "off")  # they do not need the conditions for such a rule
    bad = condition(second, "event.no_such_method()")
    slot = PackSlot("test", first)
    slot.prepare(1, bad)  # nothing was seen yet that it could fail on
    slot.remember(b"\n".join([b'{"Name": "plum"}', APPLE]), {"product": "any"})
    with pytest.raises(PackError, match="the pack fails on a recent record: AttributeError"):
        slot.prepare(2, bad)
    assert not slot.swap(2)


def test_a_pack_that_is_much_slower_is_refused(
    first: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMAC_KERNELS", "off")  # what was seen once is evaluated again
    slow = condition(second, "__import__('time').sleep(0.01)")
    slot = PackSlot("test", first, sample=100)
    for number in range(100):
        slot.remember(b'{"Name": "apple", "n": %d}' % number, None)
    with pytest.raises(PackError, match=r"the pack is too slow: \d+.\d\d s for 100 recent records"):
        slot.prepare(1, slow)
    # Where the running one is as slow it is no worse.
    same = Path(shutil.copytree(slow, slow.with_name("same")))
    PackSlot("test", slow, sample=100).prepare(1, same)


def test_the_newest_records_by_logsource(first: Path) -> None:
    slot = PackSlot("test", first)
    slot.remember(b"old\nnew", None)
    slot.remember(b"other", {"product": "any"})
    slot.remember(b"newest", None)
    assert slot.recent(1 << 20) == [(b"old\nnew\nnewest", None), (b"other", {"product": "any"})]
    assert slot.recent(20) == [(b"new\nnewest", None), (b"other", {"product": "any"})]
    assert slot.recent(6) == []


def test_nothing_is_remembered_where_no_sample_is_wanted(first: Path) -> None:
    slot = PackSlot("test", first, sample=0)
    slot.remember(APPLE, None)
    assert slot.recent(1 << 20) == []


def test_what_is_remembered_is_bounded(first: Path) -> None:
    slot = PackSlot("test", first, sample=50)
    for size in (10, 1000, 1 << 16, 1 << 17, 1 << 20):
        for _ in range(50):
            slot.remember(b'{"Name": "%s"}' % (b"x" * size), None)
    assert len(slot._recent) <= 50
    assert sum(len(record) for record, _ in slot._recent) <= 4 << 20
