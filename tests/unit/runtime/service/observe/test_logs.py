"""Logs: what a line carries, and what it never holds. Real processes write them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.logs import MASK, Masking, secrets_of

ROOT = Path(__file__).resolve().parents[5]
SETTINGS: dict[str, Any] = {
    "name": "edge",
    "packs": {"windows": {"path": "windows"}},
    "source": {
        "kafka": {
            "properties": {
                "bootstrap.servers": "broker:9092",
                "group.id": "group-one",
                "sasl.username": "alice-in-chains",
                "sasl.password": "kafka-pass-word",
            },
            "producer": {"ssl.key.password": "key-pass-word"},
            "inputs": [{"topics": ["t"], "pack": "windows"}],
        }
    },
    "matches": {
        "webhook": {
            "url": "https://hook.example/",
            "token": "webhook-token",
            "headers": {"X-Api-Key": "api-key-value"},
        }
    },
    "dead_letters": "drop",
    "http": {"bind": "127.0.0.1:0", "token": "http-token"},
    "control": {"bind": "127.0.0.1:0", "token": "control-token"},
}
SECRETS = {
    "kafka-pass-word",
    "key-pass-word",
    "webhook-token",
    "api-key-value",
    "http-token",
    "control-token",
}
HEAD = """
import json, logging, os, sys, threading, warnings
import structlog
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.logs import configure_logs
from sigmac.runtime.errors import *
settings = Settings(**json.loads(sys.argv[1]))
configure_logs(settings, **json.loads(sys.argv[2]))
log = structlog.get_logger("sigmac.test")
"""


def command(program: str, worker: int | None, logs: dict[str, str]) -> list[str]:
    settings = json.dumps({**SETTINGS, "logs": logs})
    return [sys.executable, "-c", HEAD + program, settings, json.dumps({"worker": worker})]


def written(program: str, worker: int | None = 3, **logs: str) -> list[dict[str, Any]]:
    """The lines that a program logs, as JSON."""
    done = subprocess.run(
        command(program, worker, logs), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_says_who_when_and_what() -> None:
    (line,) = written("log.info('started', workers=2)")
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "started",
        "level": "info",
        "logger": "sigmac.test",
        "service": "edge",
        "worker": 3,
        "workers": 2,
    }


def test_the_supervisor_has_no_index_and_may_speak_of_a_worker() -> None:
    first, second = written("log.info('a'); log.info('b', worker=1)", worker=None)
    assert "worker" not in first
    assert second["worker"] == 1


def test_lines_of_other_threads_and_of_the_standard_library_carry_the_same() -> None:
    program = """
thread = threading.Thread(target=log.info, args=("from a thread",))
thread.start()
thread.join()
logging.getLogger("sigmac.librdkafka").warning("broker %s is down", "b:9092")
warnings.warn("old", UserWarning)
"""
    lines = written(program)
    assert [(line["service"], line["worker"]) for line in lines] == [("edge", 3)] * 3
    assert [line["event"] for line in lines][:2] == ["from a thread", "broker b:9092 is down"]
    assert "UserWarning: old" in lines[2]["event"]


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_shown(level: str, wanted: list[str]) -> None:
    program = """
for each in (log, logging.getLogger("sigmac.librdkafka")):
    for level in ("debug", "info", "warning", "error"):
        getattr(each, level)("x")
logging.getLogger("somebody.else").debug("chatter")
"""
    assert [line["level"] for line in written(program, level=level)] == wanted * 2


# What no line holds

FAILING = """
def evaluate(event, make):
    raise make(event["User"])

def wrapped(user):
    try:
        raise ValueError(user)
    except ValueError as error:
        raise RuntimeError("outer") from error

for make in (KeyError, lambda user: ValueError(f"bad {user}"), EventError, wrapped):
    try:
        evaluate({"User": "mallory"}, make)
    except Exception:
        log.exception("a pack failed on a batch")
"""


def test_the_text_of_an_exception_is_shown_at_debug_only() -> None:
    for level in ("info", "debug"):
        lines = written(FAILING, level=level)
        for line, error in zip(
            lines, ("KeyError", "ValueError", "EventError", "RuntimeError"), strict=True
        ):
            assert error in line["exception"]
            assert "in evaluate" in line["exception"]
            assert ("mallory" in json.dumps(line)) is (level == "debug")
        # What caused it comes first, as in a traceback.
        assert lines[3]["exception"].index("ValueError") < lines[3]["exception"].index("Runtime")


def test_our_own_errors_and_the_systems_say_what_is_wrong() -> None:
    program = """
