"""The supervisor with stand-in workers, which are real processes: restarts, swaps, counts, watchers, the end."""

from __future__ import annotations

import json
import os
import signal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sigmac.runtime.errors import ConfigurationError, StreamError
from sigmac.runtime.service.observe.status import WorkerStatus
from sigmac.runtime.service.workers import crew
from sigmac.runtime.service.workers.crew import Backoff
from tests.unit.runtime.service.conftest import Run, Stage, eventually

Packs = dict[str, Path]


def restarted(worker: WorkerStatus) -> bool:
    return worker.restarts > 0 and worker.state == "running"


def kill(run: Run, worker: int, number: int = signal.SIGKILL) -> None:
    """Kill a worker; back when it runs again."""
    before = run.status().workers[worker]
    os.kill(before.pid, number)
    run.when(lambda status: status.workers[worker].pid not in (0, before.pid))
    run.when(lambda status: status.workers[worker].state != "starting")


def status(**changes: Any) -> str:
    """What a worker says every second, but for these changes."""
    usual = {"say": "status", "state": "running", "detail": "", "connected": True}
    return json.dumps(usual | {"assigned": {}, "lag": {}, "counts": {}} | changes) + "\n"


@pytest.mark.parametrize("state", ["running", "waiting", "stalled"])
def test_ready_when_every_worker_has_its_place(stage: Stage, state: str) -> None:
    stage.play(1, state=state)
    with stage.running() as run:
        status = run.when_ready()
        assert [worker.state for worker in status.workers] == ["running", state]
        assert status.workers[0].assigned == {"t": [0, 1]}
        assert status.workers[0].lag == {"t": {0: 5, 1: -1}}
    assert not run.status().ready
    assert run.status().reason == "the service is stopping"


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ({"state": "failing", "detail": "no broker"}, "worker 1 is failing: no broker"),
        ({"state": "starting", "detail": "joining"}, "worker 1 is starting: joining"),
        ({"connected": False}, "worker 1 has no connection to the broker"),
        ({"start": "die"}, "worker 1 is failing: ended with status 3; it starts again"),
    ],
)
def test_not_ready_says_why(stage: Stage, does: dict[str, Any], reason: str) -> None:
    stage.play(1, **does)
    with stage.running() as run:
        run.when(lambda status: status.reason == reason)


def test_a_dead_worker_starts_again_after_growing_pauses(stage: Stage) -> None:
    stage.play(0, start="die")
    with capture_logs() as logs, stage.running() as run:
        run.when(lambda status: status.workers[0].restarts >= 4)
        stage.play(0)
        run.when_ready()
    pauses = [entry["again_in"] for entry in logs if "again_in" in entry]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04]
    assert len(stage.told(1, "configure")) == 1


def test_a_worker_that_ran_well_starts_again_at_once(stage: Stage) -> None:
    stage.backoff = Backoff(first=0.01, last=1000, ran_well=0)
    with capture_logs() as logs, stage.running(1) as run:
        run.when_ready()
        for _ in range(5):
            kill(run, 0)
    assert [entry["again_in"] for entry in logs if "again_in" in entry] == [0.01] * 5


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGRTMIN + 3])
def test_a_worker_starts_again_whatever_killed_it(stage: Stage, number: int) -> None:
    with stage.running() as run:
        run.when_ready()
        kill(run, 0, number)
        assert run.status().workers[0].restarts == 1


def test_counts_outlive_a_worker_and_what_it_used_does_not(stage: Stage) -> None:
    with stage.running() as run:
        run.when(lambda status: status.counts.events == 20)
        kill(run, 0)
        counts = run.when(lambda status: status.counts.events == 30).counts
        assert (counts.records, counts.batches) == ({"t": 30}, 3)
        assert counts.engine == {"test": {"bytes": 14}}


def test_a_worker_that_says_nothing_is_logged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_SILENT", 1.0)
    with capture_logs() as logs, stage.running(1) as run:
        os.kill(run.when_ready().workers[0].pid, signal.SIGSTOP)
        (entry,) = eventually(
            lambda: [each for each in logs if each["event"] == "the service is not ready"]
        )
        os.kill(run.status().workers[0].pid, signal.SIGCONT)
    assert entry["reason"].startswith("worker 0 is failing: it has said nothing for")


