"""The generated `matchers.py`: its functions against plain comparisons, interpreted and compiled."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.codegen.matchers import render_matchers
from sigmac.compiler.codegen.numeric import intervals, thresholds
from sigmac.runtime.scalar.jit import Jittable
from tests.examples import examples

NOTHING: dict[str, Any] = {
    "literals": [],
    "regexes": [],
    "comparisons": [],
    "networks": [],
    "times": [],
}
INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = INT64 | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5)
LIMITS = st.lists(NUMBERS, min_size=1, max_size=8)
EDGES = [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 0.5]


def matchers(**asked: list[Any]) -> dict[str, Any]:
    """The names that the generated module makes."""
    scope: dict[str, Any] = {}
    exec(compile(render_matchers([{**NOTHING, **asked}]), "matchers.py", "exec"), scope)
    return scope


def position(numbers: list[int | float]) -> tuple[tuple[int | float, ...], Any]:
    made = matchers(comparisons=[["f", "eq", repr(number)] for number in numbers])
    limits, function = made["NUMBERS"]["f"]
    return limits, function


def expected(limits: tuple[int | float, ...], number: int | float) -> int:
    below = sum(limit < number for limit in limits)
    return 2 * below + (number in limits)


def near(limits: list[int | float]) -> list[int | float]:
    return [n for limit in limits for n in (limit, limit - 1, limit + 1, float(limit))]


@examples(25, deadline=None)
@given(LIMITS, st.lists(NUMBERS, max_size=20))
@example(EDGES, [])
@example([2**63 - 1, 2.0**63], [2**63 - 1, 2**64 - 1])
def test_a_number_stands_where_plain_comparisons_put_it(
    numbers: list[int | float], events: list[int | float]
) -> None:
    limits, function = position(numbers)
    assert list(limits) == sorted(set(numbers))
    for number in [*events, *near(numbers)]:
        assert function(number) == expected(limits, number)


def test_thresholds_keep_every_digit_and_prefer_integers() -> None:
    assert thresholds(["5", "5.0", "-1", "0.1", "1e+22"]).numbers == (-1, 0.1, 5, 1e22)
    assert not thresholds([str(2**53)]).compilable
    assert thresholds([str(2**53 - 1), "0.5"]).compilable


NETWORKS = st.one_of(
    st.builds(
        lambda address, length: str(ipaddress.ip_network((address, length), strict=False)),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda address, length: str(ipaddress.ip_network((address, length), strict=False)),
        st.integers(2**32, 2**128 - 1),
        st.integers(0, 128),
    ),
)


def holding(networks: list[str], address: Any) -> set[str]:
    return {n for n in networks if address in ipaddress.ip_network(n)}


def edges(networks: list[str], version: int) -> list[int]:
    parsed = [n for n in map(ipaddress.ip_network, networks) if n.version == version]
    points = [p for n in parsed for p in (int(n.network_address), int(n.broadcast_address))]
    last = 2 ** (32 if version == 4 else 128) - 1
    return [0, last, *(q for p in points for q in (p - 1, p, p + 1) if 0 <= q <= last)]


@examples(25, deadline=None)
@given(st.lists(NETWORKS, min_size=1, max_size=6))
@example(["0.0.0.0/0", "::/0"])
@example(["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8", "10.255.255.255/32"])
def test_an_address_lies_in_the_networks_that_hold_it(networks: list[str]) -> None:
    made = matchers(networks=[["f", network] for network in networks])
    for address in edges(networks, 4):
        held, function = made["NETWORKS_V4"].get("f", ([frozenset()], lambda _: 0))
        assert held[function(address)] == holding(networks, ipaddress.IPv4Address(address))
    for address in edges(networks, 6):
        held, function = made["NETWORKS_V6"].get("f", ([frozenset()], lambda *_: 0))
        found = held[function(address >> 64, address & (2**64 - 1))]
        assert found == holding(networks, ipaddress.IPv6Address(address))


def test_intervals_cut_only_where_a_network_begins_or_ends() -> None:
    found = intervals(["10.0.0.0/8", "10.1.0.0/16", "fe80::/10"], 4)
    assert found.bounds == (10 << 24, (10 << 24) + (1 << 16), (10 << 24) + (2 << 16), 11 << 24)
    assert [len(each) for each in found.networks] == [0, 1, 2, 1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [("ip", "ip_v4_networks"), ("_1", "1"), ("A", "a"), ("_", "é"), ("x", "X_V6_UPPER")],
)
def test_fields_with_names_that_meet_do_not_get_into_each_others_way(one: str, other: str) -> None:
    made = matchers(
        comparisons=[[one, "lt", "5"], [other, "eq", "7"]],
        networks=[[one, "10.0.0.0/8"], [one, "fe80::/10"], [other, "11.0.0.0/8"]],
        times=[[one, "hour", "3"], [other, "v4", "4"]],
    )
    assert [made["NUMBERS"][each][1](6) for each in (one, other)] == [2, 0]
    assert made["TIMES"][one, "hour"][1](3) == 1
    held, function = made["NETWORKS_V4"][one]
    assert held[function(10 << 24)] == {"10.0.0.0/8"}
    held, function = made["NETWORKS_V6"][one]
    assert held[function(0xFE80 << 48, 0)] == {"fe80::/10"}


# Compiled


@pytest.mark.parametrize(
    "numbers", [[5], [1, 2.5, 80], [-(2**53) + 1, 0.5, 2**53 - 1], list(range(0, 400, 3))]
)
def test_compiled_positions_are_the_same(numbers: list[int | float]) -> None:
    pytest.importorskip("numba")
    limits, function = position(numbers)
    assert isinstance(function, Jittable)
    compiled = function.compiled()
    assert compiled is function.compiled()
    assert compiled is not function.py_func
    wide = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
    for number in [*near(numbers), *wide]:
        answer = expected(limits, number)
        if isinstance(number, int):
            assert compiled(np.int64(number)) == answer, number  # type: ignore[arg-type]
        if float(number) == number:
            assert compiled(np.float64(number)) == answer, number  # type: ignore[arg-type]


def test_numbers_that_compiled_code_would_round_stay_python() -> None:
    _, function = position([2**53, 0.5])
    assert not isinstance(function, Jittable)
    assert function(2**53 + 1) == 4


@pytest.mark.parametrize(
    "networks",
    [
        ["0.0.0.0/0", "::/0"],
        ["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16", "fe80::/10", "::1/128", "2001:db8::/32"],
    ],
)
def test_compiled_intervals_are_the_same(networks: list[str]) -> None:
    pytest.importorskip("numba")
    made = matchers(networks=[["f", network] for network in networks])
    _, v4 = made["NETWORKS_V4"]["f"]
    _, v6 = made["NETWORKS_V6"]["f"]
    four, six = v4.compiled(), v6.compiled()
    for address in edges(networks, 4):
        assert four(np.int64(address)) == v4(address)
        assert four(np.uint32(address)) == v4(address)
    for address in edges(networks, 6):
        upper, lower = address >> 64, address & (2**64 - 1)
        assert six(np.uint64(upper), np.uint64(lower)) == v6(upper, lower)
