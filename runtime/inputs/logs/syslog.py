r"""syslog as files have it: RFC 5424, RFC 3164, and lines with ISO times as rsyslog and journald write them.

    <34>1 2026-11-28T10:00:00Z host su 77 ID47 [origin ip="192.0.2.1"] 'su root' failed
    <34>Nov 28 10:00:00 host sshd[77]: Accepted password for bob
    2026-11-28T10:00:00.123456+01:00 host sshd[77]: Accepted password for bob

The header gives `timestamp`, `hostname`, `program`, `pid`, and of the number in front `facility` and `severity` by
their names; RFC 5424 `msgid` and `structured_data` too. JSON, CEF, LEEF, an event of Sysmon for Linux, a record of
auditd, and key=value pairs with nothing else give their fields, which win over the header's; every other message is the
field `message`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import orjson

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs import auditd, cef, leef, sysmon_linux
from sigmac.runtime.inputs.logs.text_lines import MOST_FIELDS, Parsed, most_are, read_lines

_FACILITIES = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "audit",
    "alert",
    "clock",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
]
_SEVERITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]

_PRIORITY = re.compile(r"<(\d{1,3})>", re.ASCII)
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_RFC_5424 = re.compile(
    rf"1 (?P<timestamp>-|{_ISO}) (?P<hostname>\S{{1,255}}) (?P<program>\S{{1,128}})"
    r" (?P<pid>\S{1,128}) (?P<msgid>\S{1,64}) (?=-|\[)",
    re.ASCII,
)
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = re.compile(
    rf"(?P<timestamp>{_ISO}|{_MONTHS} [ \d]\d (?:\d{{4}} )?\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?: \d{{4}})?)"
    r"(?::? |$)",
    re.ASCII,
)
_TAG = re.compile(
    r"(?P<program>[^\s:\[\]{<\"'=|]{1,128})(?:\[(?P<pid>[^\s\]]{1,64})\])?:(?: |$)", re.ASCII
)
_HOST = re.compile(r"([^\s{<\"'=|]{1,255})(?: |$)", re.ASCII)
# The logs of applications have these where syslog has the host
_LEVELS = frozenset(
    ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "CRITICAL", "FATAL"]
)

_ELEMENT = re.compile(r'\[([^\s\]="]{1,255})')
_PARAMETER = re.compile(r' ([^\s\]="]{1,255})="([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_ESCAPED = re.compile(r'\\(["\\\]])')

_PAIR = re.compile(
    r'([A-Za-z_][\w.@/-]{0,255})=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s"]*+))(?:,? ++|,?$)'
)
_COOKIE = "@cee:"  # in front of JSON, as rsyslog marks it
_SYSMON = re.compile(r"<Event[ >]")


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The messages of a file of syslog lines."""
    return read_lines(stream, fields_of)


def recognises(start: bytes) -> bool:
    """Whether most of the first lines begin with syslog's number, or with a time, a host and a program."""
    return most_are(start, _is_surely_one)


def fields_of(line: str) -> Parsed:
    """The fields of a line, or why it has none.

    >>> fields_of("<86>Nov 28 10:00:00 host sshd[77]: hello")["facility"]
    'authpriv'
    """
    parts = _parts(line)
    if parts is None:
        return "not a line of syslog: it begins neither with `<number>` nor with a time"
    header, body = parts
    content = _content(body)
    return content if isinstance(content, str) else {**header, **content}


def _is_surely_one(line: str) -> bool:
    parts = _parts(line)
    if parts is None:
        return False
    header, _ = parts
    names = {header.get("hostname", "").upper(), header.get("program", "").upper()}
    return "severity" in header or ("program" in header and names.isdisjoint(_LEVELS))