def test_what_a_killed_worker_has_done_is_counted(stage: Stage) -> None:
    done = {"events": 7, "records": {"t": 7}, "matches": {"test": {"1": 2}}, "batches": 1}
    stage.play(0, start="work", done=done)
    with stage.running(1) as run:
        run.when(lambda status: status.counts.events == 10 + 2 * 7)
        stage.play(0)
        kill(run, 0)
        counts = run.when(lambda status: status.counts.events == 2 * 10 + 2 * 7).counts
    assert (counts.records, counts.batches) == ({"t": 34}, 4)
    assert counts.matches == {"test": {1: 4}}


def test_an_error_that_cannot_be_mended_stops_the_service(stage: Stage) -> None:
    stage.play(1, start="give up")
    with stage.running() as run:
        error = run.ended()
    assert isinstance(error, StreamError)
    assert str(error) == "topic t does not exist"
    assert [worker.state for worker in run.status().workers] == ["stopped", "stopped"]


def test_the_end_of_the_source_is_the_end_of_the_service(stage: Stage) -> None:
    stage.play(0, start="finish")
    source = {"files": {"paths": ["events.ndjson"], "follow": False, "pack": "test"}}
    with stage.running(1, source=source, matches={"stdout": {}}) as run:
        assert run.ended() is None
    assert run.status().counts.events == 10


def test_a_worker_of_topics_has_no_end(stage: Stage) -> None:
    stage.play(0, start="finish")
    with stage.running() as run:
        run.when(lambda status: status.workers[0].restarts > 2)


def test_a_worker_that_does_not_stop_is_killed(stage: Stage) -> None:
    stage.play(0, stop="never")
    with stage.running(shutdown={"timeout": 0.1}) as run:
        pid = run.when_ready().workers[0].pid
    assert run.ended() is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# Packs


def test_a_pack_is_swapped_in_everywhere(stage: Stage, packs: Packs) -> None:
    with stage.running() as run:
        run.when_ready()
        outcome = run.supervisor.push("test", packs["2"])
        assert (outcome.accepted, outcome.reason, outcome.version) == (True, "", "2")
        (pack,) = run.status().packs
        assert (pack.version, pack.previous, pack.reloads, pack.refused) == ("2", "1", 1, 0)
        assert [rule.title for rule in run.supervisor.rules("test")] == ["Plum", "Quince", "Apple"]
        for worker in (0, 1):
            (prepare,) = stage.told(worker, "prepare")
            assert (
                json.loads((Path(prepare["folder"]) / "manifest.json").read_text())["version"]
                == "2"
            )
            assert stage.told(worker, "swap") == [{"do": "swap", "id": prepare["id"]}]


def test_one_worker_refuses_and_nobody_swaps(stage: Stage, packs: Packs) -> None:
    stage.play(1, prepare="refuse")
    with stage.running() as run:
        run.when_ready()
        outcome = run.supervisor.push("test", packs["2"])
        assert (outcome.accepted, outcome.reason, outcome.version) == (
            False,
            "I do not want it",
            "1",
        )
        (pack,) = run.status().packs
        assert (pack.version, pack.refused, pack.last_refusal) == ("1", 1, "I do not want it")
        eventually(lambda: stage.told(0, "drop") and stage.told(1, "drop"))
        assert stage.told(0, "swap") == stage.told(1, "swap") == []
        assert run.status().ready


def test_a_worker_that_hangs_in_a_pack_is_started_again(stage: Stage, packs: Packs) -> None:
    stage.play(1, prepare="hang")
    with stage.running(reload={"watch": 0, "timeout": 8}) as run:
        pid = run.when_ready().workers[1].pid
        outcome = run.supervisor.push("test", packs["2"])
        assert outcome.reason == "the pack is too slow: worker 1 was not ready within 8 s"
        run.when(lambda status: restarted(status.workers[1]))
        assert run.status().workers[1].pid != pid
        assert stage.told(0, "swap") == []
        assert run.versions() == ["1"]


def test_a_worker_that_dies_of_a_pack_comes_back_with_the_old_one(
    stage: Stage, packs: Packs
) -> None:
    stage.play(1, prepare="die")
    with stage.running() as run:
        run.when_ready()
        outcome = run.supervisor.push("test", packs["2"])
        assert outcome.reason == "worker 1 was killed by SIGKILL while it tried the pack"
        run.when(lambda status: restarted(status.workers[1]))
        first, second = stage.told(1, "configure")
        assert first["packs"] == second["packs"]


