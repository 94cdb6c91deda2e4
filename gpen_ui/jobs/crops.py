"""Restored faces that are kept, so that another strength, mode or tone needs no network.

A face is known by the pixels that went into the network and by the network itself. So whatever changes those (the
model, the long edge, the photo) asks the network again, whatever does not (strength, mode, sharpening, the format) does
not, and faces are shared by all runs of the store.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpen_ui.errors import GpenError
from gpen_ui.photo import Pixels, encode_photo, photo_from_bytes, photo_from_pixels

FILE_NAME = "crops.sqlite"
ROOM_AFTER_CLEANING = 0.9  # share of the limit that is left full when it is reached
WAITING_MOST = 8  # faces that wait to be compressed; more are not kept
BUSY_S = 5.0

DEEP_PER_LEVEL = 257  # 65535 / 255

Crop = NDArray[np.float32]
log = logging.getLogger(__name__)


class KeptCrops:
    """A cache on the disk: losing it costs time and nothing else, so trouble with it ends it quietly.

    Args:
        folder: of the store.
        model_hash: of the network's file.
        limit_mb: the least recently used faces go when there would be more.
    """

    def __init__(self, folder: Path, model_hash: str, limit_mb: int) -> None:
        self._model = model_hash.encode()
        self._limit_bytes = limit_mb << 20
        self._lock = threading.Lock()
        self._packer = ThreadPoolExecutor(1, "crops")
        self._pending: dict[bytes, Future[None]] = {}
        self._connection: sqlite3.Connection | None = None
        self._bytes = 0
        self.recalled = 0
        try:
            self._connection = _open(folder / FILE_NAME)
            self._bytes = self._connection.execute("SELECT COALESCE(SUM(length(picture)), 0) FROM crops").fetchone()[0]
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def get(self, crop: Crop, model: str | None = None) -> Crop | None:
        """What the network made of exactly this crop before: (S, S, 3) float32 RGB 0..255, or None."""
        key = self._key(crop, model)
        pending = self._pending.get(key)
        if pending is not None:
            pending.result()
        picture = self._load(key)
        if picture is None:
            return None
        self.recalled += 1
        return picture

    def put(self, crop: Crop, restored: Crop, *, deep: bool, model: str | None = None) -> Crop:
        """Keeps a restored crop and gives it back rounded to the bits that are kept, 16 for a deep photo and else 8: a
        run that was interrupted then ends with the same pixels as one that was not."""
        rounded = _rounded(restored, deep)
        if self._connection is not None and len(self._pending) < WAITING_MOST:
            key = self._key(crop, model)
            future = self._packer.submit(self._save, key, rounded)
            self._pending[key] = future
            future.add_done_callback(lambda _: self._pending.pop(key, None))
        return _levels(rounded)

    def _key(self, crop: Crop, model: str | None) -> bytes:
        network = model.encode() if model else self._model
        return hashlib.blake2b(np.ascontiguousarray(crop).tobytes(), key=network[:64], digest_size=20).digest()

    def _load(self, key: bytes) -> Crop | None:
        try:
            with self._lock:
                if self._connection is None:
                    return None
                row = self._connection.execute("SELECT picture FROM crops WHERE key = ?", (key,)).fetchone()
                if row is None:
                    return None
                self._connection.execute("UPDATE crops SET used_s = ? WHERE key = ?", (time.time(), key))
            return _levels(photo_from_bytes(row[0]).pixels)
        except (sqlite3.Error, GpenError) as error:
            self._give_up(error)
            return None

    def _save(self, key: bytes, picture: Pixels) -> None:
        try:
            data, _ = encode_photo(photo_from_pixels(picture), "png")
            with self._lock:
                if self._connection is None:
                    return
                if self._bytes + len(data) > self._limit_bytes:
                    self._bytes -= _clean(self._connection, round(self._limit_bytes * ROOM_AFTER_CLEANING) - len(data))
                if len(data) <= self._limit_bytes:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO crops (key, picture, used_s) VALUES (?, ?, ?)", (key, data, time.time())
                    )
                    self._bytes += len(data)
        except (sqlite3.Error, GpenError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("restored faces are no longer kept: %s", error)
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Waits for what is being written."""
        self._packer.shutdown()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class UnkeptCrops:
    """Keeps nothing where there is no disk for it, and rounds all the same: a run's pixels shall not tell where a face
    was restored."""

    def get(self, crop: Crop, model: str | None = None) -> Crop | None:
        return None

    def put(self, crop: Crop, restored: Crop, *, deep: bool, model: str | None = None) -> Crop:
        return _levels(_rounded(restored, deep))


def _rounded(restored: Crop, deep: bool) -> Pixels:
    """Levels 0..255 as the numbers that a file holds."""
    return np.rint(restored * DEEP_PER_LEVEL).astype(np.uint16) if deep else np.rint(restored).astype(np.uint8)


def _levels(rounded: Pixels) -> Crop:
    return rounded.astype(np.float32) / np.float32(DEEP_PER_LEVEL if rounded.dtype == np.uint16 else 1)


def _open(path: Path) -> sqlite3.Connection:
    """The cache's file; a broken one is begun anew."""
    try:
        return _connect(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.unlink()
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS crops (key BLOB PRIMARY KEY, picture BLOB NOT NULL, used_s REAL)")
    return connection


def _clean(connection: sqlite3.Connection, keep_bytes: int) -> int:
    """Deletes the least recently used faces until `keep_bytes` are left; how many bytes went."""
    gone, kept = [], 0
    sizes: Iterable[tuple[bytes, int]] = connection.execute(
        "SELECT key, length(picture) FROM crops ORDER BY used_s DESC"
    )
    freed = 0
    for key, size in sizes:
        kept += size
        if kept > keep_bytes:
            gone.append((key,))
            freed += size
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM crops WHERE key = ?", gone)
    connection.execute("COMMIT")
    return freed
