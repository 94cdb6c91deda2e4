"""Restored faces kept in memory, so that another strength is there at once while somebody tries it out."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Crop = NDArray[np.float32]


class RecentCrops:
    """The faces that were asked for last, as `Crops` for the stream. From several threads.

    Args:
        limit_bytes: of the pictures; the least recently used go first.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[bytes, str | None], Crop] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, crop: Crop, model: str | None = None) -> Crop | None:
        """What the network made of exactly this crop before, or None."""
        key = (_key(crop), model)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, crop: Crop, restored: Crop, *, deep: bool, model: str | None = None) -> Crop:
        """Keeps the restored crop, all of its bits."""
        with self._lock:
            self._kept[_key(crop), model] = restored
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > self._limit_bytes:
                self._kept.popitem(last=False)
        return restored

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def _key(crop: Crop) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(crop).tobytes(), digest_size=20).digest()