for error in (StreamError("no permission for the topic"), OSError(28, "disk full")):
    log.error("failed", exc_info=error)
"""
    first, second = written(program)
    assert first["exception"] == "StreamError: no permission for the topic"
    assert "disk full" in second["exception"]


def test_what_nobody_catches_is_a_line_as_well() -> None:
    program = """
thread = threading.Thread(target=lambda: 1 / 0, name="listener")
thread.start()
thread.join()
raise LookupError("mallory")
"""
    first, second = written(program)
    assert (first["event"], first["thread"]) == ("a bug ends a thread", "listener")
    assert "ZeroDivisionError" in first["exception"]
    assert (second["level"], second["event"]) == ("critical", "a bug ends the process")
    assert "LookupError" in second["exception"]
    assert "mallory" not in json.dumps([first, second])


def test_the_secrets_of_a_configuration_are_found_and_nothing_else() -> None:
    assert secrets_of(Settings(**SETTINGS)) == SECRETS


def test_no_secret_is_in_a_line_however_it_comes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
for secret in json.loads(os.environ["SECRETS"]):
    log.info(f"connecting with {secret}", password=secret, deep={"a": [(secret,)], secret: 1})
    log.error("failed", error=ValueError(secret), raw=secret.encode(), settings=settings)
    logging.getLogger("librdkafka").error("SASL %s", secret)
    try:
        raise StreamError(f"the broker refuses {secret}")
    except StreamError:
        log.exception("failed")
log.info("broker:9092 alice-in-chains")
raise StreamError(secret)
"""
    monkeypatch.setenv("SECRETS", json.dumps(sorted(SECRETS)))
    for level in ("info", "debug"):
        lines = written(program, level=level)
        assert len(lines) == 4 * len(SECRETS) + 2
        text = json.dumps(lines)
        assert [secret for secret in SECRETS if secret in text] == []
        assert MASK in text
        # Addresses and names are no secrets, though the configuration lets them be given as ones.
        assert "broker:9092 alice-in-chains" in text


@pytest.mark.parametrize(
    "secret",
    ["with space/and+more", 'quo"te\\d', "schlüssel-ß", "a\tb\nc-long-enough", "p%20d&x=1"],
)
def test_a_secret_is_masked_in_its_quoted_forms_too(secret: str) -> None:
    mask = Masking({secret})
    forms = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]]
    for form in forms:
        assert mask(None, "", {"event": f"a {form} b"}) == {"event": f"a {MASK} b"}


def test_each_line_of_a_key_is_masked() -> None:
    body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49"
    mask = Masking({f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"})
    assert mask(None, "", {"event": f"bad line: {body}"}) == {"event": f"bad line: {MASK}"}


def test_a_short_secret_is_masked_as_a_word() -> None:
    mask = Masking({"pw", "x"})
    assert mask(None, "", {"event": "pw: x, pwd, a-pw!"}) == {"event": f"{MASK}: x, pwd, a-{MASK}!"}


def test_a_secret_of_digits_leaves_the_line_json() -> None:
    mask = Masking({"123456"})
    assert mask(None, "", {"n": 123456, "m": 7, "o": None, "b": True}) == {
        "n": MASK,
        "m": 7,
        "o": None,
        "b": True,
    }


def test_a_line_is_bounded_whatever_is_logged() -> None:
    program = """
endless = []
endless.append(endless)
log.info("x" * 10_000_000, endless=endless, broken="\\ud800", obj=object())
"""
    (line,) = written(program)
    assert len(json.dumps(line)) < 50_000


# Formats


def on_a_terminal(program: str, **logs: str) -> str:
    """What a program writes where standard error is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(program, 3, logs), cwd=ROOT, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            found += part
        os.close(ours)
        assert process.wait() == 0
    return found.decode()


def test_a_terminal_gets_lines_for_people_and_obeys_none() -> None:
    text = on_a_terminal(r"log.info('hello \x1b[2J', reason='line one\nline two \x1b]0;title\x07')")
    assert "hello" in text
    assert not text.startswith("{")
    assert len(text.strip().splitlines()) == 1
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text


def test_json_can_be_had_on_a_terminal_and_text_elsewhere() -> None:
    assert json.loads(on_a_terminal("log.info('hello')", format="json"))["event"] == "hello"
    done = subprocess.run(
        command("log.info('hello', n=1)", 3, {"format": "console"}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hello" in done.stderr
    assert "\x1b" not in done.stderr
    assert not done.stderr.startswith("{")