def _parts(line: str) -> tuple[dict[str, Any], str] | None:
    """What the header says, and the message behind it; None where there is no header."""
    header: dict[str, Any] = {}
    at = 0
    if priority := _PRIORITY.match(line):
        number = int(priority[1])
        if number >= 8 * len(_FACILITIES):
            return None
        header = {"facility": _FACILITIES[number >> 3], "severity": _SEVERITIES[number & 7]}
        at = priority.end()
    if told := _RFC_5424.match(line, at):
        if not priority and told["timestamp"] == "-":
            return None
        header |= {name: text for name, text in told.groupdict().items() if text != "-"}
        elements, at = _structured_data(line, told.end())
        if elements:
            header["structured_data"] = elements
        return header, line[at:].lstrip(" ").removeprefix("\ufeff")
    if time := _TIME.match(line, at):
        header["timestamp"] = time["timestamp"]
        return header, _after_time(header, line[time.end() :])
    return (header, _after_tag(header, line[at:])) if priority else None


def _after_time(header: dict[str, Any], rest: str) -> str:
    """The message behind a host's name and a program's, either of which may be missing."""
    if not _TAG.match(rest) and not _has_content(rest) and (host := _HOST.match(rest)):
        header["hostname"] = host[1]
        rest = rest[host.end() :]
    return _after_tag(header, rest)


def _after_tag(header: dict[str, Any], rest: str) -> str:
    if not _has_content(rest) and (tag := _TAG.match(rest)):
        header["program"] = tag["program"]
        if tag["pid"]:
            header["pid"] = tag["pid"]
        rest = rest[tag.end() :]
    return rest.lstrip(" ").removeprefix(": ")


def _has_content(text: str) -> bool:
    """Whether what stands here begins as a message of a known form does, which no name of a host or program does."""
    return text.startswith(("CEF:", "LEEF:", "{", "<", _COOKIE))


def _structured_data(line: str, at: int) -> tuple[dict[str, dict[str, str]], int]:
    """The elements of RFC 5424's structured data, by their names, and where the message begins."""
    elements: dict[str, dict[str, str]] = {}
    end = at + line.startswith("-", at)
    left = MOST_FIELDS
    while left and (element := _ELEMENT.match(line, at)):
        parameters: dict[str, str] = {}
        at = element.end()
        left -= 1
        while left and (parameter := _PARAMETER.match(line, at)):
            parameters[parameter[1]] = _ESCAPED.sub(r"\1", parameter[2])
            at = parameter.end()
            left -= 1
        if not line.startswith("]", at):
            break  # no element: it belongs to the message
        at = end = at + 1
        elements[element[1]] = parameters
    return elements, end


def _content(body: str) -> Parsed:
    """The fields of a message by the form that it has, or why it has none though it begins so."""
    if (
        body.startswith(("{", _COOKIE))
        and (fields := _json(body.removeprefix(_COOKIE))) is not None
    ):
        return fields
    if body.startswith("CEF:"):
        return _or_message(cef.fields_of(body), body)
    if body.startswith("LEEF:"):
        return _or_message(leef.fields_of(body), body)
    if body.startswith(("type=", "node=")):
        return _or_message(auditd.fields_of(body), body)
    if _SYSMON.match(body):
        event = sysmon_linux.fields_of(body)
        return "the event of Sysmon is cut off or not well-formed XML" if event is None else event
    return _pairs(body) or {"message": body}


def _or_message(fields: Parsed, body: str) -> Parsed:
    return (_pairs(body) or {"message": body}) if isinstance(fields, str) else fields


def _json(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _pairs(body: str) -> dict[str, str] | None:
    """The fields of a message of at least two key=value pairs and nothing else."""
    fields: dict[str, str] = {}
    text = body.strip()
    at = 0
    for _ in range(MOST_FIELDS):
        pair = _PAIR.match(text, at)
        if not pair:
            break
        quoted = pair[2]
        bare = (pair[3] or "").removesuffix(",")
        fields[pair[1]] = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = pair.end()
    return fields if at == len(text) and len(fields) > 1 else None


FORMAT = Format("syslog", "syslog (RFC 5424, RFC 3164)", recognises, read)
