"""`sigmac config` as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT, Run

RIGHT = """
packs: {windows: {path: packs/windows}}
source: {kafka: {properties: {bootstrap.servers: b, group.id: g, sasl.password: {env: PASSWORD}},
                 inputs: [{topics: [events], pack: windows}]}}
matches: {kafka: {topic: matches}, webhook: {url: "https://siem.example/"}}
dead_letters: drop
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "sigmac.yml"
    found.write_text(RIGHT, encoding="utf-8")
    return found


def test_a_right_configuration_is_summed_up(sigmac: Run, file: Path) -> None:
    done = sigmac("config", "check", file, PASSWORD="correct-horse")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{file}: no mistakes: kafka (1 input) to kafka, webhook; dead letters: drop; at-least-once\n"
    )


def test_every_mistake_is_a_line_and_the_exit_status_is_1(sigmac: Run, file: Path) -> None:
    file.write_text(RIGHT.replace("pack: windows", "pck: windows") + "batchs: {}", encoding="utf-8")
    done = sigmac("config", "check", file, SIGMAC_DELIVERY="exactly-one")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{file}:3: source.kafka.properties.sasl.password: the environment variable PASSWORD is not set",
        f"{file}:4: source.kafka.inputs.0.pack: this key is missing: Name of the pack, as under `packs`.",
        f"{file}:4: source.kafka.inputs.0.pck: there is no such key; did you mean `pack`?",
        "SIGMAC_DELIVERY: delivery: should be 'at-least-once' or 'exactly-once'",
        f"{file}:7: batchs: there is no such key; did you mean `batch`?",
    ]


def test_the_service_refuses_what_the_check_refuses(sigmac: Run, file: Path) -> None:
    mistakes = sigmac("config", "check", file).stderr
    for command in (("serve",), ("run", "--config")):
        done = sigmac(*command, file)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sigmac: {mistakes}")


def test_a_file_that_is_not_there(sigmac: Run, tmp_path: Path) -> None:
    done = sigmac("config", "check", tmp_path / "none.yml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}/none.yml: No such file or directory\n"


def test_the_schema_is_json_that_describes_every_key(sigmac: Run) -> None:
    done = sigmac("config", "schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["packs", "source", "matches", "dead_letters"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["BatchSettings"]["properties"]["max_wait"]["maximum"] == 60


def test_events_are_evaluated_without_what_only_the_service_needs(
    built: Path, tmp_path: Path
) -> None:
    (tmp_path / "events.ndjson").write_bytes(b"{}\n")
    # Not yaml: Numba loads it by itself, where it is installed.
    program = """if True:
        import sys
        from sigmac.cli import app
        app(sys.argv[1:], standalone_mode=False)
        unwanted = ("sigmac.runtime.service", "confluent_kafka", "grpc", "prometheus", "pydantic", "structlog")
        print(*(name for name in sys.modules if name.startswith(unwanted)))
    """
    done = subprocess.run(
        [sys.executable, "-c", program, "run", built, tmp_path / "events.ndjson", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
