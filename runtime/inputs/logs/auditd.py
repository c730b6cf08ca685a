r"""auditd's own log, raw or enriched: one event of Sigma's `product: linux, service: auditd` for each record.

    type=SYSCALL msg=audit(1604994496.155:92733): arch=c000003e syscall=59 success=yes comm="arp" exe="/usr/sbin/arp"
    type=EXECVE msg=audit(1604994496.155:92733): argc=2 a0="arp" a1="-a"

Sigma's rules ask for single records, `type: EXECVE` with `a0` and `a1`. The records of one event (of one time and
serial number) have what its SYSCALL record says of the process too, where they do not say it themselves. Texts that
auditd wrote as hexadecimal are texts again, and a SYSCALL record that is not enriched has the call's name as `SYSCALL`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.logs.syscalls import NAMES
from sigmac.runtime.inputs.logs.text_lines import (
    MOST_FIELDS,
    TOO_LONG,
    TOO_MANY,
    Parsed,
    item_of,
    most_are,
    text_lines,
)

_MOST_RECORDS = 1024  # of an event, held until its SYSCALL record is there
_MOST_HELD = 1 << 20  # characters of them
_MOST_EVENTS = 64  # whose SYSCALL record is remembered: events of several processors come mixed
_LONGEST_JOINED = 4096  # characters of a SYSCALL record; a usual one has 400, enriched 600

_RECORD = re.compile(
    r"(?:node=(\S{1,255}+) )?type=([\w\[\]]{1,64}+) msg=(audit\(([^()]{1,64}+)\)):(?: |$)",
    re.ASCII,
)
_LAYOUT = re.compile(r"----$|time->")  # of ausearch, between events
# \x1d stands between a record and what an enriched log adds to it
_FIELD = re.compile(
    r"""(?:^|(?<=[\s\x1d]))([A-Za-z_][\w./-]*+(?:\[\d{1,6}\])?)="""
    r"""(?:"([^"]*+)"|'([^']*+)'|(\{[^{}]*+\})|([^\s\x1d]*+))""",
    re.ASCII,
)
_BARE = 5  # the group of what stands without quotes
_INNER = re.compile(r"(?:^|(?<=[ \x1d]))msg='")
_TIME = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?:\d+", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-F]{2})++")
_ARGUMENT = re.compile(r"a\d{1,6}(?:\[\d{1,6}\])?", re.ASCII)
_CHUNK = re.compile(r"(a\d{1,6})\[\d{1,6}\]", re.ASCII)
# What the kernel writes without quotes as hexadecimal where it holds blanks, quotes or other than ASCII
_UNTRUSTED = frozenset(
    [
        "acct",
        "cmd",
        "comm",
        "cwd",
        "data",
        "dir",
        "exe",
        "file",
        "grp",
        "key",
        "name",
        "new-disk",
        "ocomm",
        "old-disk",
        "path",
        "proctitle",
        "sw",
        "vm",
        "watch",
    ]
)
# What of a SYSCALL record is of this record alone
_OWN = frozenset(["type", "msg", "timestamp", "node", "a0", "a1", "a2", "a3", "items", "message"])


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The records of a log. Those of one event are held until the next begins, and so long only as they are few."""
    known: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
    held: list[tuple[int, Parsed]] = []
    event, size = "", 0
    for number, line in text_lines(stream):
        if line is not None and _LAYOUT.match(line):
            continue
        parsed = TOO_LONG if line is None else fields_of(line)
        length = len(line or "")
        of = event if isinstance(parsed, str) else parsed["msg"]
        if of != event or len(held) >= _MOST_RECORDS or size + length > _MOST_HELD:
            yield from _joined(held, known.get(event, {}))
            held, event, size = [], of, 0
        held.append((number, parsed))
        size += length
        if not isinstance(parsed, str) and parsed["type"] == "SYSCALL":
            known[event] = _shared(parsed) if length <= _LONGEST_JOINED else {}
            if len(known) > _MOST_EVENTS:
                known.popitem(last=False)
    yield from _joined(held, known.get(event, {}))


def recognises(start: bytes) -> bool:
    """Whether most of the first lines are records."""
    return most_are(start, lambda line: _RECORD.match(line) or _LAYOUT.match(line)) and any(
        map(_RECORD.match, start.decode(errors="replace").splitlines())
    )


def fields_of(line: str) -> Parsed:
    """The fields of one record by itself, or why it has none.

    >>> fields_of("type=PROCTITLE msg=audit(1604994496.155:7): proctitle=617270002D61")["proctitle"]
    'arp -a'
    """
    record = _RECORD.match(line)
    if not record:
        return "not a record of auditd: it does not begin with `type=… msg=audit(…):`"
    node, kind, identity, when = record.groups()
    fields: dict[str, Any] = {"type": kind, "msg": identity}
    if node:
        fields["node"] = node
    if time := _time(when):
        fields["timestamp"] = time
    texts = _texts(line[record.end() :])
    if len(texts) > MOST_FIELDS:
        return TOO_MANY
    for name, (text, is_quoted) in _whole(texts).items():
        fields.setdefault(name, text if is_quoted else _decoded(name, text, kind))
    if kind == "SYSCALL" and "SYSCALL" not in fields:
        call = NAMES.get(fields.get("arch", ""), {}).get(fields.get("syscall", ""))
        if call:
            fields["SYSCALL"] = call
    return fields


def _time(text: str) -> str:
    """The time that stands before a record's serial number, in seconds since 1970, as ISO 8601; else an empty text."""
    match = _TIME.fullmatch(text)
    if not match:
        return ""
    whole = datetime.fromtimestamp(int(match[1]), UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + (f".{match[2]}Z" if match[2] else "Z")


def _texts(text: str) -> dict[str, tuple[str, bool]]:
    """What stands after `name=`, and whether in quotes; what is no field is the `message`."""
    # The message of a program, whose fields stand in quotes that its values have too
    if "msg='" in text and (inner := _INNER.search(text)):
        end = max(text.rfind("'"), inner.end())
        text = f"{text[: inner.start()]} {text[inner.end() : end]} {text[end + 1 :]}"
    found: dict[str, tuple[str, bool]] = {}
    rest = []
    at = 0
    for field in islice(_FIELD.finditer(text), MOST_FIELDS + 1):
        kind = field.lastindex or _BARE
        found.setdefault(field[1], (field[kind], kind != _BARE))
        if field.start() > at + 1:
            rest.append(text[at : field.start()])
        at = field.end()
    rest.append(text[at:])
    if message := " ".join(" ".join(rest).split()):
        found.setdefault("message", (message, True))
    return found


def _whole(texts: dict[str, tuple[str, bool]]) -> dict[str, tuple[str, bool]]:
    """Long arguments, which are written in pieces `a1[0]`, `a1[1]`, put together."""
    pieces: dict[str, list[tuple[str, bool]]] = {}
    for name in texts:
        if "[" in name and (chunk := _CHUNK.fullmatch(name)):
            pieces.setdefault(chunk[1], []).append(texts[name])
    if not pieces:
        return texts
    left = {name: text for name, text in texts.items() if not _CHUNK.fullmatch(name)}
    for name, parts in pieces.items():
        left[name] = ("".join(text for text, _ in parts), all(quoted for _, quoted in parts))
    return left


def _decoded(name: str, text: str, kind: str) -> str | list[str]:
    """A text without quotes, from hexadecimal where auditd writes what is not plain ASCII so."""
    is_argument = kind == "EXECVE" and _ARGUMENT.fullmatch(name)
    if not (is_argument or name in _UNTRUSTED) or not _HEX.fullmatch(text):
        return text
    decoded = bytes.fromhex(text).decode(errors="replace")
    if name == "key" and "\x01" in decoded:
        return decoded.split("\x01")  # several keys of one rule
    return decoded.rstrip("\0").replace("\0", " ") if name == "proctitle" else decoded


def _shared(syscall: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in syscall.items() if name not in _OWN}


def _joined(held: list[tuple[int, Parsed]], shared: Mapping[str, Any]) -> Iterator[Item]:
    for number, parsed in held:
        if not isinstance(parsed, str):
            parsed = {**parsed, **{name: shared[name] for name in shared if name not in parsed}}
        yield item_of(number, parsed)


FORMAT = Format(
    "auditd", "auditd's log", recognises, read, {"product": "linux", "service": "auditd"}
)
