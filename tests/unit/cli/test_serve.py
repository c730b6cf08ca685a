"""`sigmac serve` as its users run it: the real program, real workers, real signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from sigmac.runtime.service.control.client import ControlClient, ControlError
from sigmac.runtime.service.control.control_pb2 import ListRulesRequest
from sigmac.runtime.service.control.control_pb2_grpc import ControlStub
from tests.unit.cli.conftest import ROOT, Run
from tests.unit.runtime.service.conftest import reseal

ADMIN = b'{"uid": 0}\n'
SECRET = "tr0ub4dor&3"
ENVIRONMENT = {"SIGMAC_KERNELS": "off", "PYTHONPATH": str(ROOT)}


def eventually(what: Callable[[], object]) -> Any:
    """What `what` gives once it is true."""
    until = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ADMIN * 3 + b'{"uid": 1}\n')
    return file


@pytest.fixture
def configuration(pack: Path, events: Path) -> dict[str, Any]:
    """Events of a file, to its end."""
    return {
        "name": "test",
        "state": "state",
        "packs": {"admins": {"path": str(pack)}},
        "source": {"files": {"paths": [str(events)], "follow": False, "pack": "admins"}},
        "matches": {"stdout": {}},
        "dead_letters": "drop",
        "logs": {"format": "json"},
        "shutdown": {"timeout": 5},
    }


@pytest.fixture
def topics(configuration: dict[str, Any]) -> dict[str, Any]:
    """Topics of a broker that does not answer, in two workers."""
    properties = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "sasl.password": SECRET}
    kafka = {"properties": properties, "inputs": [{"topics": ["t"], "pack": "admins"}]}
    return configuration | {
        "workers": 2,
        "source": {"kafka": kafka},
        "matches": {"kafka": {"topic": "m"}},
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(configuration: dict[str, Any]) -> Path:
        file = tmp_path / "sigmac.yml"
        file.write_text(yaml.safe_dump(configuration))
        return file

    return write


Write = Callable[[dict[str, Any]], Path]


class Program:
    """A running `sigmac serve`; its log is read as it grows."""

    def __init__(self, config: Path, log: Path, **environment: str):
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sigmac", "serve", str(config)],
                env={**os.environ, **ENVIRONMENT, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def entries(self, event: str = "") -> list[dict[str, Any]]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines]
        return [each for each in found if event in each["event"]]

    def workers(self, count: int) -> list[int]:
        """The process ids of this many workers, once they say something."""
        states = "a worker is"
        eventually(lambda: len({each["worker"] for each in self.entries(states)}) == count)
        return [each["pid"] for each in self.entries("a worker starts")]

    def end(self) -> int:
        return self.process.wait(60)


@contextmanager
def serving(config: Path, **environment: str) -> Iterator[Program]:
    program = Program(config, config.with_name("log"), **environment)
    try:
        yield program
    finally:
        program.process.kill()
        for entry in program.entries("a worker starts"):
            with suppress(ProcessLookupError):
                os.kill(entry["pid"], signal.SIGKILL)  # one that a test has halted holds the pipe
        program.process.communicate()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("command", [["serve"], ["run", "--config"]])
def test_files_to_their_end(
    command: list[str], sigmac: Run, write: Write, configuration: dict[str, Any], events: Path
) -> None:
    done = sigmac(*command, write(configuration), **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    matches = [json.loads(line) for line in done.stdout.splitlines()]
    assert [match["source"]["offset"] for match in matches] == [0, 1, 2]
    assert {match["rule"]["title"] for match in matches} == {"Admin # one"}
    assert matches[0]["pack"] == {"name": "admins", "version": "1.2.3"}
    said = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert said[0] == "the service starts"
    assert "the service is ready" in said
    assert said[-3:] == [
        "the source came to its end",
        "the service stops",
        "the service has stopped",
    ]


def test_standard_input(sigmac: Run, write: Write, configuration: dict[str, Any]) -> None:
    configuration["source"] = {"stdin": {"pack": "admins"}}
    done = sigmac("serve", write(configuration), stdin=ADMIN.decode() * 2, **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (0, ["sigmac: standard input cannot be read: Bad file descriptor"]),
        (1, ["sigmac: standard output: Bad file descriptor"]),
        (2, []),  # nobody hears anything, and the work is done
    ],
)
def test_a_standard_stream_that_is_closed(
    stream: int, said: list[str], write: Write, configuration: dict[str, Any]
) -> None:
    configuration["source"] = {"stdin": {"pack": "admins"}}
    program = [sys.executable, "-m", "sigmac", "serve", str(write(configuration))]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}<&-', "sh", *program],
        input=ADMIN,
        capture_output=True,
        check=False,
        env={**os.environ, **ENVIRONMENT},
        timeout=60,
    )
    lines = done.stderr.decode().splitlines()
    assert [line for line in lines if not line.startswith("{")] == said
    assert sum('"a worker starts"' in line for line in lines) == len(said)
    assert (done.returncode, len(done.stdout.splitlines())) == ((1, 0) if said else (0, 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_its_batch_is_done(
    number: int, write: Write, configuration: dict[str, Any]
) -> None:
    configuration["source"]["files"]["follow"] = True
    with serving(write(configuration)) as program:
        assert program.process.stdout is not None
        assert json.loads(program.process.stdout.readline())["source"]["offset"] == 0
        (worker,) = program.workers(1)
        program.process.send_signal(number)
        assert program.end() == 0
        assert not alive(worker)
        assert program.entries()[-1]["event"] == "the service has stopped"


def test_a_second_signal_ends_it_at_once(write: Write, topics: dict[str, Any]) -> None:
    topics["shutdown"] = {"timeout": 1000}
    with serving(write(topics)) as program:
        workers = program.workers(2)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)  # they cannot stop by themselves
        program.process.send_signal(signal.SIGTERM)
        eventually(lambda: program.entries("the service stops"))  # two at once may arrive as one
        assert program.process.poll() is None
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == 128 + signal.SIGTERM
        eventually(lambda: not any(map(alive, workers)))


def test_no_worker_outlives_its_supervisor(write: Write, topics: dict[str, Any]) -> None:
    with serving(write(topics)) as program:
        workers = program.workers(2)
        program.process.kill()
        program.end()
        eventually(lambda: not any(map(alive, workers)))


def test_a_killed_worker_is_started_again(write: Write, configuration: dict[str, Any]) -> None:
    configuration["source"]["files"]["follow"] = True
    with serving(write(configuration)) as program:
        (worker,) = program.workers(1)
        os.kill(worker, signal.SIGKILL)
        (entry,) = eventually(lambda: program.entries("a worker was killed by SIGKILL"))
        assert entry["again_in"] == 0.5
        eventually(lambda: len(program.entries("a worker starts")) == 2)


def test_a_real_worker_swaps_and_refuses(
    write: Write, configuration: dict[str, Any], pack: Path, events: Path
) -> None:
    configuration["source"]["files"]["follow"] = True
    configuration["reload"] = {"watch": 0.1}
    with serving(write(configuration)) as program:
        assert program.process.stdout is not None
        for _ in range(3):
            program.process.stdout.readline()
        manifest = (pack / "manifest.json").read_bytes()
        (pack / "manifest.json").write_bytes(b"{}")
        (refusal,) = eventually(lambda: program.entries("a pack was refused"))
        assert refusal["reason"].endswith("the manifest is damaged; build the pack again")
        from tests.unit.runtime.service.conftest import reseal

        (pack / "manifest.json").write_bytes(manifest)
        reseal(pack, {"version": "2.0.0"})
        eventually(lambda: program.entries("a new pack runs"))
        with events.open("ab") as file:
            file.write(ADMIN)
        match = json.loads(program.process.stdout.readline())
        assert match["pack"]["version"] == "2.0.0"
        assert match["source"]["offset"] == 4


def test_secrets_are_in_no_argument_environment_or_log(
    write: Write, topics: dict[str, Any]
) -> None:
    topics["source"]["kafka"]["properties"]["sasl.password"] = {"env": "BROKER_PASSWORD"}
    topics["logs"] = {"format": "json", "level": "debug"}
    with serving(write(topics), BROKER_PASSWORD=SECRET) as program:
        for pid in program.workers(2):
            process = Path(f"/proc/{pid}")
            assert SECRET.encode() not in (process / "cmdline").read_bytes()
            assert SECRET.encode() not in (process / "environ").read_bytes()
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == 0
        assert SECRET not in program.log.read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"wrokers": 1},
            r".*sigmac.yml:\d+: wrokers: there is no such key; did you mean `workers`\?",
        ),
        ({"packs": {"admins": {"path": "none"}}}, r"there is no folder and no installed pack .*"),
        ({"packs": {"admins": {"path": "./none"}}}, r".*/none does not exist; .*"),
        ({"state": "events.ndjson"}, r"state: .*/events.ndjson cannot be written: File exists"),
        (
            {"packs": {"admins": {"path": ".", "trusted_keys": ["none"]}}},
            r"trusted_keys: .*/none cannot be read: .*",
        ),
    ],
)
def test_a_mistake_is_one_line(
    change: dict[str, Any], said: str, sigmac: Run, write: Write, configuration: dict[str, Any]
) -> None:
    done = sigmac("serve", write(configuration | change), **ENVIRONMENT)
    assert done.returncode == 1
    (line,) = [each for each in done.stderr.splitlines() if not each.startswith("{")]
    assert re.fullmatch(f"sigmac: {said}", line)


def test_a_port_in_use_is_one_line(
    sigmac: Run, write: Write, configuration: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        configuration["http"] = {"bind": f"127.0.0.1:{server.getsockname()[1]}"}
        done = sigmac("serve", write(configuration), **ENVIRONMENT)
    assert done.returncode == 1
    assert re.fullmatch(
        r"sigmac: http\.bind: cannot listen on .*: Address already in use",
        done.stderr.splitlines()[-1],
    )


def test_a_pack_that_was_changed_is_one_line(
    sigmac: Run, write: Write, configuration: dict[str, Any], pack: Path
) -> None:
    (pack / "rules.py").write_text("x = 1")
    done = sigmac("serve", write(configuration), **ENVIRONMENT)
    assert done.returncode == 1
    said = f"sigmac: {pack}: rules.py was changed after the build; build the pack again"
    assert done.stderr.splitlines()[-1] == said


def test_no_file_and_wrong_usage(sigmac: Run, tmp_path: Path, pack: Path) -> None:
    done = sigmac("serve", tmp_path / "none.yml")
    assert (done.returncode, done.stderr) == (
        1,
        f"sigmac: {tmp_path}/none.yml: No such file or directory\n",
    )
    assert sigmac("serve").returncode == 2
    assert sigmac("run").returncode == 2
    assert sigmac("run", pack, "--config", tmp_path / "sigmac.yml").returncode == 2


def test_batch_runs_do_not_need_what_streams_need(sigmac: Run, pack: Path, tmp_path: Path) -> None:
    # Packages of these names that fail stand before the installed ones.
    for name in ("structlog", "pydantic_settings", "confluent_kafka", "grpc", "prometheus_client"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = sigmac("run", pack, "-", stdin=ADMIN.decode(), PYTHONPATH=path, SIGMAC_KERNELS="off")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_the_state_folder_is_beside_the_configuration(
    sigmac: Run, write: Write, configuration: dict[str, Any], tmp_path: Path
) -> None:
    assert sigmac("serve", write(configuration), **ENVIRONMENT).returncode == 0
    running = json.loads((tmp_path / "state/packs/admins/running.json").read_text())
    assert (tmp_path / "state/packs/admins" / running["running"] / "manifest.json").is_file()
    shutil.rmtree(tmp_path / "state")


# For clients of a socket


@contextmanager
def serving_clients(
    log: Path, socket: Path, *given: str | Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A service at a socket, which ends with its standard input."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "sigmac", "serve", "--until-eof", "--socket", socket, *given],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stderr=stderr,
            cwd=given[0],
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def matching(client: ControlClient, event: dict[str, Any]) -> list[str] | None:
    """The titles of the rules that match an event; None while nobody answers."""
    try:
        return [each.title for each in client.process_event("rules", event)]
    except ControlError:
        return None


def test_a_pack_for_clients_of_a_socket(pack: Path, tmp_path: Path) -> None:
    path, log = tmp_path / "run" / "socket", tmp_path / "log"
    with serving_clients(log, path, pack) as process, ControlClient(f"unix:{path}") as client:
        assert eventually(lambda: matching(client, {"uid": 0})) == ["Admin # one"]
        newer = reseal(shutil.copytree(pack, tmp_path / "newer"), {"version": "9.0.0"})
        assert client.push(newer, "rules").version == "9.0.0"
        assert client.rollback("rules").version == "1.2.3"
        status = client.status()
        assert (status.ready, len(status.workers), status.packs[0].name) == (True, 0, "rules")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    assert not path.parent.exists()
    assert "the service has stopped" in log.read_text()


def test_rules_for_clients_of_a_socket_change(tmp_path: Path) -> None:
    path, rules = tmp_path / "run" / "socket", tmp_path / "rules"
    rules.mkdir()
    text = "title: %s\nlogsource: {product: linux}\ndetection: {s: {uid: %d}, condition: s}\n"
    (rules / "one.yml").write_text(text % ("One", 1))
    (rules / "faulty.yml").write_text("title: Faulty\n")
    # The service has no use for a project file.
    (rules / "sigmac.toml").write_text("nonsense = true\n")
    log = tmp_path / "log"
    with serving_clients(log, path, rules) as process, ControlClient(f"unix:{path}") as client:
        assert eventually(lambda: matching(client, {"uid": 1})) == ["One"]
        with grpc.insecure_channel(f"unix:{path}") as channel:
            stub = ControlStub(channel)  # type: ignore[no-untyped-call]
            refused = stub.ListRules(ListRulesRequest(pack="rules"), timeout=60).refused
        assert {each.source.partition(":")[0] for each in refused} == {str(rules / "faulty.yml")}
        assert "E_LOGSOURCE" in [each.code for each in refused]
        (rules / "one.yml").write_text(text % ("Two", 1))
        assert eventually(lambda: matching(client, {"uid": 1}) == ["Two"])
        for file in rules.iterdir():
            file.unlink()
        eventually(lambda: "the rules before stay in service" in log.read_text())
        assert matching(client, {"uid": 1}) == ["Two"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["sigmac.yml", "other.yml"], 2, "one configuration, or several with --socket"),
        (["sigmac.yml", "--pipeline", "windows"], 2, "these are for --socket"),
        (["nowhere", "--socket", "s"], 1, "nowhere"),
        (["{pack}", "--socket", "s", "--pipeline", "windows"], 2, "rules are given some"),
        (["{rules}", "--socket", "s"], 1, "no pack can be built of"),
        (["{pack}", "--socket", "s" * 200], 1, "the path of a socket has at most 103 bytes"),
    ],
)
def test_what_cannot_be_served(
    arguments: list[str], status: int, said: str, pack: Path, tmp_path: Path, sigmac: Run
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "faulty.yml").write_text("title: Faulty\n")
    given = [each.format(pack=pack, rules=tmp_path / "rules") for each in arguments]
    done = sigmac("serve", *given, cwd=tmp_path, **ENVIRONMENT)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_it_ends_before_it_serves(tmp_path: Path) -> None:
    rules, temporary = tmp_path / "rules", tmp_path / "temporary"
    rules.mkdir()
    temporary.mkdir()
    text = "title: One\nlogsource: {product: linux}\ndetection: {s: {uid: 1}, condition: s}\n"
    (rules / "one.yml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "sigmac", "serve", "--until-eof", "--socket", "s", rules],
        cwd=temporary,
        env={**os.environ, **ENVIRONMENT, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: list(temporary.iterdir()))
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0
    assert list(temporary.iterdir()) == []
