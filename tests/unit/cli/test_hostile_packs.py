"""Packs that somebody made and sealed: what commands say of them is true, short, and harmless on a terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sigmac.runtime.pack.seal import render_manifest, sha256
from tests.unit.cli.conftest import Run, on_a_terminal

RULE = """title: "T \\x9b31m"
id: 00000000-0000-4000-a000-00000000abcd
level: low
logsource: {product: any}
detection: {sel: {A|contains: x}, condition: sel}
"""
# What a terminal obeys or hides: C0, DEL, C1, marks of direction and of nothing
HOSTILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_DOCUMENTS = ("[1]", "{", "null", '[{"title": 1}]', '[{"title": "t", "rules": [1]}]', "[" * 100_000)


@pytest.fixture
def one(sigmac: Run, tmp_path: Path) -> Path:
    (tmp_path / "r.yml").write_text(RULE, encoding="utf-8")
    assert sigmac("build", tmp_path / "r.yml", "-o", tmp_path / "one", "--no-cache").returncode == 0
    return tmp_path / "one"


def reseal(pack: Path, **files: bytes) -> None:
    """Put files into a pack by their names with `_` for the point, and seal it again."""
    manifest = json.loads((pack / "manifest.json").read_bytes())
    for key, data in files.items():
        name = key.replace("_py", ".py").replace("_json", ".json")
        (pack / name).write_bytes(data)
        manifest["files"][name] = sha256(data)
    (pack / "manifest.json").write_bytes(render_manifest(manifest))


def changed(pack: Path, name: str, old: bytes, new: bytes) -> bytes:
    data = (pack / name).read_bytes()
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize("control", ["\x1b[2K\x1b[1A", "\x9b31m", "\x7f", "\u202e", "\r", "\x08"])
def test_what_a_pack_says_is_shown_never_obeyed(sigmac: Run, one: Path, control: str) -> None:
    code = f'__import__("os").getpid() and """{control}""";'.encode()
    reseal(
        one,
        conditions_py=changed(one, "conditions.py", b"    sel = ", b"    " + code + b" sel = "),
        rules_py=changed(one, "rules.py", b'level="low"', f'level="""{control}"""'.encode()),
    )
    ways = ((), ("--rules",), ("--rule", "00000000-0000-4000-a000-00000000abcd"))
    for options in ways:
        done = sigmac("inspect", one, *options)
        assert not HOSTILE.search(done.stdout + done.stderr), options
    assert "getpid" in done.stdout or done.returncode == 1


Spoil = Callable[[Path], dict[str, bytes]]
PARTS: dict[str, Spoil] = {
    "no rule": lambda pack: {"rules_py": b"r = 1\n" * 20},
    "a level that is a list": lambda pack: {
        "rules_py": changed(pack, "rules.py", b'level="low"', b"level=['low']")
    },
    "an id that is a number": lambda pack: {
        "rules_py": changed(pack, "rules.py", b'id="00000000-0000-4000-a000-00000000abcd"', b"id=5")
    },
    "20,000 signs": lambda pack: {
        "rules_py": changed(pack, "rules.py", b'level="low"', b"level=" + b"-" * 20_000 + b"1")
    },
    "no UTF-8": lambda pack: {"rules_py": changed(pack, "rules.py", b"low", b"l\xffw")},
    "no lines": lambda pack: {"conditions_py": b""},
    **{
        f"filters {text[:20]}": lambda pack, text=text: {"filters_json": text.encode()}
        for text in _DOCUMENTS
    },
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_do_not_fit_are_said_in_one_line(sigmac: Run, one: Path, name: str) -> None:
    reseal(one, **PARTS[name](one))
    for options in ((), ("--rules",), ("--rule", "x"), ("--format", "json")):
        done = sigmac("inspect", one, *options)
        assert done.returncode == 1
        assert done.stderr.startswith("sigmac: NOT VERIFIED: ")
        assert (done.stderr.count("\n"), "Traceback" in done.stderr) == (1, False)


def odd_signature(pack: Path, kind: str) -> None:
    signature = pack / "manifest.sig"
    if kind == "a pipe":
        os.mkfifo(signature)
    elif kind == "a device":
        signature.symlink_to("/dev/zero")
    elif kind == "a private file":
        (pack.parent / "private").write_bytes(b"secret")
        signature.symlink_to(pack.parent / "private")
    else:
        with signature.open("wb") as file:
            file.truncate(1 << 30)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a private file", "a large file"])
def test_a_signature_is_a_small_file_of_the_pack(sigmac: Run, one: Path, kind: str) -> None:
    odd_signature(one, kind)
    done = sigmac("inspect", one)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "manifest.sig" in done.stderr
    # Nothing listens there: it is refused before anything is sent.
    done = sigmac("push", one, "--to", "127.0.0.1:1", "--as", "windows")
    assert done.returncode == 1
    assert "manifest.sig" in done.stderr


def test_matches_on_a_terminal_mean_the_same_and_do_nothing(one: Path, tmp_path: Path) -> None:
    event = {"A": "x \x9b31m \u202e \x7f ä \U0001f600 \U000e0001"}
    (tmp_path / "events.ndjson").write_text(json.dumps(event, ensure_ascii=False) + "\n", "utf-8")
    events = tmp_path / "events.ndjson"
    shown = on_a_terminal("run", one, events, "-q", "--output-format", "ndjson")
    line = shown.replace("\r\n", "\n").strip()
    assert not HOSTILE.search(line)
    assert line.isprintable()
    found: dict[str, Any] = json.loads(line)
    assert found["event"] == event
    assert found["rule"]["title"] == "T \x9b31m"
    table = on_a_terminal("run", one, events, "-q", NO_COLOR="1")
    assert "T \\x9b31m" in table
    assert not HOSTILE.search(table.replace("\r\n", ""))


# The cache


def test_nothing_of_a_cache_is_in_a_signed_pack(sigmac: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RULE, encoding="utf-8")
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key").write_bytes(key)
    cache = tmp_path / "cache"
    build = ("build", tmp_path / "r.yml", "-o", tmp_path / "p", "--cache-dir", cache)
    assert sigmac(*build).returncode == 0
    clean = (tmp_path / "p" / "conditions.py").read_bytes()
    (file,) = cache.glob("units-*.json")
    units = json.loads(file.read_bytes()[64:])
    for unit in units.values():
        for each in unit["rules"]:
            each["function"] = each["function"].replace("    sel = ", "    owned()\n    sel = ")
    body = json.dumps(units).encode()
    file.write_bytes(sha256(body).encode() + body)
    assert sigmac(*build, "--sign", tmp_path / "key", "--pack-version", "2").returncode == 0
    assert (tmp_path / "p" / "conditions.py").read_bytes() == clean


@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_cache_that_others_may_enter_is_told_and_left_alone(
    sigmac: Run, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "r.yml").write_text(RULE, encoding="utf-8")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    done = sigmac(
        *("build", tmp_path / "r.yml", "-o", tmp_path / "p", "--cache-dir", tmp_path / "cache")
    )
    assert done.returncode == 0
    assert "the cache is not used: " in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_is_built_has_the_permissions_of_the_umask(sigmac: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RULE, encoding="utf-8")
    before = os.umask(0o077)
    try:
        done = sigmac("build", tmp_path / "r.yml", "-o", tmp_path / "p", "--no-cache", "--wheel")
    finally:
        os.umask(before)
    assert done.returncode == 0
    made = [tmp_path / "p", *(tmp_path / "p").rglob("*"), *tmp_path.glob("*.whl")]
    assert len(made) > 5
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_no_pipe_in_a_folder_of_rules_is_waited_for(sigmac: Run, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    os.mkfifo(tmp_path / "rules" / "x.yml")
    for command in (("check",), ("build", "-o", tmp_path / "p")):
        done = sigmac(*command, tmp_path / "rules")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "is no regular file" in done.stderr
