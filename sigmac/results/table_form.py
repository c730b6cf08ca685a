"""Results as a table for people, a row each as they come, and as a timeline, sorted when all are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sigmac.results.carried import OF_RULES
from sigmac.results.cells import colored, fields_text, fit
from sigmac.results.details import Details, event_of
from sigmac.results.result import Result, unpacked
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.correlation.timestamps import LAST, shown
from sigmac.runtime.printable import escaped

LEVEL_WIDTH = 8
_SHORT = {"informational": "info"}
_GAP = "  "
_TIME_WIDTH = 19
_MORE_WIDTH = 24  # of a column that was asked for
_AT_ONCE = 1000  # lines of a timeline that are written together
_LEAST_FIELDS = 20


class Table:
    """Rows of fixed columns: time, level, rule, host, what is asked for besides, and the fields that matched.

    `width` is that of the terminal, None where a row may be as long as it is; `color` gives levels theirs.
    """

    needs_event = True

    def __init__(
        self, details: Details, names: Sequence[str] = (), *, width: int | None, color: bool
    ) -> None:
        self._details = details
        self._color = color
        self._names = [n for n in names if n not in ("time", "host", "fields")]
        self._widths, self._most = _widths(width, len(self._names))

    def start(self) -> bytes:
        names = ["time", "level", "rule", "host", *self._names, "fields that matched"]
        return self._line(names, None)

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        return b"".join(self._row(unpacked(piece)) for piece in pieces)

    def end(self) -> Iterator[bytes]:
        return iter(())

    def on_a_terminal(self, text: bytes) -> bytes:
        return text  # each cell is escaped

    def _row(self, result: Result) -> bytes:
        event = event_of(result)
        rule = self._details.rule_of(result.key)
        said = self._details.of_event(result, event, ("time", "host", "user", "fields"))
        of_rule = self._details.of_rule(result.key, [n for n in self._names if n in OF_RULES])
        cells = [
            (said["time"] or "").replace("T", " ")[:_TIME_WIDTH],
            short_level(rule.level),
            rule.title,
            said["host"] or "",
            *(_text({**said, **of_rule}[name]) for name in self._names),
            fields_text(said["fields"]),
        ]
        return self._line(cells, rule.level)

    def _line(self, cells: Sequence[str], level: str | None) -> bytes:
        *fixed, last = cells
        texts = [fit(cell, width) for cell, width in zip(fixed, self._widths, strict=True)]
        if self._color:
            texts[1] = colored(texts[1], level)
        texts.append(escaped(last) if self._most is None else fit(last, self._most))
        line = _GAP.join(texts).rstrip()
        return f"{line}\n".encode("utf-8", "backslashreplace")


class Timeline:
    """Results in the order of their times, under their days; those without a time come last.

    They wait for the end in bounded memory, on disk where they are many.
    """

    needs_event = True

    def __init__(self, details: Details, *, color: bool) -> None:
        self._details = details
        self._color = color
        self._waiting = SortedSpool()
        self._count = 0

    def start(self) -> bytes:
        return b""

    def shown(self, pieces: Sequence[bytes]) -> bytes:
        for piece in pieces:
            time = self._details.time(event_of(unpacked(piece)))
            self._count += 1
            self._waiting.add((LAST + 1 if time is None else time, self._count, 0), piece)
        return b""

    def end(self) -> Iterator[bytes]:
        lines: list[str] = []
        day = ""
        for (time, _, _), piece in self._waiting:
            when = "" if time > LAST else shown(time)
            heading = when[:10] or "without a time"
            if heading != day:
                lines += ["", heading] if day else [heading]
                day = heading
            lines.append(self._entry(when[11:23], unpacked(piece)))
            if len(lines) > _AT_ONCE:
                yield _encoded(lines)
                lines = []
        self._waiting.close()
        yield _encoded(lines)

    def on_a_terminal(self, text: bytes) -> bytes:
        return text

    def _entry(self, time: str, result: Result) -> str:
        event = event_of(result)
        rule = self._details.rule_of(result.key)
        said = self._details.of_event(result, event, ("host", "user", "fields"))
        level = fit(short_level(rule.level), LEVEL_WIDTH)
        who = " ".join(each for each in (said["host"], said["user"]) if each)
        parts = [
            fit(time, 12),
            colored(level, rule.level) if self._color else level,
            escaped(rule.title),
            *([f"[{escaped(who)}]"] if who else []),
            escaped(fields_text(said["fields"])),
        ]
        return _GAP.join(parts).rstrip()


def short_level(level: str | None) -> str:
    """A level in at most eight characters, if it is a known one."""
    return _SHORT.get(level or "", level or "-")


def _encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(value.values())
    return " ".join(map(str, value)) if isinstance(value, list) else value or ""


def _widths(width: int | None, more: int) -> tuple[list[int], int | None]:
    """The cells of the columns but the last, and of that, None where it may be as long as it is."""
    rest = (width or 160) - _TIME_WIDTH - LEVEL_WIDTH - len(_GAP) * (4 + more)
    host = min(20, max(8, rest // 7))
    rule = min(44, max(14, rest // 3))
    each = min(_MORE_WIDTH, max(8, (rest - host - rule) // (more + 1)))
    last = max(_LEAST_FIELDS, rest - host - rule - each * more)
    widths = [_TIME_WIDTH, LEVEL_WIDTH, rule, host, *[each] * more]
    return widths, None if width is None else last
