"""Thresholds and networks → the data of the generated `@njit` functions in `matchers.py`.

A number's *position* among sorted thresholds t is 2 i + 1 on t[i] and 2 i just below it; every comparison is a
statement about positions. An address's *interval* is the index of the last bound at or below it; each interval
knows the networks that hold it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sigmac.compiler.codegen.quoting import Code, literal

EXACT = (
    2**53
)  # integers up to here are floats without rounding, so that compiled comparisons are exact


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Sorted numbers as source text, and whether compiled code can compare with them exactly."""

    numbers: tuple[int | float, ...]

    @property
    def source(self) -> Code:
        uniform: tuple[int | float, ...] = self.numbers
        if self.compilable and any(isinstance(number, float) for number in uniform):
            uniform = tuple(map(float, uniform))  # Numba indexes tuples of one type only
        return literal(uniform)

    @property
    def compilable(self) -> bool:
        return all(abs(number) < EXACT for number in self.numbers)


def thresholds(texts: Iterable[str]) -> Thresholds:
    """Distinct numbers from their texts, ascending."""
    found: dict[int | float, int | float] = {}
    for text in texts:
        number: int | float = float(text) if set(text) & set(".en") else int(text)
        if number not in found or isinstance(number, int):
            found[number] = number
    return Thresholds(tuple(sorted(found.values())))


@dataclass(frozen=True, slots=True)
class Intervals:
    """`bounds[i]` is the first address of interval i + 1; `networks[i]` are those that hold interval i."""

    bounds: tuple[int, ...]
    networks: tuple[tuple[str, ...], ...]


def intervals(networks: Iterable[str], version: int) -> Intervals:
    """The elementary intervals that the networks of one IP version cut the addresses into."""
    parsed = sorted(
        (
            network
            for network in map(ipaddress.ip_network, set(networks))
            if network.version == version
        ),
        key=lambda network: (int(network.network_address), network.prefixlen),
    )
    last = 2**32 if version == 4 else 2**128
    edges: dict[int, tuple[list[str], list[str]]] = {}
    for network in parsed:
        first = int(network.network_address)
        after = int(network.broadcast_address) + 1
        edges.setdefault(first, ([], []))[0].append(str(network))
        edges.setdefault(after, ([], []))[1].append(str(network))
    open_: dict[str, None] = {}
    bounds: list[int] = []
    held: list[tuple[str, ...]] = [()]
    for edge in sorted(edges):
        starting, ending = edges[edge]
        for each in ending:
            open_.pop(each)
        open_.update(dict.fromkeys(starting))
        if edge == 0:
            held[0] = tuple(open_)
        elif edge < last:
            bounds.append(edge)
            held.append(tuple(open_))
    return Intervals(tuple(bounds), tuple(held))
