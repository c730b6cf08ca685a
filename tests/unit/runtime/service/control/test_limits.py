"""Token buckets: what passes, how long to wait, what is remembered."""

from __future__ import annotations

import threading

import pytest

from sigmac.runtime.service.control.limits import RateLimit, client_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def passed(limit: RateLimit, client: str, times: int) -> int:
    return sum(limit.take(client) == 0 for _ in range(times))


def test_a_second_s_worth_passes_at_once_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(10, clock=clock)
    assert passed(limit, "a", 100) == 10
    for _ in range(30):
        clock.now += 0.1
        assert passed(limit, "a", 5) == 1
    clock.now += 3600
    assert passed(limit, "a", 100) == 10


def test_whoever_waits_as_told_passes() -> None:
    clock = Clock()
    limit = RateLimit(3, clock=clock)
    for _ in range(50):
        if wait := limit.take("a"):
            clock.now += wait
            assert limit.take("a") == 0


def test_a_rate_below_one_a_second() -> None:
    clock = Clock()
    limit = RateLimit(0.1, clock=clock)
    assert limit.take("a") == 0
    assert limit.take("a") == pytest.approx(10)
    clock.now += 10.001
    assert limit.take("a") == 0


def test_clients_have_buckets_of_their_own() -> None:
    limit = RateLimit(5, clock=Clock())
    assert passed(limit, "a", 9) == 5
    assert passed(limit, "b", 9) == 5


def test_of_many_clients_the_one_that_asked_longest_ago_is_forgotten() -> None:
    limit = RateLimit(1, max_clients=3, clock=Clock())
    for client in "abcd":
        assert limit.take(client) == 0
        assert limit.take(client) > 0
    assert len(limit) == 3
    assert limit.take("b") > 0  # asked again: remembered longer than c
    assert limit.take("a") == 0  # was forgotten
    assert limit.take("b") > 0
    assert len(limit) == 3


def test_threads_share_a_bucket() -> None:
    limit, counted = RateLimit(500, clock=Clock()), []
    threads = [
        threading.Thread(target=lambda: counted.append(passed(limit, "a", 300))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(counted) == 500


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:10.0.0.7:51234", "10.0.0.7"),
        ("ipv6:%5B2001:db8:1:2:3::1%5D:80", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::1]:81", "2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%25eth0]:81", "fe80::/64"),
        ("ipv6:[::ffff:10.0.0.7]:443", "10.0.0.7"),
        ("unix:", "unix:"),
        ("ipv4:nonsense", "ipv4:nonsense"),
    ],
)
def test_the_client_behind_an_address(peer: str, client: str) -> None:
    assert client_of(peer) == client
