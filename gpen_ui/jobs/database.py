"""The file that keeps runs: SQLite with a write-ahead log, so that readers of any process never wait for the worker.

Paths are kept as the bytes that the system knows them by: a name need not be valid text.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpen_ui.errors import GpenError, reason_of
from gpen_ui.paths import shown

FILE_NAME = "runs.sqlite"
VERSION = 3  # of the tables below
BUSY_S = 30.0  # how long one process waits for another one's transaction

_TABLES = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, created_s REAL NOT NULL, state TEXT NOT NULL, wish TEXT NOT NULL, why TEXT,
    inputs TEXT NOT NULL, output_folder BLOB NOT NULL, options TEXT NOT NULL, options_hash TEXT NOT NULL,
    settings TEXT NOT NULL, model_name TEXT NOT NULL DEFAULT '', model_hash TEXT NOT NULL DEFAULT '',
    device TEXT NOT NULL DEFAULT '', started_s REAL, finished_s REAL, worked_s REAL NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '', beat_s REAL NOT NULL DEFAULT 0
);
CREATE TABLE photos (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, number INTEGER NOT NULL, path BLOB NOT NULL, name TEXT NOT NULL,
    subfolder BLOB NOT NULL, root BLOB NOT NULL, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    content_hash TEXT NOT NULL DEFAULT '', state TEXT NOT NULL, recipe TEXT NOT NULL DEFAULT '', why TEXT,
    result BLOB, result_bytes INTEGER NOT NULL DEFAULT 0, result_hash TEXT NOT NULL DEFAULT '',
    before_w INTEGER, before_h INTEGER, after_w INTEGER, after_h INTEGER, faces_found INTEGER NOT NULL DEFAULT 0,
    faces_restored INTEGER NOT NULL DEFAULT 0, faces_failed INTEGER NOT NULL DEFAULT 0, seconds TEXT, device TEXT,
    notes TEXT, finished_s REAL, pace_s REAL, attempts INTEGER NOT NULL DEFAULT 0,
    choices TEXT NOT NULL DEFAULT '', old_result BLOB, old_hash TEXT NOT NULL DEFAULT '', UNIQUE (run_id, path)
);
CREATE INDEX photos_by_state ON photos (run_id, state, number);
CREATE INDEX photos_by_number ON photos (run_id, number);
CREATE INDEX photos_by_end ON photos (run_id, finished_s);
CREATE INDEX photos_by_path ON photos (path);
CREATE TABLE faces (
    photo_id INTEGER NOT NULL, number INTEGER NOT NULL, box TEXT NOT NULL, score REAL NOT NULL, state TEXT NOT NULL,
    why TEXT, strength INTEGER, likeness REAL, model TEXT, PRIMARY KEY (photo_id, number)
) WITHOUT ROWID;
CREATE TABLE thumbnails (
    photo_id INTEGER PRIMARY KEY, before BLOB, after BLOB, face_before BLOB, face_after BLOB
);
CREATE TABLE results (path BLOB PRIMARY KEY, run_id TEXT NOT NULL, photo_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ignored (run_id TEXT NOT NULL, path BLOB NOT NULL, why TEXT NOT NULL, PRIMARY KEY (run_id, path));
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, time_s REAL NOT NULL, kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_by_run ON events (run_id, seq);
"""
# What brings a file of an earlier version to the next one, by the version that it then has.
_CHANGES = {
    2: "ALTER TABLE faces ADD COLUMN strength INTEGER;\nALTER TABLE faces ADD COLUMN likeness REAL",
    3: """ALTER TABLE faces ADD COLUMN model TEXT;
ALTER TABLE photos ADD COLUMN choices TEXT NOT NULL DEFAULT '';
ALTER TABLE photos ADD COLUMN old_result BLOB;
ALTER TABLE photos ADD COLUMN old_hash TEXT NOT NULL DEFAULT ''""",
}


class Database:
    """One connection that all threads of this process share.

    Raises:
        GpenError: the file cannot be opened, is broken, or was made by a newer version of this program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._spoken():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        # where memory cannot be shared SQLite stays with its rollback journal: slower, as safe
        self._connection.execute("PRAGMA journal_mode = WAL")
        # every commit reaches the disk: a reserved name must survive a power cut, or its photo would be written twice
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.writing():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise GpenError("runs_store_newer", path=shown(self.path))
            if version == VERSION:
                return
            changes = [_TABLES] if version == 0 else [_CHANGES[each] for each in range(version + 1, VERSION + 1)]
            for statement in (each for change in changes for each in change.split(";\n")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query; ask for a bounded number."""
        with self._lock, self._spoken():
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query."""
        rows = self.rows(query, values)
        return rows[0] if rows else None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block, or nothing of it.

        Raises:
            GpenError: `error.runs_store_full` when the disk is full, another key when the file cannot be written.
        """
        with self._lock, self._spoken():
            if self._connection.in_transaction:  # part of a larger one
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "disk is full" in str(error):
                raise GpenError("runs_store_full", path=shown(self.path)) from error
            raise GpenError("runs_store_broken", path=shown(self.path), reason=reason_of(error)) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()
