"""Photos of runs in the store: every photo has one row and moves through its states there.

    waiting -> working -> writing -> done
                      \\-> failed     (one sentence says why)
    waiting -> skipped               (likewise)

From its end a photo goes back to "waiting" when it has to be done again.

"writing" means that the name of the result is reserved and the hash of its bytes is known, so that after a crash the
file can be recognised: see `gpen_ui.jobs.review`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from gpen_ui.choices import FaceChoice, as_json
from gpen_ui.jobs.lookups import Lookups, real_path
from gpen_ui.jobs.rows import COLUMNS, Facts, photo_of, put_facts
from gpen_ui.jobs.told import pack
from gpen_ui.jobs.types import LEFT, PhotoRecord, PhotoState, PlannedPhoto, Told
from gpen_ui.paths import shown


class Ledger(Lookups):
    """Reads and writes photos. Every method that writes is one transaction."""

    # ---- by the planner ----

    def add(self, run_id: str, photos: Sequence[PlannedPhoto]) -> int:
        """Adds photos whose path the run does not know yet; how many."""
        with self._database.writing() as connection:
            (first,) = connection.execute(
                "SELECT COALESCE(MAX(number), 0) + 1 FROM photos WHERE run_id = ?", (run_id,)
            ).fetchone()
            number = first
            for photo in photos:
                row = (run_id, number, os.fsencode(photo.path), shown(photo.path.name), os.fsencode(photo.subfolder))
                number += connection.execute(
                    "INSERT OR IGNORE INTO photos (run_id, number, path, name, subfolder, root, size_bytes, mtime_ns, "
                    "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
                    (*row, os.fsencode(photo.root), photo.size_bytes, photo.mtime_ns),
                ).rowcount
        return int(number - first)

    # ---- by the worker ----

    def take(self, run_id: str, most_attempts: int = 1 << 30) -> PhotoRecord | None:
        """The next waiting photo that was begun less often than that, now "working"; None when none waits."""
        with self._database.writing() as connection:
            where = "run_id = ? AND state = 'waiting' AND attempts < ?"
            query = f"SELECT {COLUMNS} FROM photos WHERE {where} ORDER BY number LIMIT 1"
            row = connection.execute(query, (run_id, most_attempts)).fetchone()
            if row is None:
                return None
            photo = photo_of(row)
            connection.execute("UPDATE photos SET state = 'working', attempts = attempts + 1 WHERE id = ?", (photo.id,))
        return photo

    def take_this(self, photo_id: int) -> None:
        """A certain photo is "working" now."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET state = 'working', attempts = attempts + 1 WHERE id = ? AND state = 'waiting'",
                (photo_id,),
            )

    def give_back(self, photo_id: int, *, crashed: bool = False) -> None:
        """A photo that was begun but not finished waits again; the name that it had reserved stays its own.

        Args:
            crashed: nobody ended it in order, so it stays counted as an attempt.
        """
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET state = 'waiting', attempts = attempts - ? "
                "WHERE id = ? AND state IN ('working', 'writing')",
                (0 if crashed else 1, photo_id),
            )

    def again(self, photo_id: int, size_bytes: int | None = None, mtime_ns: int | None = None) -> None:
        """A photo that had come to an end waits again; its next result gets a name of its own."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET state = 'waiting', why = NULL, result = NULL, result_hash = '', result_bytes = 0, "
                "finished_s = NULL, attempts = 0, size_bytes = COALESCE(?, size_bytes), "
                "mtime_ns = COALESCE(?, mtime_ns) WHERE id = ?",
                (size_bytes, mtime_ns, photo_id),
            )

    def choose(self, run_id: str, photo_id: int, choices: tuple[FaceChoice, ...]) -> None:
        """Keeps what is asked of single faces of a photo. One that had come to an end waits again; of one that is with
        the engine just now, see `follow`."""
        with self._database.writing() as connection:
            connection.execute("UPDATE photos SET choices = ? WHERE id = ?", (as_json(choices), photo_id))
            self.follow(run_id, photo_id)

    def follow(self, run_id: str, photo_id: int) -> None:
        """A photo that had come to an end waits again, and its next result takes the place of the one that it has."""
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT result, result_hash, state, number, name FROM photos WHERE id = ?", (photo_id,)
            ).fetchone()
            if row["state"] not in ("done", "failed", "skipped"):
                return
            self.again(photo_id)
            if row["state"] == "done":
                connection.execute(
                    "UPDATE photos SET old_result = ?, old_hash = ? WHERE id = ?",
                    (row["result"], row["result_hash"], photo_id),
                )
            data = {"id": photo_id, "number": row["number"], "name": row["name"], "state": "waiting"}
            _tell(connection, run_id, time.time(), {**data, "why": None, "result": None})

    def forget_choices(self, photo_id: int) -> None:
        """The photo's file is another picture by now: what was asked of the faces of the one before means nothing, and
        the result of that one stays."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET choices = '', old_result = NULL, old_hash = '' WHERE id = ?", (photo_id,)
            )

    def retry_failed(self, run_id: str) -> int:
        """All failed photos wait again; how many."""
        failed = self.photos(run_id, states=("failed",), limit=1 << 30)
        with self._database.writing():
            for photo in failed:
                self.again(photo.id)
        return len(failed)

    def skip_all(self, run_id: str, why: Told) -> None:
        """All photos that are left are skipped."""
        left = self.photos(run_id, states=LEFT, limit=1 << 30)
        with self._database.writing():
            for photo in left:
                self.skip(run_id, photo.id, why)

    def renew(self, run_id: str, planned: PlannedPhoto) -> None:
        """A photo that had come to an end waits again if its file is another one by now."""
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT id FROM photos WHERE run_id = ? AND path = ? AND state IN ('done', 'failed', 'skipped') "
                "AND NOT (size_bytes = ? AND mtime_ns = ?)",
                (run_id, os.fsencode(planned.path), planned.size_bytes, planned.mtime_ns),
            ).fetchone()
            if row is not None:
                self.again(row["id"], planned.size_bytes, planned.mtime_ns)

    def reserve(self, run_id: str, photo_id: int, result: Path, digest: str, facts: Facts, size_bytes: int) -> bool:
        """Keeps the name of a result before it is written, with all that is to be known of it.

        Returns:
            False when the name belongs to another photo.
        """
        path, real = os.fsencode(result), real_path(result)
        with self._database.writing() as connection:
            owner = connection.execute("SELECT photo_id FROM results WHERE path = ?", (real,)).fetchone()
            if owner is not None and owner[0] != photo_id:
                return False
            connection.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", (real, run_id, photo_id))
            connection.execute(
                "UPDATE photos SET state = 'writing', result = ?, result_hash = ?, result_bytes = ? WHERE id = ?",
                (path, digest, size_bytes, photo_id),
            )
            put_facts(connection, photo_id, facts)
        return True

    def done(self, run_id: str, photo_id: int, pace_s: float | None) -> None:
        """The result that was reserved is on the disk."""
        with self._database.writing() as connection:
            connection.execute("UPDATE photos SET old_result = NULL, old_hash = '' WHERE id = ?", (photo_id,))
            self._end(run_id, photo_id, "done", None, pace_s)

    def fail(self, run_id: str, photo_id: int, why: Told, facts: Facts, pace_s: float | None) -> None:
        """The photo has no result."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET result = NULL, result_hash = '', result_bytes = 0 WHERE id = ?", (photo_id,)
            )
            put_facts(connection, photo_id, facts)
            self._end(run_id, photo_id, "failed", why, pace_s)

    def skip(self, run_id: str, photo_id: int, why: Told) -> None:
        """The photo will not be restored in this run."""
        self._end(run_id, photo_id, "skipped", why, None)

    def _end(self, run_id: str, photo_id: int, state: PhotoState, why: Told | None, pace_s: float | None) -> None:
        with self._database.writing() as connection:
            now = time.time()
            connection.execute(
                "UPDATE photos SET state = ?, why = ?, finished_s = ?, pace_s = ?, attempts = 0 WHERE id = ?",
                (state, pack(why), now, pace_s, photo_id),
            )
            row = connection.execute("SELECT number, name, result FROM photos WHERE id = ?", (photo_id,)).fetchone()
            data = {
                "id": photo_id,
                "number": row["number"],
                "name": row["name"],
                "state": state,
                "why": json.loads(pack(why) or "null"),
                "result": shown(os.fsdecode(row["result"])) if row["result"] and state == "done" else None,
            }
            _tell(connection, run_id, now, data)


def _tell(connection: sqlite3.Connection, run_id: str, time_s: float, data: dict[str, object]) -> None:
    connection.execute(
        "INSERT INTO events (run_id, time_s, kind, data) VALUES (?, ?, 'photo', ?)", (run_id, time_s, json.dumps(data))
    )
