"""Access logs: common and combined."""

from __future__ import annotations

from typing import Any

import pytest

from sigmac.runtime.inputs.logs.access_log import FORMAT
from tests.unit.runtime.inputs.logs.reading import event_of, faults_of

WHEN = "[28/Nov/2026:10:00:00 +0100]"
TIMES = {"timestamp": "2026-11-28T10:00:00+01:00", "date": "2026-11-28", "time": "10:00:00"}
GET = {
    "cs-method": "GET",
    "cs-uri": "/a?b=c",
    "cs-uri-stem": "/a",
    "cs-uri-query": "b=c",
    "cs-version": "HTTP/1.1",
    "sc-status": "200",
}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            f'192.0.2.7 - - {WHEN} "GET /a?b=c HTTP/1.1" 200 512',
            {"c-ip": "192.0.2.7", **GET, "sc-bytes": "512"},
        ),
        (
            f'2001:db8::7 - bob {WHEN} "GET /a?b=c HTTP/1.1" 200 - "https://e.org/" "curl/8.0"',
            {
                "c-ip": "2001:db8::7",
                "cs-username": "bob",
                **GET,
                "cs-referer": "https://e.org/",
                "cs-user-agent": "curl/8.0",
            },
        ),
        (
            f'www.e.org:443 192.0.2.7 - - {WHEN} "GET /a?b=c HTTP/1.1" 200 5 "-" "-"',
            {"cs-host": "www.e.org", "c-ip": "192.0.2.7", **GET, "sc-bytes": "5"},
        ),
        (
            f'192.0.2.7 - Bob Smith {WHEN} "GET /a?b=c HTTP/1.1" 200 5 "-" "x" "10.0.0.1" rt=0.2',
            {
                "c-ip": "192.0.2.7",
                "cs-username": "Bob Smith",
                **GET,
                "sc-bytes": "5",
                "cs-user-agent": "x",
                "rest": '"10.0.0.1" rt=0.2',
            },
        ),
    ],
    ids=["common", "combined", "virtual host", "user with a blank, more behind"],
)
def test_the_fields_have_the_taxonomys_names(line: str, fields: dict[str, Any]) -> None:
    assert event_of(FORMAT, line) == {**TIMES, **fields}


@pytest.mark.parametrize(
    ("request_line", "fields"),
    [
        ("GET / HTTP/2.0", {"cs-method": "GET", "cs-uri": "/", "cs-version": "HTTP/2.0"}),
        ("GET /a b", {"cs-method": "GET", "cs-uri": "/a b", "cs-uri-stem": "/a b"}),
        (r"GET /\"\\\xc3\xa4\n HTTP/1.1", {"cs-uri": '/"\\ä\\n'}),
        (r"GET /${jndi:ldap://x/a}?? HTTP/1.1", {"cs-uri-query": "?"}),
        (r"\x16\x03\x01", {"cs-uri": "\x16\x03\x01"}),
        (r"\xff", {"cs-uri": "�"}),
        ("-", {}),
        ("", {}),
    ],
)
def test_requests_of_every_kind(request_line: str, fields: dict[str, str]) -> None:
    event = event_of(FORMAT, f'192.0.2.7 - - {WHEN} "{request_line}" 400 0 "-" "-"')
    assert fields.items() <= event.items()
    if not fields:
        assert "cs-uri" not in event


@pytest.mark.parametrize(
    "line",
    [
        b"192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] GET / 200 5",
        b'192.0.2.7 - - [28/Foo/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 5',
        b'192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 20 5',
        b'192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1',
        b'- [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 5',
        b'{"c-ip": "192.0.2.7"}',
    ],
)
def test_what_is_no_request_is_told(line: bytes) -> None:
    good = b'192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 5\n'
    assert faults_of(FORMAT, good + line + b"\n" + good) == {1: "not a line of an access log"}
