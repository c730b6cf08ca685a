"""`sigmac shadow-live` as its users see it, over the embedded broker."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from sigmac.cli import app
from sigmac.migration.live.live_settings import load_live_settings
from sigmac.testing import EmbeddedBroker

PARTITIONS = 2


class Live:
    """Topics of two programs, and a description of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.broker = EmbeddedBroker({"events": PARTITIONS, "go-matches": 2, "matches": 1})
        self.servers = {"bootstrap.servers": self.broker.bootstrap_servers, "log_level": "0"}
        self._producer = Producer(self.servers)
        self.description: dict[str, Any] = {
            "properties": self.servers,
            "topics": ["events"],
            "go": {"topic": "go-matches", "group": "shipper"},
            "sigmac": {"topic": "matches", "group": "sigmac"},
            "settle": 0,
            "start": "earliest",
        }

    def send(self, topic: str, value: Any, partition: int = 0) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._producer.produce(topic, data, partition=partition)
        assert self._producer.flush(30) == 0

    def events(self, *counts: int) -> None:
        for partition, count in enumerate(counts):
            for number in range(count):
                self.send("events", {"n": number}, partition)

    def go(self, partition: int, offset: int, *rules: str) -> None:
        source = {"topic": "events", "partition": partition, "offset": offset}
        results = [{"Tags": None, "ID": rule, "Title": f"Title {rule}"} for rule in rules]
        self.send("go-matches", {"source": source, "results": results}, offset % 2)

    def sigmac(self, partition: int, offset: int, rule: str) -> None:
        source = {"topic": "events", "partition": partition, "offset": offset}
        described = {"id": rule, "title": f"Title {rule}"}
        self.send("matches", {"id": "1", "rule": described, "source": source, "event": {}})

    def commit(self, group: str, *offsets: int) -> None:
        consumer = Consumer({**self.servers, "group.id": group, "enable.auto.commit": False})
        places = [TopicPartition("events", *each) for each in enumerate(offsets)]
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()

    def run(self, *options: str, status: int = 0, out: str = "out.ndjson") -> Result:
        config = self.folder / "shadow.yml"
        config.write_text(yaml.safe_dump(self.description), "utf-8")
        arguments = ["shadow-live", str(config), "-o", str(self.folder / out), *options]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done

    def until(self, count: int) -> Sequence[str]:
        """Run for ever longer, until so many differences are told; what the last run said."""
        for seconds in range(1, 13):
            told = said(self.run("--for", str(seconds)))
            if len(self.told()) == count:
                return told
        raise AssertionError(told)

    def told(self) -> list[tuple[str, str, int, int]]:
        lines = map(json.loads, (self.folder / "out.ndjson").read_text("utf-8").splitlines())
        return [
            (
                each["only"],
                each["rule"]["id"],
                each["source"]["partition"],
                each["source"]["offset"],
            )
            for each in lines
        ]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path)
    yield made
    made.broker.close()


def said(done: Result) -> Sequence[str]:
    return done.stderr.splitlines()


def test_differences_are_told_once_both_are_past_them(live: Live) -> None:
    live.events(4, 2)
    live.go(0, 0, "a", "b")
    live.go(0, 1, "a")
    live.go(0, 1, "a")  # again
    live.sigmac(0, 0, "b")
    live.sigmac(0, 0, "a")
    live.sigmac(1, 1, "a")
    live.go(0, 3, "b")
    live.send("matches", b"no match")
    live.commit("shipper", 4, 2)
    live.commit("sigmac", 3, 2)
    told = live.until(2)
    assert sorted(live.told()) == [("go", "a", 0, 1), ("sigmac", "a", 1, 1)]
    assert "2 agreed, 1 only of the Go program, 1 only of sigmac, 1 waiting" in told
    assert any(line.startswith("sigmac is 1 record behind") for line in told)
    assert "go: 5 matches read; 1 repeated" in told
    assert "sigmac: 3 matches read; 1 passed over" in told
    # The late side comes, and the comparison goes on where it was.
    live.sigmac(0, 3, "b")
    live.commit("sigmac", 4, 2)
    told = said(live.run("--until-end", "--fail-on", "only-go,only-sigmac", status=3))
    assert told[0] == "3 agreed, 1 only of the Go program, 1 only of sigmac, 0 waiting"
    assert told[-2:] == ["sigmac: --fail-on only-go: 1", "sigmac: --fail-on only-sigmac: 1"]
    assert len(live.told()) == 2


