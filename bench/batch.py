"""What `match_batch` costs on one core, as a multiple of the speed of `orjson.loads`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.corpus import WINDOWS, Batch, batches_of, read_batches
from bench.figures import Figure, note
from bench.packs import Packs
from bench.timing import PARSE, PER_PARSE, ROUNDS, alternate, median, parse_each, speed
from bench.variation import with_unique_values
from sigmac import Pack, load_pack
from sigmac.runtime.pack.pack import Tag

OURS = "match_batch"
AUTO, GIVEN = "auto", "given"
PER_TAGGED = "× the time with `product=windows`"


def measure(packs: Packs) -> Iterator[Figure]:
    """Whole SigmaHQ over recorded Windows events: unseen, seen, and every value made unique."""
    batches = list(read_batches(WINDOWS))
    half = len(batches) // 2
    before, after = batches[:half], batches[half:]
    keep = load_pack(packs.windows).manifest["logsource_fields"]
    note("making every value unique")
    lines = with_unique_values((line for batch in batches[::4] for line in batch.lines), keep)
    unique = batches_of(lines)
    for title, path in (("Windows rules", packs.windows), ("all rules", packs.whole)):
        rules = f"{len(load_pack(path)):,} {title}"
        yield from _speeds(f"{rules}: unseen recordings", path, before, after, "≥ 1.5")
        yield from _speeds(f"{rules}: unseen events", path, batches[::2], batches[1::2], "≥ 1.5")
        yield from _speeds(f"{rules}: seen events", path, after, after, "")
        if path == packs.whole:
            yield _told(rules, path, before, after)
        middle = len(unique) // 2
        yield from _speeds(
            f"{rules}: every value unique", path, unique[:middle], unique[middle:], "≥ 0.4"
        )


def _told(what: str, path: Path, warming: Sequence[Batch], measured: Sequence[Batch]) -> Figure:
    """All rules on events that say what they are, beside a caller who says it."""
    rounds = []
    for _ in range(ROUNDS):
        # A pack each: what one has learnt of values would be the other's too.
        auto = matching(load_pack(path), "auto")
        given = matching(load_pack(path), {"product": "windows"})
        for batch in warming:
            auto(batch), given(batch)
        rounds.append(alternate(measured, {AUTO: auto, GIVEN: given}))
    ratio = median([each[AUTO] / each[GIVEN] for each in rounds])
    return Figure(f"{what}: logsource by the events' own fields", ratio, PER_TAGGED, "≤ 1.1")


def _speeds(
    what: str, path: Path, warming: Sequence[Batch], measured: Sequence[Batch], reach: str
) -> Iterator[Figure]:
    rounds = []
    records = sum(len(batch.lines) for batch in measured)
    for _ in range(ROUNDS):
        pack = load_pack(path)
        work = matching(pack)
        for batch in warming:
            work(batch)
        rounds.append(alternate(measured, {PARSE: parse_each, OURS: work}))
        note(f"{what}: {speed(rounds[-1], OURS):.2f} {PER_PARSE}, {pack.engine_counts()}")
    yield Figure(what, median([speed(each, OURS) for each in rounds]), PER_PARSE, reach)
    yield Figure(f"{what}, an event", median([each[OURS] for each in rounds]) / records * 1e6, "µs")


def matching(pack: Pack, logsource: Tag = None) -> Callable[[Batch], object]:
    return lambda batch: pack.match_batch(batch.data, logsource=logsource)
