"""auditd's log, raw and enriched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime.inputs.logs import auditd
from sigmac.runtime.inputs.logs.auditd import FORMAT
from tests.unit.runtime.inputs.logs.reading import event_of, events_of, faults_of

ROOT = Path(__file__).resolve().parents[5]
RECORDED = ROOT.parent / "shared" / "corpus" / "formats" / "auditd" / "sh_arp_cache.log"
HEAD = "msg=audit(1604994496.155:7):"
SYSCALL = (
    f"type=SYSCALL {HEAD} arch=c000003e syscall=59 success=yes exit=0 a0=5 a1=6 a2=7 a3=8 items=2"
    ' pid=16 auid=1000 uid=0 tty=pts0 comm="arp" exe="/usr/sbin/arp" key="net"'
)
WHO = {"auid": "1000", "uid": "0", "comm": "arp", "exe": "/usr/sbin/arp", "key": "net"}


def event(text: str) -> dict[str, Any]:
    return event_of(FORMAT, text)


def test_records_have_what_the_syscall_says_of_the_process() -> None:
    lines = (SYSCALL, f'type=EXECVE {HEAD} argc=2 a0="arp" a1="-a"', f'type=CWD {HEAD} cwd="/root"')
    syscall, execve, cwd = events_of(FORMAT, "\n".join(lines).encode())
    common = {"msg": "audit(1604994496.155:7)", "timestamp": "2020-11-10T07:48:16.155Z", **WHO}
    assert {**common, "type": "SYSCALL", "a3": "8", "SYSCALL": "execve"}.items() <= syscall.items()
    assert {**common, "type": "EXECVE", "a0": "arp", "a1": "-a"}.items() <= execve.items()
    assert not {"a2", "a3", "items"} & execve.keys()
    assert {**common, "type": "CWD", "cwd": "/root"}.items() <= cwd.items()


def test_the_syscall_may_stand_behind_or_between_those_of_other_events() -> None:
    lines = (
        f'type=PATH {HEAD} item=0 name="/a"',
        SYSCALL,
        'type=CWD msg=audit(1604994496.155:8): cwd="/b"',
        f'type=PATH {HEAD} item=1 name="/c"',
        "nonsense",
        f'type=PATH {HEAD} item=2 name="/d"',
    )
    log = "\n".join(lines).encode()
    assert [item.position for item in FORMAT.read(io.BytesIO(log))] == list(range(6))
    assert list(faults_of(FORMAT, log)) == [4]
    events = events_of(FORMAT, log.replace(b"nonsense", b""))
    assert [each.get("exe") for each in events] == [
        *["/usr/sbin/arp"] * 2,
        None,
        *["/usr/sbin/arp"] * 2,
    ]


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ("type=PROCTITLE {} proctitle=617270002D6100", {"proctitle": "arp -a"}),
        ("type=EXECVE {} argc=2 a0=2F62696E a1=3A2062", {"a0": "/bin", "a1": ": b"}),
        ("type=EXECVE {} a1_len=4 a1[0]=4120 a1[1]=42C3", {"a1": "A B�"}),
        ("type=SYSCALL {} arch=c00000b7 syscall=221 a0=4120", {"SYSCALL": "execve", "a0": "4120"}),
        ("type=SYSCALL {} arch=40000003 syscall=11", {"SYSCALL": "execve"}),
        ("type=SYSCALL {} arch=c000003e syscall=9999", {"syscall": "9999"}),
        ("type=SYSCALL {} key=61016200", {"key": ["a", "b\0"]}),
        ("type=SYSCALL {} comm=28736829 exe=(null) key=(null)", {"comm": "(sh)", "exe": "(null)"}),
        ('type=PATH {} name="/etc/a b" mode=0100755', {"name": "/etc/a b", "mode": "0100755"}),
        ("type=PATH {} name=2F746D702FC3A4 nametype=CREATE", {"name": "/tmp/ä"}),
        (
            "type=USER_CMD {} pid=1 uid=0 msg='cwd=\"/root\" cmd=6C73202D61 terminal=pts/0 res=success'",
            {"pid": "1", "cwd": "/root", "cmd": "ls -a", "terminal": "pts/0", "res": "success"},
        ),
        (
            'type=ADD_USER {} pid=1 msg=\'op=adding user acct="eve" res=failed\'\x1dUID="root"',
            {"op": "adding", "acct": "eve", "res": "failed", "UID": "root", "message": "user"},
        ),
        (
            'type=SYSCALL {} syscall=257 key="k"\x1dARCH=x86_64 SYSCALL=openat AUID="bob"',
            {"syscall": "257", "key": "k", "ARCH": "x86_64", "SYSCALL": "openat", "AUID": "bob"},
        ),
        (
            "type=SOCKADDR {} saddr=0200\x1dSADDR={{ saddr_fam=inet laddr=10.0.0.1 lport=80 }}",
            {"saddr": "0200", "SADDR": "{ saddr_fam=inet laddr=10.0.0.1 lport=80 }"},
        ),
        (
            'type=AVC {} avc:  denied  {{ read }} for  pid=1 comm="x" tclass=file',
            {"message": "avc: denied { read } for", "pid": "1", "comm": "x", "tclass": "file"},
        ),
        ("node=web1 type=EOE {}", {"node": "web1", "type": "EOE"}),
        ('type=CWD {} cwd="/cut off', {"cwd": '"/cut', "message": "off"}),
    ],
)
def test_values(record: str, fields: dict[str, Any]) -> None:
    found = event(record.format(HEAD))
    assert fields.items() <= found.items()
    assert ("SYSCALL" in found) == ("SYSCALL" in fields)


@pytest.mark.parametrize("when", ["1604994496.155", "99999999999.1:7", "10/11/2020 07:48:16:7"])
def test_a_record_may_have_another_time(when: str) -> None:
    found = event(f"type=CWD msg=audit({when}): cwd=/")
    assert found.get("timestamp", "5138-11-16T09:46:39.1Z") == "5138-11-16T09:46:39.1Z"


def test_what_is_no_record_is_told_and_what_ausearch_puts_between_is_not() -> None:
    log = (
        f"----\ntime->Sat Nov 28 10:00:00 2026\n{SYSCALL}\ntype=SYSCALL\ntype=X msg=audit(): a=b\n"
    )
    assert FORMAT.recognises(log.encode())
    reason = "not a record of auditd: it does not begin with `type=… msg=audit(…):`"
    assert faults_of(FORMAT, log.encode()) == {3: reason, 4: reason}
    assert not FORMAT.recognises(b"----\n----\n")


def test_an_event_of_any_size_is_held_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditd, "_MOST_RECORDS", 3)
    path = f'type=PATH {HEAD} name="/a"'
    events = events_of(FORMAT, "\n".join([*[path] * 4, SYSCALL, *[path] * 9]).encode())
    assert ["exe" in each for each in events] == [False] * 3 + [True] * 11


def test_a_long_syscall_is_not_repeated() -> None:
    long = SYSCALL + " x=" + "a" * 4096
    events = events_of(FORMAT, f'{long}\ntype=PATH {HEAD} name="/a"'.encode())
    assert ["exe" in each for each in events] == [True, False]


@pytest.mark.skipif(not RECORDED.exists(), reason="needs ../shared")
def test_recorded_events() -> None:
    log = RECORDED.read_bytes()
    assert FORMAT.recognises(log)
    events = events_of(FORMAT, log)
    assert [each["type"] for each in events] == [
        "SYSCALL",
        "EXECVE",
        "CWD",
        "PATH",
        "PATH",
        "PROCTITLE",
    ] * 2
    assert {each["exe"] for each in events[:6]} == {"/usr/sbin/arp"}
    assert [each["proctitle"] for each in events if "proctitle" in each] == ["arp -a", "grep -v ^?"]
