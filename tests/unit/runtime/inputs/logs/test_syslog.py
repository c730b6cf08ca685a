"""syslog, and what its messages hold."""

from __future__ import annotations

from typing import Any

import pytest

from sigmac.runtime.inputs.logs.syslog import FORMAT
from tests.unit.runtime.inputs.logs.reading import event_of, faults_of

SSHD = {"hostname": "host", "program": "sshd", "pid": "77", "message": "Accepted key"}
AUTH = {"facility": "auth", "severity": "crit"}
SYSMON = (
    '<Event><System><Provider Name="Linux-Sysmon" Guid="{1}"/><EventID>1</EventID>'
    '<TimeCreated SystemTime="2026-11-28T10:00:00Z"/><EventRecordID>9</EventRecordID>'
    '<Execution ProcessID="7" ThreadID="8"/><Channel>Linux-Sysmon/Operational</Channel>'
    '<Computer>host</Computer></System><EventData><Data Name="RuleName">-</Data>'
    '<Data Name="Image">/usr/bin/base64</Data><Data Name="CommandLine">base64 -d &lt; "a"</Data>'
    "</EventData></Event>"
)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("Nov 28 10:00:00 host sshd[77]: Accepted key", {"timestamp": "Nov 28 10:00:00", **SSHD}),
        (
            "<34>Nov  8 10:00:00.123 2026 host sshd[77]: Accepted key",
            {**AUTH, "timestamp": "Nov  8 10:00:00.123 2026", **SSHD},
        ),
        (
            "2026-11-28T10:00:00.123456+01:00 host sshd[77]: Accepted key",
            {"timestamp": "2026-11-28T10:00:00.123456+01:00", **SSHD},
        ),
        (
            "<34>1 2026-11-28T10:00:00Z host sshd 77 - - \ufeffAccepted key",
            {**AUTH, "timestamp": "2026-11-28T10:00:00Z", **SSHD},
        ),
        (
            r'<34>1 - - app - ID7 [a@1 b="c\]\"d" e="f"][g] hello',
            {
                **AUTH,
                "program": "app",
                "msgid": "ID7",
                "structured_data": {"a@1": {"b": 'c]"d', "e": "f"}, "g": {}},
                "message": "hello",
            },
        ),
        (
            '1 2026-11-28T10:00:00Z host app 7 - [a b="c] hello',
            {
                "timestamp": "2026-11-28T10:00:00Z",
                "hostname": "host",
                "program": "app",
                "pid": "7",
                "message": '[a b="c] hello',
            },
        ),
        (
            "<189>Nov 28 2026 10:00:00: %ASA-6-302013: Built",
            {
                "facility": "local7",
                "severity": "notice",
                "timestamp": "Nov 28 2026 10:00:00",
                "program": "%ASA-6-302013",
                "message": "Built",
            },
        ),
        (
            "Nov 28 10:00:00 host last message repeated 2 times",
            {
                "timestamp": "Nov 28 10:00:00",
                "hostname": "host",
                "message": "last message repeated 2 times",
            },
        ),
        ("<34>hello", {**AUTH, "message": "hello"}),
    ],
)
def test_headers(line: str, fields: dict[str, Any]) -> None:
    assert event_of(FORMAT, line) == fields


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"a": [1, null], "pid": 5}', {"a": [1, None], "pid": 5}),
        ('@cee: {"a": 1}', {"a": 1}),
        ('{"a": 1', {"message": '{"a": 1'}),
        ("[1]", {"message": "[1]"}),
        ("IN=eth0 OUT= SRC=10.0.0.1", {"IN": "eth0", "OUT": "", "SRC": "10.0.0.1"}),
        (r'user="a \"b\"", act=x', {"user": 'a "b"', "act": "x"}),
        ("a=b", {"message": "a=b"}),
        ("a=b c=d and more", {"message": "a=b c=d and more"}),
        ("CEF:0|a|b", {"message": "CEF:0|a|b"}),
        ('type=EXECVE msg=audit(1604994496.155:7): argc=1 a0="ls"', {"type": "EXECVE", "a0": "ls"}),
        ("", {"message": ""}),
    ],
)
def test_bodies(body: str, fields: dict[str, Any]) -> None:
    event = event_of(FORMAT, f"Nov 28 10:00:00 host app[77]: {body}")
    assert {"hostname": "host", "program": "app", "pid": "77", **fields}.items() <= event.items()
    assert ("message" in event) == ("message" in fields)


