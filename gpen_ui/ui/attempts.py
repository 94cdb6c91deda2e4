"""Wrong passwords and tokens: after a few from one address it has to wait, each time twice as long.

Kept in memory: a restart forgets. Counted by address, because a visitor has nothing else that he cannot make up. Behind
a reverse proxy all come from the proxy's address unless it says who asks (X-Forwarded-For), which uvicorn believes of a
proxy on this machine only, or of those in FORWARDED_ALLOW_IPS.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5  # wrong ones before the first wait: people mistype
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 900.0
FORGOTTEN_S = 3600.0  # after the last wrong one, or after the wait that it brought
ADDRESSES_MOST = 10_000  # remembered; the one that failed longest ago is forgotten first


@dataclass
class _Failures:
    count: int = 0
    open_s: float = 0.0  # when the address may try again


class Attempts:
    """Safe to use from several threads.

    Args:
        now: seconds that only grow.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """How long this address must wait before its next attempt is looked at; 0 when it may try."""
        with self._lock:
            found = self._failures.get(_group(address))
            return max(0.0, found.open_s - self._now()) if found is not None else 0.0

    def note_failure(self, address: str) -> float:
        """Counts a wrong attempt; how long the address must wait now, in seconds.

        A right one takes nothing back: somebody who shares the address with its owner would have as many tries as he
        likes.
        """
        key, now = _group(address), self._now()
        with self._lock:
            found = self._failures.pop(key, None) or _Failures()
            if now - found.open_s > FORGOTTEN_S:
                found = _Failures()
            found.count += 1
            beyond = found.count - FREE
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(beyond - 1, 30)) if beyond > 0 else 0.0
            found.open_s = now + wait_s
            self._failures[key] = found
            while len(self._failures) > ADDRESSES_MOST:
                self._failures.popitem(last=False)
            return wait_s


def _group(address: str) -> str:
    """The address, of version 6 its network: one household has 2**64 of those."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped is not None else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
