"""What the search for keywords in raw bytes costs by itself: two loops over records, one with the search.

The loops are compiled for this machine by the way of the kernels themselves, and work on the state of an engine that
has seen other records. Both find lines and quotes, which the search needs; the difference is the search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numba import cfunc

from bench.corpus import ATTACKS, WINDOWS, Batch, batches_of, read_batches, read_lines
from bench.figures import Figure, note
from bench.packs import Packs
from bench.timing import ROUNDS, alternate, median
from sigmac import Pack, load_pack
from sigmac.runtime.engine.kernel_tables import PADDING
from sigmac.runtime.engine.kernels.compiling import OPTIONS
from sigmac.runtime.engine.kernels.entry import SIGNATURE
from sigmac.runtime.engine.kernels.factor_search import find_factors
from sigmac.runtime.engine.kernels.groups import group_at
from sigmac.runtime.engine.kernels.json_index import index_record
from sigmac.runtime.engine.layout import (
    END,
    KEYWORDS_FIELD,
    LINE,
    NOT_KNOWN,
    QUOTES,
    State,
)
from sigmac.runtime.engine.library import table_of
from sigmac.runtime.engine.machine_code.jit_cache import load_entries, this_machine
from sigmac.runtime.engine.machine_code.object_code import intermediate_code, object_code

OTHER = "otrf/other-5k"
PLAIN, SEARCHED = "plain", "searched"
_state_at = group_at(State)


def _plain(address: int) -> int:
    state = _state_at(address)
    sizes = state.records.sizes
    at, count = 0, 0
    while at < sizes[END]:
        at = index_record(state.records.data, at, sizes[END], state.scratch) + 1
        count += state.scratch.sizes[QUOTES]
    return count


def _searched(address: int) -> int:
    state = _state_at(address)
    sizes = state.records.sizes
    at, count = 0, 0
    while at < sizes[END]:
        stop = index_record(state.records.data, at, sizes[END], state.scratch)
        count += state.scratch.sizes[QUOTES]
        count += find_factors(state.records.data, at, stop, True, sizes[LINE], state)
        at = stop + 1
    return count


def measure(packs: Packs) -> Iterator[Figure]:
    """All rules without a pipeline, over recordings that the engine has not seen."""
    batches = list(read_batches(WINDOWS))
    half = len(batches) // 2
    some = {
        "Windows events": (batches[:half], batches[half:]),
        "attacks": _halves(ATTACKS),
        "other logs": _halves(OTHER),
    }
    loops, owner = _compiled()
    for what, (before, after) in some.items():
        rounds = []
        for _ in range(ROUNDS):
            pack = load_pack(packs.whole)
            for batch in before:
                pack.match_batch(batch.data)
            number, factors, works = _works(pack, loops)
            spent = alternate(_padded(after), works)
            rounds.append((spent[SEARCHED] - spent[PLAIN]) / sum(len(each.data) for each in after))
            note(f"{what}: {rounds[-1] * 1e9:.3f} ns a byte, {factors} factors, search {number}")
        yield Figure(f"{what}: a byte", median(rounds) * 1e9, "ns", "≤ 0.3")
    del owner


def _halves(name: str) -> tuple[list[Batch], list[Batch]]:
    lines = read_lines(name)
    return batches_of(lines[::2]), batches_of(lines[1::2])


def _padded(batches: Sequence[Batch]) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    return [np.frombuffer(each.data + bytes(2 * PADDING), np.uint8) for each in batches]


def _compiled() -> tuple[dict[str, Callable[[int], int]], Any]:
    llvm, cpu, features, _ = this_machine()
    entries = {
        name: cfunc(SIGNATURE, **OPTIONS)(loop)
        for name, loop in ((PLAIN, _plain), (SEARCHED, _searched))
    }
    code = object_code(intermediate_code(entries), cpu, features)
    functions, owner = load_entries(llvm, code, entries)
    return dict(zip(entries, functions, strict=True)), owner


def _works(
    pack: Pack, loops: dict[str, Callable[[int], int]]
) -> tuple[int, int, dict[str, Callable[[Any], object]]]:
    """The number of the search that most kinds of records ask, of how many factors, and the loops over a batch."""
    engines = pack.engines()
    assert engines is not None
    engine = engines.take(wait=True)
    assert engine is not None
    kinds = engine.state.kinds
    fields = len(kinds.asked)
    asked = kinds.active.reshape(-1, fields)[: kinds.sizes[0], KEYWORDS_FIELD].tolist()
    [(number, _)] = Counter(each for each in asked if 0 < each < NOT_KNOWN).most_common(1)
    factors = engine.state.searches.has.reshape(-1, len(engine.state.factors.start))[number - 1]

    def run(loop: Callable[[int], int], data: Any) -> int:
        sizes = np.zeros_like(engine.state.records.sizes)
        sizes[END], sizes[LINE] = len(data) - 2 * PADDING, number - 1
        records = engine.state.records._replace(data=data, sizes=sizes)
        state = engine.state._replace(records=records)
        return loop(table_of(state).ctypes.data)

    works = {
        name: lambda data, loop=loop: run(loop, data)  # type: ignore[misc]
        for name, loop in loops.items()
    }
    return number - 1, int(factors.sum()), works