def test_a_worker_that_dies_after_the_decision_comes_back_with_the_new_pack(
    stage: Stage, packs: Packs
) -> None:
    stage.play(1, swap="die")
    with stage.running() as run:
        run.when_ready()
        assert run.supervisor.push("test", packs["2"]).accepted
        run.when(lambda status: restarted(status.workers[1]))
        first, second = stage.told(1, "configure")
        (prepare,) = stage.told(1, "prepare")
        assert second["packs"] == {"test": {"folder": prepare["folder"]}} != first["packs"]


def test_a_rule_keeps_its_count_when_its_index_changes(stage: Stage, packs: Packs) -> None:
    before = {"test": {"0": 5, "1": 2}}  # Apple, Plum
    after = {"test": {"0": 6, "1": 2, "2": 3}}  # one Plum and three Apples more
    stage.play(0, counts={"matches": before}, after={"counts": {"matches": after}})
    with stage.running(1) as run:
        run.when(lambda status: status.counts.matches == {"test": {0: 5, 1: 2}})
        assert run.supervisor.push("test", packs["2"]).accepted
        run.when(lambda status: status.counts.matches == {"test": {0: 3, 2: 8}})
        stage.play(0)
        kill(run, 0)
        assert run.status().counts.matches == {"test": {0: 3, 2: 8}}
        assert run.supervisor.rollback("test").accepted
        assert run.status().counts.matches == {"test": {0: 8, 1: 3}}


def test_what_workers_saw_says_which_rules_had_no_chance(stage: Stage) -> None:
    manifest = json.loads((stage.pack / "manifest.json").read_text())
    said = {"say": "sightings", "pack": "test", "digest": manifest["digest"], "fields": ["Other"]}
    line = json.dumps({**said, "tried": "1", "meant": "3"})
    stage.play(0, start="talk nonsense", nonsense=f"{line}\n")
    with stage.running(1) as run:
        run.when_ready()
        found = eventually(lambda: run.supervisor.without_chance("test"))
    assert {rule: bool(fields) for rule, fields in found.items()} == {0: True, 1: False}


def test_an_unknown_pack_is_a_key_error(stage: Stage, packs: Packs) -> None:
    with stage.running() as run:
        run.when_ready()
        for ask in (
            lambda: run.supervisor.push("other", packs["2"]),
            lambda: run.supervisor.rollback("other"),
            lambda: run.supervisor.rules("other"),
            lambda: run.supervisor.without_chance("other"),
            lambda: run.supervisor.evaluate("other", b"{}", None),
        ):
            with pytest.raises(KeyError):
                ask()


