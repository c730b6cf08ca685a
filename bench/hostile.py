"""Records that are made to cost: bytes a second, beside those of ordinary events whose every value is new."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator

import orjson

from bench.corpus import WINDOWS_SMALL, read_lines
from bench.figures import Figure
from bench.packs import Packs
from bench.timing import ROUNDS, median
from bench.variation import with_unique_values
from sigmac import load_pack

ORDINARY = "every value unique"
BYTES = 2_000_000  # of each kind, about
_SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1}


def measure(packs: Packs) -> Iterator[Figure]:
    """Windows rules over each kind of hostile record; a record has as many values as it may have."""
    keep = load_pack(packs.windows).manifest["logsource_fields"]
    kinds = {ORDINARY: some_of(with_unique_values(read_lines(WINDOWS_SMALL), keep)), **hostile()}
    rates: dict[str, float] = {}
    for name, data in kinds.items():
        spent = []
        for _ in range(ROUNDS):
            pack = load_pack(packs.windows)
            pack.match_batch(b"{}\n")
            started = time.thread_time()
            pack.match_batch(data)
            spent.append(time.thread_time() - started)
        rates[name] = len(data) / median(spent)
        yield Figure(f"hostile: {name}", rates[name] / 1e6, "MB/s")
        if name != ORDINARY:
            ratio = rates[name] / rates[ORDINARY]
            yield Figure(f"hostile: {name}, against {ORDINARY}", ratio, "× the bytes", "≥ 0.33")
    lines = kinds["lines that are no JSON"].count(b"\n")
    rate = rates["lines that are no JSON"] / len(kinds["lines that are no JSON"]) * lines
    yield Figure("hostile: rejected lines", rate, "lines/s", "≥ 200000")


def hostile() -> dict[str, bytes]:
    """Each kind of record, so many that they have about `BYTES` bytes."""
    number = itertools.count()

    def texts(count: int) -> list[str]:
        return [f"v{next(number)}x" for _ in range(count)]

    def arrays(count: int) -> Iterator[bytes]:
        while True:
            yield orjson.dumps({**_SYSMON, "CommandLine": texts(count)})

    def keys(make: str) -> Iterator[bytes]:
        while True:
            yield orjson.dumps({**_SYSMON, **{make.format(next(number)): 1 for _ in range(16_000)}})

    return {
        "arrays of 8,000 texts": some_of(arrays(8_000)),
        "arrays of 16,000 texts": some_of(arrays(16_000)),
        "arrays of 100 texts": some_of(arrays(100)),
        "16,000 keys": some_of(keys("k{}")),
        "16,000 keys alike at both ends": some_of(keys("beginning-{:09}-the-end-of-it")),
        "too many values": some_of(arrays(20_000)),
        "lines that are no JSON": some_of(b'{"a": %d,}' % each for each in number),
        "lines of one letter": some_of(itertools.repeat(b"x")),
    }


def some_of(lines: Iterable[bytes]) -> bytes:
    """So many of some lines."""
    found, size = [], 0
    for line in lines:
        found.append(line)
        size += len(line) + 1
        if size >= BYTES:
            break
    return b"\n".join(found) + b"\n"