def test_it_begins_behind_what_a_program_has_committed(live: Live) -> None:
    live.description["start"] = "latest"
    live.events(3, 0)
    live.go(0, 0, "a")
    live.commit("shipper", 2, 0)
    told = said(live.run("--for", "4"))
    assert told[0] == "0 agreed, 0 only of the Go program, 0 only of sigmac, 0 waiting"
    live.go(0, 2, "a")
    live.commit("shipper", 3, 0)
    live.commit("sigmac", 3, 0)
    live.run("--until-end")
    assert live.told() == [("go", "a", 0, 2)]


def test_what_a_crash_left_in_the_output_is_cut_off(live: Live) -> None:
    live.events(2, 0)
    live.go(0, 0, "a")
    live.commit("shipper", 1, 0)
    live.commit("sigmac", 1, 0)
    live.until(1)
    with (live.folder / "out.ndjson").open("a", encoding="utf-8") as file:
        file.write('{"only": "go", "ru')
    live.go(0, 1, "a")
    live.commit("shipper", 2, 0)
    live.commit("sigmac", 2, 0)
    live.run("--until-end")
    assert live.told() == [("go", "a", 0, 0), ("go", "a", 0, 1)]


def test_the_side_that_is_ahead_is_not_read_while_too_much_waits(live: Live) -> None:
    live.description["max_waiting"] = 1
    live.events(6, 0)
    live.go(0, 0, "a", "b", "c")
    live.commit("shipper", 1, 0)
    live.commit("sigmac", 0, 0)
    for seconds in range(1, 13):
        told = said(live.run("--for", str(seconds)))
        if told[0].endswith("3 waiting"):
            break
    assert told[0].endswith("3 waiting")
    for offset in range(1, 6):
        live.go(0, offset, "a")
    live.commit("shipper", 6, 0)
    live.commit("sigmac", 6, 0)
    live.run("--until-end")
    assert len(live.told()) == 8


def test_a_program_may_write_into_a_file(live: Live) -> None:
    matches = live.folder / "go.ndjson"
    live.description["go"] = {"files": ["go.ndjson"], "group": "shipper"}
    live.events(3, 0)
    lines = [{"source": {"partition": 0, "offset": n}, "ID": "a"} for n in range(3)]
    matches.write_text("".join(json.dumps(each) + "\n" for each in lines[:2]), "utf-8")
    live.sigmac(0, 0, "a")
    live.commit("shipper", 2, 0)
    live.commit("sigmac", 3, 0)
    live.until(1)
    # It is rotated before the program goes on.
    matches.rename(live.folder / "go.ndjson.1")
    matches.write_text(json.dumps(lines[2]) + "\n", "utf-8")
    live.commit("shipper", 3, 0)
    told = said(live.run("--until-end"))
    assert told[0] == "1 agreed, 2 only of the Go program, 0 only of sigmac, 0 waiting"
    assert live.told() == [("go", "a", 0, 1), ("go", "a", 0, 2)]


def test_a_broker_that_is_away_is_waited_for(live: Live) -> None:
    live.events(2, 0)
    live.go(0, 1, "a")
    live.commit("shipper", 2, 0)
    live.commit("sigmac", 1, 0)
    live.run("--for", "1")
    live.broker.take_down()
    back = threading.Timer(3, live.broker.bring_up)
    later = threading.Timer(4, live.commit, ("sigmac", 2, 0))
    back.start()
    later.start()
    live.run("--until-end")
    assert live.told() == [("go", "a", 0, 1)]
    later.join()


