"""CEF and LEEF."""

from __future__ import annotations

import pytest

from sigmac.runtime.inputs.logs import cef, leef
from tests.unit.runtime.inputs.logs.reading import event_of, faults_of

CEF = {
    "DeviceVendor": "Acme",
    "DeviceProduct": "Wall|1",
    "DeviceVersion": "1.0",
    "DeviceEventClassID": "100",
    "Name": "Proc \\ start",
    "Severity": "5",
}
LEEF = {"DeviceVendor": "Acme", "DeviceProduct": "Wall", "DeviceVersion": "1.0", "EventID": "7"}


@pytest.mark.parametrize(
    ("extension", "fields"),
    [
        ("|", {}),
        ("", {}),
        ("|src=10.0.0.1 cs1=certutil -urlcache", {"src": "10.0.0.1", "cs1": "certutil -urlcache"}),
        (
            r"|cs1Label=Command line cs1=a\=b c\\d\ne  dst=1",
            {"cs1Label": "Command line", "cs1": "a=b c\\d\ne", "dst": "1"},
        ),
        (
            "|request=http://e.org/?a=b&c=d ad.x[0]=1",
            {"request": "http://e.org/?a=b&c=d", "ad.x[0]": "1"},
        ),
        ("|msg= act=x", {"msg": "", "act": "x"}),
        ("|no pair", {}),
    ],
)
def test_cef(extension: str, fields: dict[str, str]) -> None:
    line = r"CEF:0|Acme|Wall\|1|1.0|100|Proc \\ start|5" + extension
    assert event_of(cef.FORMAT, line) == {**CEF, **fields}


@pytest.mark.parametrize(
    ("head", "attributes"),
    [
        ("LEEF:1.0|Acme|Wall|1.0|7|", "src=10.0.0.1\tusrName=a b=c"),
        ("LEEF:1.0|Acme|Wall|1.0|7|", "src=10.0.0.1#011usrName=a b=c"),
        ("LEEF:2.0|Acme|Wall|1.0|7|^|", "src=10.0.0.1^usrName=a b=c"),
        ("LEEF:2.0|Acme|Wall|1.0|7|x5E|", "src=10.0.0.1^usrName=a b=c"),
        ("LEEF:2.0|Acme|Wall|1.0|7|0x7C|", "src=10.0.0.1|usrName=a b=c"),
        ("LEEF:2.0|Acme|Wall|1.0|7||", "src=10.0.0.1\tusrName=a b=c"),
        ("LEEF:2.0|Acme|Wall|1.0|7|", "src=10.0.0.1\tusrName=a b=c"),
    ],
)
def test_leef(head: str, attributes: str) -> None:
    event = event_of(leef.FORMAT, head + attributes)
    assert event == {**LEEF, "src": "10.0.0.1", "usrName": "a b=c"}


def test_what_is_neither_is_told() -> None:
    pairs = b" ".join(b"k%d=v" % index for index in range(10_001))
    log = b"hello\nCEF:0|a|b\nCEF:0|a|b|c|d|e|f|g=h\nCEF:0|a|b|c|d|e|f|" + pairs
    assert faults_of(cef.FORMAT, log) == {
        0: "not CEF: it does not begin with `CEF:0|`",
        1: "not CEF: its header has fewer than seven parts",
        3: "the line has more than 10,000 fields",
    }
    log = b"hello\nLEEF:1.0|a|b\nLEEF:1.0|a|b|c|d|e=f\nLEEF:1.0|a|b|c|d|" + pairs.replace(
        b" ", b"\t"
    )
    assert faults_of(leef.FORMAT, log) == {
        0: "not LEEF: it does not begin with `LEEF:1.0|` or `LEEF:2.0|`",
        1: "not LEEF: its header has fewer than five parts",
        3: "the line has more than 10,000 fields",
    }