def test_evaluation_for_a_client(
    stage: Stage, packs: Packs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMAC_KERNELS", "off")
    with stage.running() as run:
        run.when_ready()
        records = b'{"Name": "plum"}\n{"Name": "nut"}\nnonsense\n{"Name": "apple"}'
        matches, rejected = run.supervisor.evaluate("test", records, {"product": "any"})
        assert [(line, match["rule"]["title"]) for line, match in matches] == [
            (0, "Plum"),
            (3, "Apple"),
        ]
        assert matches[0][1]["pack"] == {"name": "test", "version": "1"}
        assert [each.record for each in rejected] == [2]


# Pause and watch


def test_a_pause_holds_for_workers_that_start_again(stage: Stage) -> None:
    with stage.running() as run:
        run.when_ready()
        run.supervisor.pause()
        run.when(lambda status: [worker.state for worker in status.workers] == ["paused"] * 2)
        assert run.status().paused
        assert run.status().ready
        kill(run, 0)
        run.when(lambda status: status.workers[0].state == "paused")
        run.supervisor.resume()
        run.when(lambda status: [worker.state for worker in status.workers] == ["running"] * 2)


def test_watching_begins_with_the_first_watcher_and_ends_with_the_last(stage: Stage) -> None:
    with stage.running(1) as run:
        run.when_ready()
        assert stage.told(0, "watch") == []
        with run.supervisor.matches() as lines:
            shown = (line for line in lines if line)  # b"" says that nothing came
            assert list(islice(shown, 2)) == [b'{"id": "1"}', b'{"missed":3}']
            with run.supervisor.matches():
                pass
            kill(run, 0)
            assert next(shown) == b'{"id": "1"}'
        eventually(lambda: stage.told(0, "watch")[-1] == {"do": "watch", "on": False})
        assert [each["on"] for each in stage.told(0, "watch")] == [True, True, False]


def test_a_slow_watcher_misses_some_and_is_told_how_many(stage: Stage) -> None:
    stage.play(0, start="flood")
    with stage.running(1) as run:
        with run.supervisor.matches() as lines:
            eventually(lambda: stage.told(0, "watch"))  # it read this after the flood
            found = []
            for line in lines:
                if not line:
                    break
                found.append(json.loads(line))
        ids = [each["id"] for each in found if "id" in each]
        missed = sum(each["missed"] for each in found if "missed" in each)
        # A thousand wait for a watcher; what still comes from the worker while this one reads may follow them.
        assert len(ids) < 10_000
        assert len(ids) + missed >= 20_000
        with run.supervisor.matches() as lines:
            run.supervisor.stop()
            assert all(not line or b"id" in line or b"missed" in line for line in lines)


@pytest.mark.parametrize(
    "nonsense",
    [
        "hello\n",
        "\xff\n",
        "[]\n",
        "{}\n",
        "7\n",
        '{"say": "what"}\n',
        '{"say": "status"}\n',
        '{"say": "swapped", "id": 99}\n',
        '{"say": "prepared", "id": "x", "ok": true, "reason": ""}\n',
        '{"say": "match", "line": 7}\n',
        '{"say": "sightings", "pack": "test"}\n',
        '{"say": "sightings", "pack": "test", "digest": "", "fields": 1, "tried": "0", "meant": "0"}\n',
        '{"say": "recent", "id": "x", "records": []}\n',
        '{"say": "recent", "id": 1, "records": 7}\n',
        '{"say": "recent", "id": 1, "records": [["{}", {}]]}\n',
        '{"say": "recent", "id": 1, "records": [["e30=", 7]]}\n',
        status(state="happy"),
        status(assigned=1),
        status(assigned={"t": ["x"]}),
        status(lag={"t": 1}),
        status(counts={"events": -1}),
        status(counts={"events": True}),
        status(counts={"events": {"t": 1}}),
        status(counts={"unknown": 1}),
        status(counts={"records": 1}),
        status(counts={"records": {"t": {"t": 1}}}),
        status(counts={"matches": {"test": {"rule": 1}}}),
        status(counts={"batch_seconds": [1]}),
        '{"say": "done"}\n',
        '{"say": "done", "counts": {"events": -1}}\n',
    ],
)
def test_a_worker_that_talks_nonsense_is_started_again(stage: Stage, nonsense: str) -> None:
    stage.play(0, start="talk nonsense", nonsense=nonsense)
    with stage.running(1) as run:
        run.when(lambda status: status.workers[0].restarts > 0)
        stage.play(0)
        assert run.when_ready().counts.events >= 10


def test_a_secret_is_in_no_argument_environment_log_or_status(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "tr0ub4dor&3"
    monkeypatch.setenv("BROKER_PASSWORD", secret)
    monkeypatch.setenv("BROKER_URL", f"kafka://user:{secret}@broker")
    monkeypatch.setenv("SIGMAC_LOGS__LEVEL", "info")
    monkeypatch.setenv("HARMLESS", "1")
    source = {
        "kafka": {
            "properties": {
                "bootstrap.servers": "127.0.0.1:1",
                "group.id": "g",
                "sasl.password": {"env": "BROKER_PASSWORD"},
            },
            "inputs": [{"topics": ["t"], "pack": "test"}],
        }
    }
    with capture_logs() as logs, stage.running(1, source=source) as run:
        status = run.when_ready()
        process = stage.process(0)
        kill(run, 0)
    assert secret not in json.dumps(process)
    assert not {"BROKER_PASSWORD", "BROKER_URL", "SIGMAC_LOGS__LEVEL"} & process["environ"].keys()
    assert process["environ"]["HARMLESS"] == "1"
    assert secret not in repr((status, logs, run.supervisor.settings))
    (first, _) = stage.told(0, "configure")
    told = first["settings"]["source"]["kafka"]["properties"]
    assert told["sasl.password"] == secret


def test_a_state_folder_belongs_to_one_service(stage: Stage) -> None:
    with stage.running() as run:
        run.when_ready()
        with stage.running() as second:
            error = second.ended()
        assert isinstance(error, ConfigurationError)
        assert str(error) == (
            f"state: {stage.state} is in use by another service; give each its own folder"
        )
        assert run.status().ready