def test_it_ends_in_order_when_it_is_told_to(live: Live) -> None:
    live.description["http"] = {"bind": "127.0.0.1:0"}
    live.events(1, 0)
    live.sigmac(0, 0, "a")
    live.commit("shipper", 1, 0)
    live.commit("sigmac", 1, 0)
    config = live.folder / "shadow.yml"
    config.write_text(yaml.safe_dump(live.description), "utf-8")
    command = [
        sys.executable,
        "-m",
        "sigmac",
        "shadow-live",
        str(config),
        "--fail-on",
        "only-sigmac",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["only"] == "sigmac"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert (
        errors.decode()
        .splitlines()[0]
        .startswith("0 agreed, 0 only of the Go program, 1 only of sigmac")
    )


def test_causes_of_differences(live: Live) -> None:
    head = "title: {}\nlogsource: {{product: linux}}\ndetection: {{s: {{{}}}, condition: s}}\n"
    for name, item in (("case", "A: a"), ("cidr", "A|cidr: 10.0.0.0/8"), ("never", "A: z")):
        rule = live.folder / "rules" / f"{name}.yml"
        rule.parent.mkdir(exist_ok=True)
        rule.write_text(head.format(name, item), "utf-8")
    live.description["rules"] = ["rules"]
    live.send("events", {"A": "A"})
    live.send("events", {"A": "10.1.1.1"})
    live.send("events", b"no event")
    for offset, name in enumerate(("case", "cidr", "case")):
        source = {"topic": "events", "partition": 0, "offset": offset}
        live.send("matches", {"rule": {"id": None, "title": name}, "source": source})
    live.go(0, 0, "of-nobody")
    live.go(0, 1, "never")
    live.commit("shipper", 3, 0)
    live.commit("sigmac", 3, 0)
    live.run("--until-end")
    lines = map(json.loads, (live.folder / "out.ndjson").read_text("utf-8").splitlines())
    assert {(each["rule"]["id"], *each.get("causes", ["not looked for"])) for each in lines} == {
        ("case", "letter_case"),
        ("case", "not looked for"),  # no event
        ("cidr", "left_out"),
        ("of-nobody", "no_rule"),
        ("never", "unknown"),
    }


def files(folder: Path, go: Sequence[int], sigmac: Sequence[int]) -> None:
    """Both programs read `a.log`, and these lines match there."""
    for name, numbers in (("go", go), ("sigmac", sigmac)):
        with (folder / f"{name}.ndjson").open("a", encoding="utf-8") as file:
            for number in numbers:
                rule = {"ID": "r", "Title": "R"} if name == "go" else {"rule": {"id": "r"}}
                source = {"topic": "a.log", "partition": 0, "offset": number}
                file.write(json.dumps({"source": source, **rule}) + "\n")


def test_files_need_no_broker(tmp_path: Path) -> None:
    config, out = tmp_path / "shadow.yml", tmp_path / "out.ndjson"
    config.write_text(
        "files: [a.log]\ngo: {files: [go.ndjson]}\nsigmac: {files: [sigmac.ndjson]}\n", "utf-8"
    )
    command = ["shadow-live", str(config), "-o", str(out)]
    files(tmp_path, [1, 2, 7], [2, 4])
    for _ in range(30):
        done = CliRunner().invoke(app, [*command, "--for", "1"], catch_exceptions=False)
        if done.stderr.startswith(
            "1 agreed, 1 only of the Go program, 0 only of sigmac, 2 waiting"
        ):
            break
    assert "2 waiting" in done.stderr  # as sigmac may still find something in line 4
    files(tmp_path, [], [5, 7])
    done = CliRunner().invoke(app, [*command, "--until-end"], catch_exceptions=False)
    assert done.stderr.splitlines()[0] == (
        "2 agreed, 1 only of the Go program, 2 only of sigmac, 0 waiting"
    )
    lines = map(json.loads, out.read_text("utf-8").splitlines())
    assert [(each["only"], each["source"]["offset"]) for each in lines] == [
        ("go", 1), ("sigmac", 4), ("sigmac", 5)
    ]  # fmt: skip


def test_the_description_of_the_guide_is_right(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "migration.md"
    (text,) = re.findall(r"```yaml file=shadow.yml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    config = tmp_path / "shadow.yml"
    config.write_text(text, "utf-8")
    settings = load_live_settings(config, {})
    assert (settings.go.group, settings.go.rule) == ("shipper", ("ID", "Title"))
    assert settings.rules == (tmp_path / "rules",)
    assert settings.state == tmp_path / "shadow.state"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"topics": []}, "give what both programs read: `topics` or `files`"),
        ({"files": ["a.log"]}, "give what both programs read: `topics` or `files`"),
        ({"go": {"group": "g"}}, "shadow.yml:1: go: give where its matches are: `topic` or `files`"),
        ({"go": {"topic": "t"}}, "go.group: this key is missing"),
        ({"topics": [], "files": ["a.log"]}, "go.group: what reads files is in no group"),
        ({"golang": {}}, "golang: there is no such key"),
        ({"sigmac": {"topic": "go-matches", "group": "g"}}, "sigmac.topic: the Go program writes into this topic"),
        ({"sigmac": {"topic": "matches", "group": "shipper"}}, "sigmac.group: the Go program is in this group"),
        ({"properties": {}}, "properties.bootstrap.servers: this key is missing"),
        ({"properties": {"bootstrap.servers": "x", "linger": 5}}, "properties.linger"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_description_is_told_with_its_place(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    description = {
        "go": {"topic": "go-matches", "group": "shipper"},
        "properties": {"bootstrap.servers": "127.0.0.1:1"},
        "sigmac": {"topic": "matches", "group": "sigmac"},
        "topics": ["events"],
        **change,
    }
    config = tmp_path / "shadow.yml"
    config.write_text(yaml.safe_dump(description), "utf-8")
    done = CliRunner().invoke(app, ["shadow-live", str(config)])
    assert done.exit_code == 1
    assert says in str(done.exception)
