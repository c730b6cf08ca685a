"""The law of the engine: however an event is spelled, however small the caches, it says what the reference says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sigmac
from sigmac.compiler.meaning import reference
from sigmac.runtime import Pack
from sigmac.runtime.engine import batch
from sigmac.runtime.engine import memory as caches
from tests.examples import examples
from tests.property.serialisation import spelled
from tests.property.test_pack_equivalence import Case, cases, pack_of
from tests.unit.runtime.engine.agreement import Said, agreed, said

randoms = st.integers(0, 2**32).map(Random)


@contextmanager
def small(pack: Pack, *, budget: int, found: int) -> Iterator[Pack]:
    """The pack loaded again with an engine of so many bytes that lists so many matches before it looks up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caches, "LEAST_BUDGET", budget)
        patch.setattr(batch, "FOUND", found)
        yield sigmac.load_pack(pack.path, memory_budget=budget)


def lines_of(case: Case, random: Random) -> tuple[list[bytes], list[int]]:
    """Lines that are spellings of a case's events, blank or broken, and the event of each of them (-1: none)."""
    lines, of = [], []
    for number, event in enumerate(case.events):
        for _ in range(random.randint(1, 3)):
            lines.append(spelled(event, random))
            of.append(number)
            if random.random() < 0.1:
                line = lines[-1]
                lines.append(
                    random.choice([b"", b"\r", line[: random.randrange(len(line))] + b"x"])
                )
                of.append(-1)
    order = random.sample(range(len(lines)), len(lines))
    return [lines[i] for i in order], [of[i] for i in order]


def expected_of(case: Case) -> list[list[int]]:
    """The rules that match each event, as the reference says."""
    return [
        [
            rule
            for rule, variants in enumerate(case.variants.values())
            if any(reference.matches(each, event) for each in variants)
        ]
        for event in case.events
    ]


def in_parts(pack: Pack, lines: list[bytes], random: Random) -> Said:
    """What a pack says of lines that come in several batches, told as of one."""
    pairs, rejected, records, line, position = [], [], 0, 0, 0
    cuts = sorted({0, len(lines), *(random.randint(0, len(lines)) for _ in range(4))})
    for first, last in itertools.pairwise(cuts):
        data = b"".join(each + b"\n" for each in lines[first:last])
        some, bad, count = said(pack.match_batch(data))
        pairs += [(line + record, rule) for record, rule in some]
        rejected += [(line + record, position + at, why) for record, at, why in bad]
        records, line, position = records + count, line + last - first, position + len(data)
    return pairs, rejected, records


@examples(100)
@given(cases((), ("windows", "windows-audit")), randoms)
def test_every_spelling_of_an_event_gets_the_same_answer(case: Case, random: Random) -> None:
    lines, of = lines_of(case, random)
    expected = expected_of(case)
    pairs = [(at, rule) for at, n in enumerate(of) if n >= 0 for rule in expected[n]]
    budget, few = random.choice([1 << 12, 1 << 14, 1 << 16]), random.choice([1, 2, 5, 4096])
    with pack_of(case, optimize=True) as pack:
        with small(pack, budget=1 << 20, found=1 << 14) as one:
            whole = agreed(one, b"\n".join(lines))
            assert whole[0] == pairs
            assert in_parts(one, lines, random) == whole
        with small(pack, budget=budget, found=few) as other:
            assert said(other.match_batch(b"\n".join(lines))) == whole
            assert in_parts(other, lines, random) == whole
