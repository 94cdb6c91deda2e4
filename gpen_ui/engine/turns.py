"""Turns on a processor: the network alone, or everything beside it.

The network shares each of its hundreds of steps out to all cores and waits for the last of them. A thread that takes
one of these cores for a while makes all of them wait, so beside each other they take longer than in turns: photos of
1280 x 960 and of 24 megapixels a sixth (docs/performance.md).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Keeps the network and the other stages from the cores of each other.

    The network goes first: as soon as it waits, no other stage begins. Those that are at work end what they have begun.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beside = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        """For a piece of work that may run with others of its kind, and not with the network."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For the network, from one thread at a time."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._alone and not self._beside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