@pytest.mark.parametrize("header", ["<34>", "<34>Nov 28 10:00:00 ", "Nov 28 10:00:00 fw "])
def test_cef_and_leef_stand_where_a_program_does(header: str) -> None:
    event = event_of(FORMAT, f"{header}CEF:0|Acme|Wall|1|100|Start|5|msg=a b")
    assert (event["DeviceVendor"], event["msg"]) == ("Acme", "a b")
    assert "program" not in event
    event = event_of(FORMAT, f"{header}LEEF:1.0|Acme|Wall|1|7|a=b#011c=d")
    assert (event["EventID"], event["c"]) == ("7", "d")


def test_sysmon_for_linux() -> None:
    assert event_of(FORMAT, f"Nov 28 10:00:00 host sysmon: {SYSMON}") == {
        "timestamp": "Nov 28 10:00:00",
        "hostname": "host",
        "program": "sysmon",
        "Provider_Name": "Linux-Sysmon",
        "Provider_Guid": "{1}",
        "EventID": 1,
        "TimeCreated_SystemTime": "2026-11-28T10:00:00Z",
        "EventRecordID": 9,
        "Execution_ProcessID": 7,
        "Execution_ThreadID": 8,
        "Channel": "Linux-Sysmon/Operational",
        "Computer": "host",
        "RuleName": "-",
        "Image": "/usr/bin/base64",
        "CommandLine": 'base64 -d < "a"',
    }


@pytest.mark.parametrize(
    "event",
    [
        SYSMON[:-9],
        SYSMON + "x",
        SYSMON.replace("base64 -d", "&bomb;"),
        "<Event></Event>",
        "<Event>" + "<a>" * 100_000,
    ],
)
def test_damaged_events_of_sysmon_are_told(event: str) -> None:
    reason = "the event of Sysmon is cut off or not well-formed XML"
    assert faults_of(FORMAT, f"Nov 28 10:00:00 host sysmon: {event}".encode()) == {0: reason}


def test_xml_with_a_document_type_is_not_parsed() -> None:
    for declared in ('<!DOCTYPE x [<!ENTITY a "b">]>', "<?xml version='1.0'?>"):
        body = declared + SYSMON
        assert event_of(FORMAT, f"Nov 28 10:00:00 host sysmon: {body}")["message"] == body
    inner = SYSMON.replace("<System>", '<!DOCTYPE x [<!ENTITY a "b">]><System>')
    assert 0 in faults_of(FORMAT, f"Nov 28 10:00:00 host sysmon: {inner}".encode())


@pytest.mark.parametrize("line", [b"hello", b"<192>hello", b"<1>"[:2], b"Foo 28 10:00:00 h a: b"])
def test_what_is_no_line_of_syslog_is_told(line: bytes) -> None:
    reason = "not a line of syslog: it begins neither with `<number>` nor with a time"
    assert faults_of(FORMAT, b"<1>a\n" + line) == {1: reason}


@pytest.mark.parametrize(
    "log",
    [
        b"2026-11-28T10:00:00Z INFO starting: now\n",
        b"2026-11-28T10:00:00Z ERROR: failed\n",
        b"2026-11-28 10:00:00 host app: hello\n",
        b"Nov 28 was a good day: hello\n",
    ],
)
def test_logs_of_applications_are_not_taken_for_it(log: bytes) -> None:
    assert not FORMAT.recognises(log)
