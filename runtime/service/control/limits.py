"""How often a client may ask: a token bucket for each, and a bounded number of clients remembered."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import unquote

MAX_CLIENTS = 4096
_ROUNDING = 1e-6  # seconds by which sums of intervals may be off


class RateLimit:
    """A token bucket for each client: `rate` requests a second, a second's worth at once. Thread-safe.

    A bucket is kept as the time at which it will be full again, one number a client. Of more than `max_clients` the one
    that asked longest ago is forgotten.
    """

    def __init__(
        self,
        rate: float,
        max_clients: int = MAX_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._interval = 1 / rate  # seconds for one token
        self._tolerance = max(0.0, 1.0 - self._interval)  # seconds that the bucket may lack
        self._max_clients = max_clients
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # asked last: at the end
        self._lock = threading.Lock()

    def take(self, client: str) -> float:
        """Take a token: 0 where there was one, else the seconds until there will be, and nothing is taken."""
        with self._lock:
            now = self._clock()
            full_at = max(now, self._full_at.get(client, now))
            wait = full_at - now - self._tolerance
            if wait > _ROUNDING:
                self._full_at.move_to_end(client)
                return wait
            self._full_at[client] = full_at + self._interval
            self._full_at.move_to_end(client)
            if len(self._full_at) > self._max_clients:
                self._full_at.popitem(last=False)
            return 0.0

    def __len__(self) -> int:
        return len(self._full_at)


def client_of(peer: str) -> str:
    """The client behind an address as gRPC writes it, `ipv4:10.0.0.7:51234`: the host without the port.

    An IPv6 network of /64 is one client, since one machine has all its addresses.
    """
    family, _, rest = peer.partition(":")
    if family not in ("ipv4", "ipv6"):
        return peer
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return peer
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
