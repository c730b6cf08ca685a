"""Pairs of matches: whatever comes in which order, late, repeated or again after a crash, counts as whole lists do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.migration.live.pairing import Found, Pairing, Side
from sigmac.runtime.errors import ConfigurationError

PARTITIONS, EVENTS, RULES = 2, 6, ("a", "b")


def found(partition: int, offset: int, rule: str) -> Found:
    return Found("events", partition, offset, 0, rule, rule.upper())


MATCHES = st.frozensets(
    st.builds(
        found,
        st.integers(0, PARTITIONS - 1),
        st.integers(0, EVENTS - 1),
        st.sampled_from(RULES),
    ),
    max_size=12,
)


class Program:
    """A side: events are worked on in order, each writes its matches and is committed then, some of them twice."""

    def __init__(self, matches: frozenset[Found], again: Sequence[int]):
        self.log: list[Found] = []
        # After each event: the length of the log, and what is committed of each partition
        self.commits: list[tuple[int, Mapping[int, int]]] = [(0, {})]
        done = dict.fromkeys(range(PARTITIONS), 0)
        steps = [(part, offset) for offset in range(EVENTS) for part in range(PARTITIONS)]
        for number, (part, offset) in enumerate(steps):
            here = [each for each in matches if (each.partition, each.offset) == (part, offset)]
            self.log += here * (2 if number in again else 1)
            done[part] = offset + 1
            self.commits.append((len(self.log), dict(done)))

    def committed(self, read: int) -> Mapping[int, int]:
        """The last commit whose matches are all among the first `read`."""
        return max(
            (each for each in self.commits if each[0] <= read),
            key=lambda each: sum(each[1].values()),
        )[1]


def take_some(pairing: Pairing, side: Side, program: Program, count: int) -> None:
    start = pairing.reading(side).get(0, 0)
    lines = program.log[start : start + count]
    pairing.take(side, lines, 0, {0: start + len(lines)})


def decide(pairing: Pairing, go: Program, ours: Program) -> list[tuple[Found, Side]]:
    pasts = [
        program.committed(pairing.reading(side).get(0, 0))
        for side, program in ((Side.GO, go), (Side.SIGMAC, ours))
    ]
    both = {
        ("events", part): min(past.get(part, 0) for past in pasts) for part in range(PARTITIONS)
    }
    return [(each.found, each.only) for each in pairing.passed(both)]


@given(
    MATCHES,
    MATCHES,
    st.lists(st.integers(0, EVENTS * PARTITIONS), max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(("go", "sigmac", "decide", "commit", "crash")), st.integers(1, 4)
        ),
        max_size=30,
    ),
)
def test_any_order_counts_as_the_whole_lists(
    tmp_path_factory: pytest.TempPathFactory,
    go_found: frozenset[Found],
    our_found: frozenset[Found],
    again: list[int],
    steps: list[tuple[str, int]],
) -> None:
    file = tmp_path_factory.mktemp("pairs") / "state"
    go, ours = Program(go_found, again), Program(our_found, again[1:])
    pairing = Pairing(file, "test")
    pairing.commit()
    kept: list[tuple[Found, Side]] = []  # differences that were told and committed
    told: list[tuple[Found, Side]] = []
    for step, count in [*steps, ("go", 100), ("sigmac", 100), ("decide", 1), ("commit", 1)]:
        if step == "decide":
            told += decide(pairing, go, ours)
        elif step == "commit":
            pairing.commit()
            kept, told = kept + told, []
        elif step == "crash":
            pairing.close()
            pairing, told = Pairing(file, "test"), []
        else:
            take_some(pairing, Side(step), go if step == "go" else ours, count)
    counted = pairing.counted()
    pairing.close()
    assert set(kept) == {(each, Side.GO) for each in go_found - our_found} | {
        (each, Side.SIGMAC) for each in our_found - go_found
    }
    assert len(kept) == len(set(kept))
    assert Counter({each.rule: each.agreed for each in counted.rules}) == Counter(
        dict.fromkeys({each.rule for each in go_found ^ our_found}, 0)
    ) | Counter(each.rule for each in go_found & our_found)
    assert counted.only_go == len(go_found - our_found)
    assert counted.only_sigmac == len(our_found - go_found)
    assert counted.waiting == 0
    for side, program, all_found in ((Side.GO, go, go_found), (Side.SIGMAC, ours, our_found)):
        assert counted.lines[side] == {
            "matches": len(program.log),
            "repeated": len(program.log) - len(all_found),
            "late": 0,
            "passed_over": 0,
        }


def test_what_comes_after_all_is_told_as_late() -> None:
    pairing = Pairing(":memory:", "test")
    pairing.take(Side.SIGMAC, [found(0, 1, "a")], 0, {0: 1})
    assert [each.only for each in pairing.passed({("events", 0): 2})] == [Side.SIGMAC]
    pairing.take(Side.SIGMAC, [found(0, 1, "a")], 0, {0: 2})
    for _ in range(2):
        pairing.take(Side.GO, [found(0, 1, "a")], 1, {0: 1})
    counted = pairing.counted()
    assert counted.lines[Side.GO] == {"matches": 2, "repeated": 1, "late": 1, "passed_over": 2}
    assert counted.lines[Side.SIGMAC]["repeated"] == 1
    assert (counted.only_sigmac, counted.waiting) == (1, 0)


def test_nothing_before_the_start_counts() -> None:
    pairing = Pairing(":memory:", "test")
    pairing.begin_at({("events", 0): 5})
    pairing.take(Side.GO, [found(0, 4, "a"), found(0, 5, "a")], 0, {0: 2})
    assert [each.found.offset for each in pairing.passed({("events", 0): 6})] == [5]


def test_a_file_is_of_one_comparison_and_one_process(tmp_path: Path) -> None:
    file = tmp_path / "state"
    first = Pairing(file, "one")
    first.commit()
    with pytest.raises(ConfigurationError, match="another process uses it"):
        Pairing(file, "one")
    first.close()
    with pytest.raises(ConfigurationError, match="the state is of another comparison"):
        Pairing(file, "two")
    with pytest.raises(ConfigurationError, match="unable to open"):
        Pairing(tmp_path / "nowhere" / "state", "one")
    other = tmp_path / "other"
    other.write_bytes(b"no state of anything, but a text of some length" * 100)
    with pytest.raises(ConfigurationError, match="name another file for the state"):
        Pairing(other, "one")
