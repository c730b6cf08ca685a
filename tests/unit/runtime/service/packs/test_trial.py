"""The trial of a pack on records that the workers saw last: whatever it does with them, the one that runs stays."""

from __future__ import annotations

import shutil
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from sigmac.runtime.errors import PackError
from sigmac.runtime.service.config.sections import PackSettings
from sigmac.runtime.service.packs import recent as recent_records
from sigmac.runtime.service.packs.shelf import PackShelf
from sigmac.runtime.service.packs.trial import Records, try_pack
from sigmac.runtime.service.supervisor import Supervisor
from tests.unit.runtime.service.conftest import Stage
from tests.unit.runtime.service.packs.bad_packs import condition

Packs = dict[str, Path]
SECRET = "tr0ub4dor&3"
RECORD = b'{"Name": "apple", "By": "tr0ub4dor&3"}'
SEEN = "'tr0ub4dor' in str(event._fields)"  # the code of a pack that knows the record
LONG = 60.0  # seconds
FAULTS = {
    "an exception": ("raise KeyError(str(event._fields))", "fails on a recent record: KeyError"),
    "a telling error": (
        "raise __import__('sigmac').PackError(str(event._fields))",
        "fails on a recent record: PackError",
    ),
    "an exit": ("raise SystemExit(str(event._fields))", "fails on a recent record: SystemExit"),
    "last words": (
        "__import__('os').write(2, str(event._fields).encode()); __import__('os')._exit(1)",
        "ended the process that tried it",
    ),
    "a crash": (
        "__import__('os').kill(__import__('os').getpid(), 11)",
        "ended the process that tried it with SIGSEGV",
    ),
    "a hang": (
        "__import__('time').sleep(1000)",
        "is too slow: it could not be loaded and tried within 6 s",
    ),
    "all memory": ("bytearray(1 << 40)", "fails on a recent record: MemoryError"),
}


@pytest.fixture(autouse=True)
def _by_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGMAC_KERNELS", "off")  # they need no condition for such a rule


def spoilt(pack: Path, folder: Path, code: str) -> Path:
    """A copy of a pack whose rules do this where they meet the record."""
    copy = Path(shutil.copytree(pack, folder))
    return condition(copy, f"exec({code!r}, {{'event': event}}) if {SEEN} else None")


