"""The loop of a worker over a source, sinks and a supervisor in memory."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
import yaml

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.counts import Counts
from sigmac.runtime.stream.dead_letters import from_line
from sigmac.runtime.stream.match_message import without_event
from sigmac.runtime.stream.record import Batch
from sigmac.runtime.stream.sink import DeliveryFailed
from sigmac.runtime.stream.worker import Client
from tests.unit.runtime.service.conftest import make
from tests.unit.runtime.service.packs.bad_packs import condition
from tests.unit.runtime.stream.stand_ins import Bench

APPLE, PLUM, BROKEN = b'{"Name": "apple"}', b'{"Name": "plum"}', b'{"Name": '


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("pack"), "1", "Apple")


def matched(bench: Bench) -> list[int]:
    """The offsets of the records whose matches were delivered."""
    return [without_event(each.value)["source"]["offset"] for each in bench.matches.delivered]


def buried(bench: Bench) -> list[tuple[int, str]]:
    """Offset and kind of the dead letters that were delivered."""
    letters = [from_line(each.value) for each in bench.dead.delivered]
    return [(each.origin.offset, each.kind) for each in letters]


def test_matches_and_dead_letters_are_delivered_before_the_commit(pack: Path) -> None:
    bench = Bench(pack, [APPLE, BROKEN, PLUM])
    bench.worker().run()
    assert (matched(bench), buried(bench)) == ([0], [(1, "rejected")])
    assert bench.log == [
        *("write matches", "write dead letters", "flush matches", "flush dead letters", "commit"),
        *("close matches", "close dead letters", "leave"),
    ]
    assert bench.link.states() == ["running", "stopped"]


def test_batches_without_a_match_are_only_committed(pack: Path) -> None:
    bench = Bench(pack, [PLUM] * 5)
    bench.worker(max_records=2).run()
    assert bench.log[:3] == ["commit"] * 3


@pytest.mark.parametrize("step", ["write", "flush", "commit"])
@pytest.mark.parametrize("sink", ["matches", "dead"])
def test_a_crash_between_any_two_steps_loses_nothing(step: str, sink: str, pack: Path) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> bool:
        raise Crash

    bench = Bench(pack, [APPLE, BROKEN] * 3)
    setattr(bench.source if step == "commit" else getattr(bench, sink), step, crash)
    with pytest.raises(Crash):
        bench.worker(max_records=2).run()
    after = Bench(pack, bench.source.records, bench.source.committed)
    after.worker().run()
    # Twice is possible, with the same ids; never is not.
    assert set(matched(bench) + matched(after)) == {0, 2, 4}
    assert {offset for offset, _ in buried(bench) + buried(after)} == {1, 3, 5}
    ids: dict[int, set[str]] = {}
    for each in (*bench.matches.delivered, *after.matches.delivered):
        match = without_event(each.value)
        ids.setdefault(match["source"]["offset"], set()).add(match["id"])
    assert all(len(found) == 1 for found in ids.values())


def test_a_batch_that_was_not_delivered_is_done_again_and_counted_once(pack: Path) -> None:
    bench = Bench(pack, [APPLE, BROKEN, APPLE, PLUM])
    failures = iter([DeliveryFailed("the broker went away"), DeliveryFailed("again")])

    def trouble() -> bool:
        for failure in failures:
            raise failure
        return True

    bench.matches.trouble = trouble
    bench.matches.refuses = lambda message: b'"offset":2' in message.value
    worker = bench.worker()
    worker.run()
    assert bench.log.count("rewind") == 2
    assert bench.source.committed == 4
    counts = worker.counts
    assert (counts.events, counts.rejected, counts.batches) == (3, 1, 1)
    assert counts.matches == {"test": {0: 2}}
    assert counts.dead_letters == {"rejected": 1, "undeliverable": 1}
    assert bench.link.said[-1]["counts"]["delivery_failures"] == 2
    # Not ready until it is delivered, without a word of running in between
    assert bench.link.states() == ["running", "failing", "stopped"]


def counted(bench: Bench) -> Counts:
    """What a supervisor has added up of what the worker said."""
    total = Counts()
    for each in bench.link.said:
        if each["say"] == "status":
            total = Counts(**each["counts"])
        elif each["say"] == "done":
            total.add(Counts(**Counts().counted() | each["counts"]))
    return total


def test_what_is_committed_is_counted_before_anything_else_happens(pack: Path) -> None:
    bench = Bench(pack, [APPLE, BROKEN, PLUM] * 4)
    seen: list[Counts] = []
    poll = bench.source.poll

    def look(max_records: int, max_wait: float) -> list[Batch]:
        seen.append(counted(bench))
        return poll(max_records, max_wait)

    bench.source.poll = look  # type: ignore[method-assign]
    worker = bench.worker(max_records=3)
    worker.run()
    assert [each.events for each in seen] == [0, 2, 4, 6, 8]
    assert [each.records for each in seen[1:]] == [{"topic": n} for n in (3, 6, 9, 12)]
    assert [each.rejected for each in seen] == [sum(each.batch_seconds) for each in seen]
    delivered = [each.delivered for each in seen[1:]]
    assert delivered == [{"memory": n, "dead_letters": n} for n in (1, 2, 3, 4)]
    assert seen[-1].matches == {"test": {0: 4}} == worker.counts.matches
    assert counted(bench) == worker.counts


def test_an_error_that_cannot_be_mended_ends_the_worker(pack: Path) -> None:
    bench = Bench(pack, [APPLE])

    def trouble() -> bool:
        raise StreamError("no permission")

    bench.matches.trouble = trouble
    with pytest.raises(StreamError, match="no permission"):
        bench.worker().run()
    assert "commit" not in bench.log
    assert bench.log[-1] == "leave"


def test_what_a_sink_gives_up_becomes_a_dead_letter_before_the_commit(pack: Path) -> None:
    bench = Bench(pack, [APPLE, APPLE])
    bench.matches.refuses = lambda message: b'"offset":1' in message.value
    bench.worker().run()
    assert (matched(bench), buried(bench)) == ([0], [(1, "undeliverable")])
    assert bench.log.index("flush dead letters") < bench.log.index("commit")


def test_a_dead_letter_that_is_too_large_goes_without_its_bytes(pack: Path) -> None:
    bench = Bench(pack, [BROKEN])
    bench.dead.refuses = lambda message: bool(message.value)
    bench.worker().run()
    assert [each.value for each in bench.dead.delivered] == [b""]


def test_a_slow_sink_keeps_the_group_and_polls_nothing(pack: Path) -> None:
    bench = Bench(pack, [APPLE] * 4)
    slow = iter(range(3))
    bench.matches.trouble = lambda: next(slow, None) is None
    bench.worker(max_records=2).run()
    waits = ["flush matches", "keep alive"] * 3
    assert bench.log[:8] == ["write matches", *waits, "flush matches"]
    assert matched(bench) == [0, 1, 2, 3]


def test_a_rule_that_fails_on_a_record_costs_that_record_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMAC_KERNELS", "off")
    pack = condition(make(tmp_path, "1", "Apple", "Plum"), "event.fails_on_this()")
    bench = Bench(pack, [APPLE, b"[]", b'{"Other": "pear"}', PLUM])
    bench.worker().run()
    assert sorted(buried(bench)) == [(0, "evaluation"), (1, "rejected"), (3, "evaluation")]
    assert bench.source.committed == 4


def test_a_stop_finishes_the_batch_in_work(pack: Path) -> None:
    bench = Bench(pack, [APPLE] * 9)
    deliver = bench.matches.flush

    def flush(timeout: float) -> bool:
        bench.link.stop(10)
        return deliver(timeout)

    bench.matches.flush = flush  # type: ignore[method-assign]
    bench.worker(max_records=3).run()
    assert (matched(bench), bench.source.committed) == ([0, 1, 2], 3)


def test_a_stop_does_not_wait_for_a_sink_for_ever(pack: Path) -> None:
    bench = Bench(pack, [APPLE])
    bench.matches.trouble = lambda: bool(time.sleep(0.01))
    bench.link.stop_at = time.monotonic() + 0.1
    bench.worker().run()
    assert (matched(bench), bench.source.committed) == ([], 0)
    assert bench.log[-1] == "leave"


def test_a_pause_polls_nothing_and_keeps_the_group(pack: Path) -> None:
    bench = Bench(pack, [APPLE])
    bench.link.commands.put({"do": "pause"})
    beats: list[str] = []

    def keep_alive() -> None:
        beats.append("alive")
        if len(beats) == 2:
            bench.link.commands.put({"do": "resume"})

    bench.source.keep_alive = keep_alive  # type: ignore[method-assign]
    bench.worker().run()
    assert len(beats) == 2
    assert matched(bench) == [0]
    assert bench.link.states() == ["paused", "running", "stopped"]


def test_recent_records_are_told_as_they_came(pack: Path) -> None:
    raw = b'{"Name": "\xff"}'
    bench = Bench(pack, [APPLE, raw])
    deliver = bench.matches.flush

    def flush(timeout: float) -> bool:
        for number, most in ((3, 1 << 20), (4, len(raw) + 1)):
            bench.link.commands.put({"do": "recent", "id": number, "pack": "test", "bytes": most})
        worker._hear()
        return deliver(timeout)

    bench.matches.flush = flush  # type: ignore[method-assign]
    worker = bench.worker()
    worker.run()
    told = [each for each in bench.link.said if each["say"] == "recent"]
    assert [(each["id"], [*map(decoded, each["records"])]) for each in told] == [
        (3, [(APPLE + b"\n" + raw, {})]),
        (4, [(raw, {})]),
    ]


def decoded(told: tuple[str, dict[str, str]]) -> tuple[bytes, dict[str, str]]:
    return base64.b64decode(told[0]), told[1]


def test_packs_are_swapped_between_two_batches(pack: Path, tmp_path: Path) -> None:
    second = make(tmp_path, "2", "Apple")
    bench = Bench(pack, [APPLE] * 3)
    deliver = bench.matches.flush

    def flush(timeout: float) -> bool:
        if not bench.matches.delivered:
            bench.link.commands.put(
                {"do": "prepare", "id": 5, "pack": "test", "folder": str(second)}
            )
            worker._obey()
            while not any(each["say"] == "prepared" for each in bench.link.said):
                time.sleep(0.01)
            bench.link.commands.put({"do": "swap", "id": 5})
        return deliver(timeout)

    bench.matches.flush = flush  # type: ignore[method-assign]
    worker = bench.worker(max_records=1)
    worker.run()
    versions = [without_event(each.value)["pack"]["version"] for each in bench.matches.delivered]
    assert versions == ["1", "2", "2"]
    told = [each for each in bench.link.said if each["say"] in ("prepared", "swapped")]
    assert told == [
        {"say": "prepared", "id": 5, "ok": True, "reason": ""},
        {"say": "swapped", "id": 5},
    ]


def test_while_a_sink_is_slow_new_packs_are_prepared_and_wait_for_the_batch(
    pack: Path, tmp_path: Path
) -> None:
    bench = Bench(pack, [APPLE] * 2)
    to_say = []
    for number in (5, 6):
        folder = make(tmp_path / str(number), str(number), "Apple")
        to_say.append({"do": "prepare", "id": number, "pack": "test", "folder": str(folder)})
        to_say.append({"do": "swap", "id": number})
    prepared = 0

    def trouble() -> bool:
        # The supervisor says to swap when a pack is prepared, all while the first batch waits for the sink.
        nonlocal prepared
        if to_say and prepared == sum(each["say"] == "prepared" for each in bench.link.said):
            command = to_say.pop(0)
            prepared += command["do"] == "prepare"
            bench.link.commands.put(command)
        time.sleep(0.01)
        return not to_say and bench.link.commands.empty()

    bench.matches.trouble = trouble
    bench.worker(max_records=1).run()
    versions = [without_event(each.value)["pack"]["version"] for each in bench.matches.delivered]
    assert versions == ["1", "6"]
    told = [(each["say"], each["id"]) for each in bench.link.said if "id" in each]
    assert told == [("prepared", 5), ("prepared", 6), ("swapped", 5), ("swapped", 6)]


def test_a_pause_that_comes_while_a_sink_is_slow_holds_from_the_next_batch_on(pack: Path) -> None:
    bench = Bench(pack, [APPLE] * 2)

    def trouble() -> bool:
        if not bench.source.committed:
            bench.link.commands.put({"do": "pause"})
            bench.link.commands.put({"do": "stop"})
        return bench.log.count("keep alive") > 0

    bench.matches.trouble = trouble
    bench.worker(max_records=1).run()
    assert matched(bench) == [0]


def test_watchers_see_some_matches_and_are_told_of_the_rest(pack: Path) -> None:
    bench = Bench(pack, [APPLE] * 300)
    bench.link.commands.put({"do": "watch", "on": True})
    bench.worker(max_records=150).run()
    shown = [each for each in bench.link.said if each["say"] == "match"]
    assert 150 <= len(shown) <= 300


def test_until_everything_is_connected_it_tries_with_growing_pauses(pack: Path) -> None:
    bench = Bench(pack, [APPLE])
    tries: list[float] = []

    def start() -> bool:
        tries.append(time.monotonic())
        return len(tries) == 3

    worker = bench.worker()
    worker._start = start
    worker.run()
    assert matched(bench) == [0]
    assert tries[2] - tries[1] > tries[1] - tries[0]
    assert bench.link.states()[0] == "failing"


def test_what_a_sink_gave_up_is_not_counted_as_delivered(pack: Path) -> None:
    bench = Bench(pack, [APPLE, APPLE, BROKEN])
    bench.matches.refuses = lambda message: b'"offset":1' in message.value
    worker = bench.worker()
    worker.run()
    assert worker.outputs.delivered == {"memory": 1, "dead_letters": 2}


class Troubled(Client):
    """A client that tells what it was given."""

    def __init__(self, **told: object):
        for name, what in told.items():
            setattr(self, name, lambda what=what: what)


@pytest.mark.parametrize(
    ("client", "state"),
    [
        (Troubled(stuck="no offset"), ("failing", "no offset")),
        (Troubled(unmatched="no topic fits ^a", joined=False), ("waiting", "no topic fits ^a")),
    ],
)
def test_a_service_that_does_not_read_says_so(
    client: Client, state: tuple[str, str], pack: Path
) -> None:
    bench = Bench(pack, [PLUM])
    worker = bench.worker()
    worker._client = client
    worker.run()
    told = [(each["state"], each["detail"]) for each in bench.link.said if each["say"] == "status"]
    assert state in told
    assert "running" not in bench.link.states()


STATES = Path(__file__).parents[1] / "service" / "states.yml"
TOLD = {
    each["name"]: (each["client"], each["worker"])
    for each in yaml.safe_load(STATES.read_text())
    if "client" in each
}


@pytest.mark.parametrize("name", TOLD)
def test_what_stand_ins_say_of_a_state_is_what_workers_say(name: str, pack: Path) -> None:
    client, wanted = TOLD[name]
    bench = Bench(pack, [APPLE])
    worker = bench.worker()
    since = time.monotonic()
    failures = []

    def trouble() -> bool:
        if sink != "slow" and not failures:
            failures.append(DeliveryFailed(sink))
            raise failures[0]
        time.sleep(0.05)
        return sink != "slow" or time.monotonic() - since > 1.5

    if sink := client.get("sink", ""):
        bench.matches.trouble = trouble
    worker._client = Troubled(**{name: what for name, what in client.items() if name != "sink"})
    worker.run()
    told = [
        (each["state"], each["detail"], each["connected"])
        for each in bench.link.said
        if each["say"] == "status"
    ]
    assert (wanted["state"], wanted.get("detail", ""), wanted.get("connected", True)) in told


def test_what_was_lost_or_not_committed_is_reported(pack: Path) -> None:
    bench = Bench(pack, [PLUM])
    worker = bench.worker()
    worker._client = Troubled(uncommitted=3, lost={"events": 25})
    worker.run()
    assert (worker.counts.delivery_failures, worker.counts.lost) == (3, {"events": 25})
