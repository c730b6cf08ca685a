"""`sigmac dlq` over files of dead letters."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from sigmac.runtime.stream.dead_letters import DeadLetter, as_line
from sigmac.runtime.stream.record import Origin
from tests.unit.cli.conftest import Run

MATCH = b'{"id": "1"}'


@pytest.fixture
def config(pack: Path, tmp_path: Path) -> Callable[..., Path]:
    """The configuration of a service over files, with changes."""

    def write(**changes: Any) -> Path:
        plain = {
            "state": "state",
            "packs": {"p": {"path": str(pack)}},
            "source": {"files": {"paths": ["events.ndjson"], "pack": "p"}},
            "matches": {"stdout": {}},
            "dead_letters": {"file": {"path": "dead.ndjson"}},
        }
        file = tmp_path / "sigmac.yml"
        file.write_text(yaml.safe_dump(plain | changes))
        return file

    return write


def line(value: bytes, kind: str, offset: int) -> bytes:
    origin = Origin("events.ndjson", 0, offset)
    return (
        as_line(DeadLetter(value, origin, None, kind, "why\x1b[31m", "p", "1", 0.0)).value + b"\n"
    )


def test_letters_of_all_workers_and_rotations(
    sigmac: Run, config: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "dead-20260101T000000.000000001Z.ndjson").write_bytes(line(b"\xff", "rejected", 1))
    (tmp_path / "dead.ndjson").write_bytes(line(b"[]", "rejected", 2) + b"{}\n" + b'{"half')
    (tmp_path / "dead.1.ndjson").write_bytes(line(MATCH, "undeliverable", 3))
    done = sigmac("dlq", "list", config(), "--format", "json")
    assert done.returncode == 0
    letters = [json.loads(each) for each in done.stdout.splitlines()]
    assert sorted(each["offset"] for each in letters) == [1, 2, 3]
    values = {each["offset"]: (base64.b64decode(each["value"]), each["text"]) for each in letters}
    assert values[1] == (b"\xff", None)
    assert values[2] == (b"[]", "[]")
    assert done.stderr == "1 record passed over: no dead letters\n"
    shown = sigmac("dlq", "list", config(), "--kind", "rejected", "--limit", "1").stdout
    (text,) = shown.splitlines()
    assert text.startswith("1970-01-01T00:00:00Z rejected events.ndjson, partition 0, offset ")
    assert "\x1b" not in text


class _Hook(BaseHTTPRequestHandler):
    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_matches_go_to_the_webhook_again_and_only_once(
    sigmac: Run, config: Callable[..., Path], tmp_path: Path
) -> None:
    dead = tmp_path / "dead.ndjson"
    dead.write_bytes(line(MATCH, "undeliverable", 3) + line(b"[]", "rejected", 2))
    hook = type("Hook", (_Hook,), {"got": []})
    with HTTPServer(("127.0.0.1", 0), hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        file = config(matches={"webhook": {"url": f"http://127.0.0.1:{server.server_port}/"}})
        done = sigmac("dlq", "replay", file, "--kind", "undeliverable")
        assert (done.returncode, done.stdout) == (0, "1 dead letter sent again: 1 undeliverable\n")
        # What a rotation renamed is the same letter still.
        dead.rename(tmp_path / "dead-20260101T000000.000000001Z.ndjson")
        again = sigmac("dlq", "replay", file, "--kind", "undeliverable")
        assert again.stdout == "0 dead letters sent again\n"
        rest = sigmac("dlq", "replay", file)
        server.shutdown()
    assert hook.got == [MATCH + b"\n"]
    assert rest.returncode == 1
    assert rest.stderr.startswith("1 dead letter not sent: it came from a file")


def test_mistakes_are_one_line(sigmac: Run, config: Callable[..., Path]) -> None:
    done = sigmac("dlq", "list", config(dead_letters="drop"))
    said = "sigmac: `dead_letters: drop` keeps no dead letters\n"
    assert (done.returncode, done.stderr) == (1, said)
    wrong = sigmac("dlq", "replay", config(), "--kind", "reject")
    assert wrong.returncode == 2
    assert "there is no kind 'reject'" in wrong.stderr
