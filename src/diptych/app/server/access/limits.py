"""How often: rates for each key and address, slow sign-in, quotas of a tenant; and which address it is that calls."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from diptych.kinds import BadInput


class TooMany(BadInput):
    """Too much in too short a time (HTTP 429). seconds: after which it may be tried again, for `Retry-After`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"too many requests; try again in {self.seconds} s")


class OverQuota(BadInput):
    """There is no room for more (HTTP 413)."""


class Rates:
    """Requests in a moving minute, of each key and of each address: who has many keys has one address still.

    Kept in memory, by the library limits: each process of a server counts for itself.
    """

    def __init__(self, per_key: int, per_address: int) -> None:
        from limits import RateLimitItemPerMinute
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._key = RateLimitItemPerMinute(per_key, namespace="key")
        self._address = RateLimitItemPerMinute(per_address, namespace="address")

    def check(self, key: str, address: str) -> None:
        """Count a request. key: the id of its key, "" without one. Raises TooMany."""
        for item, name in ((self._address, network(address)), (self._key, key)):
            if name and not self._limiter.hit(item, name):
                raise TooMany(self._limiter.get_window_stats(item, name).reset_time - time.time())


class Bucket:
    """So many at once, and then one each so many seconds: a leaky bucket (GCRA), of which a name costs one number.

    For what must not come in waves: ten tries of a moving window of ten minutes come all at once, each ten minutes.
    clock: seconds that never go back.
    """

    def __init__(self, burst: int, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._depth, self._every, self._clock = burst * every, every, clock
        self._empty: dict[str, float] = {}  # when the bucket of a name will have run empty
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Count one. Raises TooMany, and counts nothing then."""
        with self._lock:
            now = self._clock()
            full = max(self._empty.get(name, now), now) + self._every
            if full - now > self._depth * (1 + 1e-9):
                raise TooMany(full - now - self._depth)
            if name not in self._empty and len(self._empty) >= 1024 and not len(self._empty) & (len(self._empty) - 1):
                self._empty = {other: empty for other, empty in self._empty.items() if empty > now}
            self._empty[name] = full

    def give_back(self, name: str) -> None:
        """Uncount one."""
        with self._lock:
            if name in self._empty:
                self._empty[name] -= self._every


class SignIn:
    """Tries to sign in from one address: `burst` wrong ones at once, then one each `every` seconds."""

    def __init__(self, burst: int = 10, every: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = Bucket(burst, every, clock)

    @contextmanager
    def trying(self, address: str) -> Iterator[None]:
        """Around a try. It counts before it is known to be wrong, or many at a time would all pass. Raises TooMany."""
        name = network(address)
        self._tries.take(name)
        yield
        self._tries.give_back(name)  # it was right: nothing was raised


class Quota:
    """What a tenant may keep: items, and bytes of what they uploaded."""

    def __init__(self, items: int, bytes: int) -> None:
        self._items, self._bytes = items, bytes
        self._coming: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def room(self, tenant: str, kept: Callable[[], tuple[int, int]], items: int, bytes: int) -> Iterator[None]:
        """Around writing this much more: what others are writing at the time counts already. Raises OverQuota.

        kept   tells how many items and bytes the tenant has
        """
        with self._lock:
            coming = self._coming.get(tenant, (0, 0))
            has = kept()
            for what, limit, old, new, more in zip(
                ("items", "bytes"), (self._items, self._bytes), has, coming, (items, bytes), strict=True
            ):
                if old + new + more > limit:
                    raise OverQuota(f"{limit} {what} is all that may be kept, and there are {old}; delete some first")
            self._coming[tenant] = (coming[0] + items, coming[1] + bytes)
        try:
            yield
        finally:
            with self._lock:
                left = self._coming.pop(tenant)
                if left != (items, bytes):
                    self._coming[tenant] = (left[0] - items, left[1] - bytes)


def client(peer: str, forwarded: Sequence[str] = (), hops: int = 0) -> str:
    """The address that calls.

    peer        who is connected
    forwarded   the values of X-Forwarded-For, in the order of the headers
    hops        proxies of ours before the server. Each writes whom it saw behind what it was sent, so that the last
                `hops` names are true and all before them may be invented. Without proxies the header is not looked at
    """
    names = [name.strip() for value in forwarded for name in value.split(",")]
    if hops <= 0 or len(names) < hops:
        return _canonical(peer) or peer
    return _canonical(names[-hops]) or _canonical(peer) or peer


def network(address: str) -> str:
    """What is counted as one: an IPv4 address, or the /64 of an IPv6 address, all of which one customer has."""
    try:
        found = _address(address)
    except ValueError:
        return address
    return str(found) if isinstance(found, IPv4Address) else str(IPv6Network((found, 64), strict=False))


def _canonical(name: str) -> str:
    try:
        return str(_address(name))
    except ValueError:
        return ""


def _address(name: str) -> IPv4Address | IPv6Address:
    """An address as proxies write it: with a port, in brackets, IPv4 inside IPv6."""
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    found = ip_address(name.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found
