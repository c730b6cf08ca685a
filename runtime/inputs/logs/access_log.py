r"""Access logs of web servers: common and combined, as Apache, nginx and others write them, with a virtual host or not.

    203.0.113.5 - bob [28/Nov/2026:10:00:00 +0100] "GET /a?b=c HTTP/1.1" 200 12 "-" "curl/8.0"

Fields have the names of Sigma's taxonomy for `category: webserver`. What a server wrote as `\"`, `\\` or `\x22` is what
the client sent; `-` is no value. What stands behind the user agent, such as further headers, is `rest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs.text_lines import Parsed, most_are, read_lines

_NO_LINE = "not a line of an access log"
_TIME = re.compile(
    r" \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<time>\d\d:\d\d:\d\d)"
    r" (?P<zone>[+-]\d{4})\] ",
    re.ASCII,
)
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_REQUEST = re.compile(_QUOTED + r" (\d{3}|-) (\d{1,20}|-)(?= |$)", re.ASCII)
_HEADER = re.compile(" " + _QUOTED + "(?= |$)")
_METHOD = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}", re.ASCII)
_VERSION = re.compile(r"HTTP/\d(?:\.\d)?", re.ASCII)
_ESCAPES = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The requests of an access log."""
    return read_lines(stream, fields_of)


def recognises(start: bytes) -> bool:
    """Whether most of the first lines are requests."""
    return most_are(start, lambda line: not isinstance(fields_of(line), str))


def fields_of(line: str) -> Parsed:
    """The fields of a line, or why it has none.

    >>> fields_of('::1 - - [28/Nov/2026:10:00:00 +0000] "GET /a?b HTTP/1.1" 404 -')["cs-uri-query"]
    'b'
    """
    time = _TIME.search(line)
    request = time and _REQUEST.match(line, time.end())
    client = _client(line[: time.start()].split(" ")) if time else None
    if not time or not request or client is None or time["month"] not in _MONTHS:
        return _NO_LINE
    date = f"{time['year']}-{_MONTHS.index(time['month']) + 1:02}-{time['day']}"
    fields = {
        "timestamp": f"{date}T{time['time']}{time['zone'][:3]}:{time['zone'][3:]}",
        "date": date,
        "time": time["time"],
        **client,
        **_requested(_meant(request[1])),
        "sc-status": request[2],
        "sc-bytes": request[3],
    }
    end = request.end()
    referer = _HEADER.match(line, end)
    agent = referer and _HEADER.match(line, referer.end())
    if referer and agent:
        fields |= {"cs-referer": _meant(referer[1]), "cs-user-agent": _meant(agent[1])}
        end = agent.end()
    if rest := line[end:].strip():
        fields["rest"] = rest
    return {name: value for name, value in fields.items() if value != "-"}


def _client(words: list[str]) -> dict[str, str] | None:
    """What stands before the time: `[virtual host] client identity user`; the user may have blanks in it."""
    host = ""
    if len(words) > 3 and words[1] != "-":
        host, *words = words
    if len(words) < 3 or not words[0]:
        return None
    # Debian's `vhost_combined` has the port too, which the header of the request has only if it is unusual
    fields = {"cs-host": host.removesuffix(":80").removesuffix(":443")} if host else {}
    return fields | {"c-ip": words[0], "cs-username": " ".join(words[2:])}


def _requested(request: str) -> dict[str, str]:
    """The parts of a request's first line; what is none, such as the start of a TLS handshake, is all URI."""
    method, _, uri = request.partition(" ")
    if not uri or not _METHOD.fullmatch(method):
        return {"cs-uri": request} if request else {}
    fields = {"cs-method": method}
    before, _, version = uri.rpartition(" ")
    if before and _VERSION.fullmatch(version):
        uri = before
        fields["cs-version"] = version
    stem, mark, query = uri.partition("?")
    fields |= {"cs-uri": uri, "cs-uri-stem": stem}
    return fields | {"cs-uri-query": query} if mark else fields


def _meant(text: str) -> str:
    """A text without the escapes of quotes, backslashes and bytes."""
    if "\\" not in text:
        return text
    return _ESCAPES.sub(_unescaped, text.encode()).decode(errors="replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else match[2]


FORMAT = Format(
    "access-log",
    "access log of a web server (common, combined)",
    recognises,
    read,
    {"category": "webserver"},
)
