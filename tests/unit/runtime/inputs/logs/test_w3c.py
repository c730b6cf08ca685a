"""W3C's extended log format, IIS's among it."""

from __future__ import annotations

from sigmac.runtime.inputs.logs import iis
from sigmac.runtime.inputs.logs.w3c import FORMAT
from tests.unit.runtime.inputs.logs.reading import event_of, events_of, faults_of

IIS = b"""#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-11-28 10:00:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query cs-username c-ip cs(User-Agent) cs(Referer) sc-status
2026-11-28 10:00:00 10.0.0.1 POST /owa/auth.aspx q=a+b - 192.0.2.7 Mozilla/5.0+(Windows+NT) - 200
"""
FIREWALL = b"""#Version: 1.5
#Software: Microsoft Windows Firewall
#Fields: date time action protocol src-ip dst-ip
2026-11-28 10:00:00 DROP UDP 10.0.0.1 10.0.0.2
"""


def test_iis() -> None:
    assert event_of(iis.FORMAT, IIS) == {
        "timestamp": "2026-11-28T10:00:00Z",
        "date": "2026-11-28",
        "time": "10:00:00",
        "s-ip": "10.0.0.1",
        "cs-method": "POST",
        "cs-uri": "/owa/auth.aspx?q=a+b",
        "cs-uri-stem": "/owa/auth.aspx",
        "cs-uri-query": "q=a+b",
        "c-ip": "192.0.2.7",
        "cs-user-agent": "Mozilla/5.0 (Windows NT)",
        "sc-status": "200",
    }


def test_a_log_says_whether_iis_wrote_it() -> None:
    other = b"\n".join(IIS.splitlines()[1:])
    assert (iis.FORMAT.recognises(IIS), iis.FORMAT.recognises(other)) == (True, False)
    assert FORMAT.recognises(other)
    assert event_of(FORMAT, other)["cs-user-agent"] == "Mozilla/5.0+(Windows+NT)"


def test_logs_of_firewalls_are_none_of_the_web() -> None:
    assert not FORMAT.recognises(FIREWALL)
    assert event_of(FORMAT, FIREWALL)["action"] == "DROP"


def test_values_in_quotes_and_between_tabs() -> None:
    log = b'#Fields: cs-method cs(User-Agent) x\nGET "a ""b"" c" -\nGET\ta b\t"c"\n'
    assert events_of(FORMAT, log) == [
        {"cs-method": "GET", "cs-user-agent": 'a "b" c'},
        {"cs-method": "GET", "cs-user-agent": "a b", "x": '"c"'},
    ]


def test_lines_that_do_not_fit_the_header_are_told() -> None:
    log = b"early\n#Fields: a b\n1 2\n1\n1 2 3\n#Fields: a\n1\n#Fields: " + b"n" * 300 + b"\n1\n"
    assert faults_of(FORMAT, log) == {
        0: "no line `#Fields:` stands above it",
        3: "fewer values than `#Fields:` names",
        4: "more values than `#Fields:` names",
        8: "`#Fields:` has more than 10,000 fields, or a name of more than 256 characters",
    }
