"""`sigmac run` as its users run it."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sigmac.runtime.pack.seal import MANIFEST, render_manifest
from tests.unit.cli.conftest import ROOT, Run

ADMIN = b'{"uid": 0, "b":1.50 ,"c":"\\u00e9"}'
OTHER = b'{"uid": 1}'


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ADMIN + b"\n\n" + OTHER + b"\r\n  " + ADMIN)
    return file


def program(*arguments: str | Path, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sigmac", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,  # type: ignore[call-overload]
    )


def test_a_match_on_the_wire(sigmac: Run, built: Path, events: Path) -> None:
    done = sigmac("run", built, events)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert json.loads(first) == {
        "rule": {
            "id": "3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10",
            "title": "Admin # one",
            "level": "low",
            "tags": [],
        },
        "source": {"name": str(events), "position": 0},
        "event": json.loads(ADMIN),
    }
    assert list(json.loads(first)) == ["rule", "source", "event"]
    # the record's own bytes, not written anew
    assert first.endswith(f',"event":{ADMIN.decode()}}}')
    assert json.loads(second)["source"] == {"name": str(events), "position": 3}
    assert second.endswith(f',"event":{ADMIN.decode()}}}')
    assert "3 records, 2 matches of 1 rule, 0 rejected" in done.stderr
    assert "Admin # one" in done.stderr


def test_no_event_explain_quiet_and_an_output_file(
    sigmac: Run, built: Path, events: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    done = sigmac("run", built, events, "--no-event", "--explain", "-q", "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for line in out.read_text().splitlines():
        match = json.loads(line)
        assert list(match) == ["rule", "source", "explanation"]
        assert match["explanation"]["selections"] == {"root": True, "words": False}


def test_records_that_are_no_json_are_reported_counted_and_passed_over(
    sigmac: Run, built: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bad.ndjson"
    file.write_bytes(b"{\n" + ADMIN + b"\n\n[1]\n" + ADMIN + b"\n")
    done = sigmac("run", built, file)
    assert done.returncode == 1
    assert f"{file}:1: rejected: not JSON" in done.stderr
    assert f"{file}:4: rejected: not a JSON object but an array" in done.stderr
    assert "2 matches" in done.stderr
    assert "2 rejected" in done.stderr
    assert [json.loads(line)["source"]["position"] for line in done.stdout.splitlines()] == [1, 4]
    assert sigmac("run", built, file, "--keep-going").returncode == 0
    data = file.read_text()
    assert sigmac("run", built, "-", stdin=data).returncode == 0
    assert sigmac("run", built, stdin=data).returncode == 0
    assert sigmac("run", built, "-", "--no-keep-going", stdin=data).returncode == 1


def test_inputs_that_cannot_be_read_do_not_stop_the_others(
    sigmac: Run, built: Path, events: Path, tmp_path: Path
) -> None:
    cut, binary = tmp_path / "cut.gz", tmp_path / "noise.bin"
    cut.write_bytes(gzip.compress(ADMIN + b"\n" + os.urandom(5000))[:-20])
    binary.write_bytes(bytes(range(256)) * 100)
    missing = tmp_path / "missing.ndjson"
    (tmp_path / "empty").mkdir()
    empty = tmp_path / "empty"
    many = tmp_path / "many.ndjson"
    many.write_bytes(b"{}\n" + b"plain text\n" * 30)
    done = sigmac("run", built, missing, empty, binary, cut, many, events, "--keep-going")
    assert done.returncode == 1
    assert f"sigmac: {missing}: No such file or directory" in done.stderr
    assert f"sigmac: {empty}: the folder holds no file" in done.stderr
    assert f"sigmac: {cut}: the compressed file is damaged or cut off" in done.stderr
    assert f"sigmac: {binary}: no known format of logs; `sigmac formats` lists them" in done.stderr
    assert "further rejected records are counted only" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_a_full_disk_leaves_whole_lines(built: Path, tmp_path: Path) -> None:
    events, out = tmp_path / "events", tmp_path / "out"
    events.write_bytes((ADMIN + b"\n") * 1000)
    limit = 10_000

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = program("run", built, events, "-o", out, preexec_fn=small_files)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"whole lines" in errors
    assert str(out).encode() in errors
    assert b"Traceback" not in errors
    lines = out.read_bytes().splitlines(keepends=True)
    assert limit - 500 < sum(map(len, lines)) <= limit
    assert all(line.endswith(b"}\n") and json.loads(line) for line in lines)


def test_a_reader_that_goes_away_is_no_error_to_tell(built: Path, tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.write_bytes((ADMIN + b"\n") * 20_000)
    process = program("run", built, events)
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_a_pack_of_a_newer_format(sigmac: Run, pack: Path, events: Path) -> None:
    manifest = json.loads((pack / MANIFEST).read_bytes())
    (pack / MANIFEST).write_bytes(render_manifest({**manifest, "format": 99}))
    done = sigmac("run", pack, events)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the pack has format 99, this sigmac reads up to 1; upgrade sigmac" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["missing"], 1, "there is no folder and no installed pack `missing`"),
        (["PACK", "-o", "/no/such/folder/out"], 1, "/no/such/folder/out: No such file"),
        (["PACK", "--profile", "/no/such/folder/p"], 1, "/no/such/folder/p: No such file"),
        (["PACK", "--logsource", "nonsense"], 2, "is not KEY=VALUE"),
        (["PACK", "--trusted-key", "missing.pem"], 2, "missing.pem"),
        (["PACK", "--memory-budget", "0"], 2, "--memory-budget"),
    ],
)
def test_mistakes_are_one_message_without_a_traceback(
    sigmac: Run, built: Path, tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    given = [str(built) if each == "PACK" else each for each in arguments]
    done = sigmac("run", *given, cwd=tmp_path, stdin="")
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_logsource_of_a_stream(sigmac: Run, built: Path, events: Path) -> None:
    for product, count in (("linux", 2), ("windows", 0)):
        done = sigmac("run", built, events, "--logsource", f"product={product}")
        assert len(done.stdout.splitlines()) == count


def test_evtx_with_a_byte_order_mark(sigmac: Run, built: Path, tmp_path: Path) -> None:
    file = tmp_path / "records.ndjson"
    record = b'{"Event":{"System":{"EventID":1},"EventData":{"uid":0}}}'
    file.write_bytes(b"\xef\xbb\xbf" + record + b"\n" + record + b"\n")
    done = sigmac("run", built, file)
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == [
        {"EventID": 1, "uid": 0}
    ] * 2


def test_a_signed_pack(sigmac: Run, rule_file: Path, events: Path, tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    keys = {}
    for name in ("ours", "theirs"):
        key = ed25519.Ed25519PrivateKey.generate()
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        keys[name] = private, public
    folder = tmp_path / "signed"
    signed = sigmac("build", rule_file, "-o", folder, "--sign", keys["ours"][0], "--no-cache")
    assert signed.returncode == 0, signed.stderr
    assert sigmac("run", folder, events, "--trusted-key", keys["ours"][1]).returncode == 0
    refused = sigmac("run", folder, events, "--trusted-key", keys["theirs"][1])
    assert refused.returncode == 1
    assert "not trusted" in refused.stderr
    (folder / "manifest.sig").unlink()
    unsigned = sigmac("run", folder, events, "--trusted-key", keys["ours"][1])
    assert unsigned.returncode == 1
    assert "not signed" in unsigned.stderr
    faulty = sigmac("build", rule_file, "-o", folder, "--sign", rule_file, "--no-cache")
    assert faulty.returncode == 1
    assert "PEM" in faulty.stderr