def loading(pack: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """How a service with these settings loads it."""
    return {**PackShelf("test", PackSettings(path=str(pack), **settings), folder).loading}


def recent(*records: bytes, **logsource: str) -> list[list[Any]]:
    """What a worker says of records."""
    return [[b64encode(b"\n".join(records)).decode(), logsource]]


# The trial alone


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_pack_does_with_a_recent_record_refuses_it(
    name: str, packs: Packs, tmp_path: Path
) -> None:
    code, reason = FAULTS[name]
    pack = spoilt(packs["2"], tmp_path / "pack", code)
    timeout = 6.0 if name == "a hang" else LONG
    how = loading(pack, tmp_path)
    started = time.monotonic()
    with pytest.raises(PackError) as raised:
        try_pack(pack, timeout, loading=how, recent=[(b"{}\n" + RECORD, None)])
    assert str(raised.value) == f"the pack {reason}"
    assert time.monotonic() - started < timeout + 5


def test_without_records_there_is_nothing_to_fail_on(packs: Packs, tmp_path: Path) -> None:
    pack = spoilt(packs["2"], tmp_path / "pack", "1 / 0")
    try_pack(pack, LONG, loading=loading(pack, tmp_path))


def test_a_good_pack_takes_whatever_was_seen(packs: Packs, tmp_path: Path) -> None:
    seen: list[Records] = [
        (b"\xff\n[]\n{\n\n" + RECORD, {"product": "windows"}),
        (b'{"Name": "apple"}\n' * 10_000, None),
        (b"", {"product": "any"}),
    ]
    how = loading(packs["1"], tmp_path, memory_budget_mib=65536)
    try_pack(packs["1"], LONG, loading=how, recent=seen)


def test_a_record_with_too_many_values_is_rejected_in_the_trial_too(
    packs: Packs, tmp_path: Path
) -> None:
    pack = spoilt(packs["2"], tmp_path / "pack", "1 / 0")
    seen = [(b'{"Name": "apple", "By": ["tr0ub4dor", 2]}', None)]
    few = loading(pack, tmp_path / "few", max_values=3)
    more = loading(pack, tmp_path / "more", max_values=4)
    try_pack(pack, LONG, loading=few, recent=seen)
    with pytest.raises(PackError, match="ZeroDivisionError"):
        try_pack(pack, LONG, loading=more, recent=seen)


def test_a_pack_that_is_not_trusted_is_not_tried(packs: Packs, tmp_path: Path) -> None:
    key = tmp_path / "release.pub"
    key.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    how = loading(packs["1"], tmp_path, trusted_keys=(key,))
    with pytest.raises(PackError, match="the pack is not signed"):
        try_pack(packs["1"], LONG, loading=how)


# In a service


def test_records_of_all_workers_refuse_a_pack(stage: Stage, packs: Packs, tmp_path: Path) -> None:
    stage.play(1, records=recent(b"{}", RECORD, product="any"))
    bad = spoilt(packs["2"], tmp_path / "pack", "raise KeyError(str(event._fields))")
    with capture_logs() as logs, stage.running() as run:
        before = run.when_ready()
        outcome = run.supervisor.push("test", bad)
        assert (outcome.accepted, outcome.version) == (False, "1")
        assert outcome.reason == "the pack fails on a recent record: KeyError"
        after = run.status()
        assert [each.pid for each in after.workers] == [each.pid for each in before.workers]
        assert (after.ready, after.packs[0].refused) == (True, 1)
        assert stage.told(0, "prepare") == stage.told(1, "prepare") == []
        shares = [stage.told(worker, "recent")[0]["bytes"] for worker in (0, 1)]
        assert shares == [2 << 20, 2 << 20]
    assert SECRET not in repr((logs, after))


def test_a_pack_that_ran_before_is_tried_anew(stage: Stage, packs: Packs, tmp_path: Path) -> None:
    first = spoilt(packs["2"], tmp_path / "pack", "1 / 0")
    with stage.running(1) as run:
        run.when_ready()
        assert run.supervisor.push("test", first).accepted
        assert run.supervisor.push("test", packs["3"]).accepted
    stage.play(0, records=recent(RECORD))
    with stage.running(1) as run:
        run.when_ready()
        outcome = run.supervisor.rollback("test")
        assert (outcome.accepted, outcome.version) == (False, "3")
        assert outcome.reason == "the pack fails on a recent record: ZeroDivisionError"
        stage.play(0)
    with stage.running(1) as run:
        run.when_ready()
        outcome = run.supervisor.rollback("test")
        assert (outcome.accepted, outcome.version) == (True, "2")


def test_a_worker_gives_what_it_has_evaluated(
    stage: Stage, packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"{}\n" + RECORD + b"\n")
    files = {"files": {"paths": [str(events)], "follow": True, "pack": "test"}}
    bad = spoilt(packs["2"], tmp_path / "pack", "1 / 0")
    real = Supervisor(stage.settings(1, source=files, matches={"stdout": {}}), "0")
    monkeypatch.setattr(stage, "supervisor", lambda _: real)
    with stage.running(1) as run:
        run.when(lambda status: status.counts.events == 2)
        assert run.supervisor._packs.recent.ask("test") == [(b"{}\n" + RECORD, None)]
        outcome = run.supervisor.push("test", bad)
        assert outcome.reason == "the pack fails on a recent record: ZeroDivisionError"


@pytest.mark.parametrize("does", ["hang", "die"])
def test_a_worker_that_does_not_answer_gives_none(
    does: str, stage: Stage, packs: Packs, tmp_path: Path
) -> None:
    stage.play(0, recent=does, records=recent(RECORD))
    pack = spoilt(packs["2"], tmp_path / "pack", "1 / 0")
    with stage.running() as run:
        run.when_ready()
        assert run.supervisor.push("test", pack).accepted
        assert run.versions() == ["2"]
        assert run.status().workers[0].restarts == (does == "die")


def test_a_worker_that_says_more_than_was_asked_for_is_started_again(
    stage: Stage, packs: Packs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_records, "_MOST", 2 * len(RECORD) - 1)
    stage.play(1, records=recent(RECORD))
    with stage.running() as run:
        run.when_ready()
        assert run.supervisor.push("test", packs["2"]).accepted
        run.when(lambda status: status.workers[1].restarts == 1)


def test_an_answer_that_comes_late_is_passed_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.play(0, records=recent(RECORD))
    with stage.running(1) as run:
        run.when_ready()
        ask = run.supervisor._packs.recent.ask
        assert ask("test") == [(RECORD, None)]
        with monkeypatch.context() as impatient:
            impatient.setattr(recent_records, "_WITHIN", 0.0)
            assert ask("test") == []
        assert ask("test") == [(RECORD, None)]
        assert run.status().workers[0].restarts == 0
