"""What `match_batch` costs on a recording that the pack has not seen: each is left out once, and the others are given.

The worst recording counts. A recording has a few thousand events, so that what is done once for each new kind of event,
value and pattern is a part of its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.batch import matching
from bench.corpus import ATTACKS, ROOT, WINDOWS, Batch, batches_of, read_lines
from bench.figures import Figure, note
from bench.packs import Packs
from bench.timing import PARSE, PER_PARSE, ROUNDS, alternate, median, parse_each, speed
from sigmac import load_pack
from sigmac.runtime.pack.pack import Tag

OURS = "match_batch"
LEFT_OUT = 12  # recordings, evenly from all that are long enough
LEAST = 2_000  # events of one
TAGGED: Tag = {"product": "windows"}


def measure(packs: Packs) -> Iterator[Figure]:
    """SigmaHQ's rules over recordings of Windows, each unseen by a pack that has seen the others."""
    recordings = read_recordings()
    attacks = batches_of(read_lines(ATTACKS))
    for title, path, tag, reach in (
        ("Windows rules, tagged", packs.windows, TAGGED, "≥ 2.0"),
        ("all rules", packs.whole, None, "≥ 1.5"),
    ):
        rules = f"{len(load_pack(path)):,} {title}"
        chosen = [name for name, batches in recordings.items() if _events(batches) >= LEAST]
        found = []
        for name in chosen[:: max(1, len(chosen) // LEFT_OUT)]:
            others = [b for other, some in recordings.items() if other != name for b in some]
            found.append(_speed(path, tag, others, recordings[name]))
            note(f"{rules}: {name}: {found[-1]:.2f} {PER_PARSE}")
        what = f"{rules}: an unseen recording"
        yield Figure(f"{what}, the worst of {len(found)}", min(found), PER_PARSE, reach)
        yield Figure(f"{what}, the median", median(found), PER_PARSE)
        everything = [batch for some in recordings.values() for batch in some]
        yield Figure(
            f"{rules}: attacks on other machines, all kinds new",
            _speed(path, tag, everything, attacks),
            PER_PARSE,
        )


def read_recordings() -> dict[str, list[Batch]]:
    """The recordings of the corpus in batches of the usual size, by their names."""
    entries = json.loads((ROOT / f"{WINDOWS}.index.json").read_text("utf-8"))
    lines = read_lines(WINDOWS)
    return {
        entry["archive"]: batches_of(
            lines[entry["first_line"] - 1 : entry["first_line"] - 1 + entry["lines"]]
        )
        for entry in entries
    }


def _events(batches: Sequence[Batch]) -> int:
    return sum(len(batch.lines) for batch in batches)


def _speed(path: Path, tag: Tag, before: Sequence[Batch], measured: Sequence[Batch]) -> float:
    """How many times as fast as `orjson.loads` a recording is evaluated once, after others."""
    speeds = []
    for _ in range(ROUNDS):
        work = matching(load_pack(path), tag)
        for batch in before:
            work(batch)
        speeds.append(speed(alternate(measured, {PARSE: parse_each, OURS: work}), OURS))
    return median(speeds)
