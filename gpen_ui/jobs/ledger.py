"""Photos of runs in the store: every photo has one row and moves through its states there.

    waiting -> working -> writing -> done
                      \\-> failed     (one sentence says why)
    waiting -> skipped               (likewise)

"writing" means that the name of the result is reserved and the hash of its bytes is known, so that after a crash the
file can be recognised: see `gpen_ui.jobs.review`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from gpen_ui.jobs.database import Database
from gpen_ui.jobs.told import pack, pack_many, unpack, unpack_many
from gpen_ui.jobs.types import LEFT, FaceRecord, PhotoRecord, PhotoState, PlannedPhoto, Told
from gpen_ui.paths import shown

_COLUMNS = """id, number, path, subfolder, root, size_bytes, mtime_ns, content_hash, state, why, result, result_bytes,
    before_w, before_h, after_w, after_h, faces_found, faces_restored, faces_failed, seconds, device, notes, finished_s,
    attempts"""


Thumbnail = Literal["before", "after", "face_before", "face_after"]
THUMBNAILS: tuple[Thumbnail, ...] = get_args(Thumbnail)


@dataclass(frozen=True)
class Facts:
    """What a restoration told about a photo, besides the picture.

    Attributes:
        recipe: tells the options, the model and the format that the result was made with.
        thumbnails: small JPEGs by what they show.
    """

    recipe: str
    content_hash: str
    size_bytes: int
    mtime_ns: int
    before_wh: tuple[int, int] | None = None
    after_wh: tuple[int, int] | None = None
    faces: tuple[FaceRecord, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    notes: tuple[Told, ...] = ()
    thumbnails: dict[Thumbnail, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """Photos of a run by their end; `planned == done + failed + skipped + left`."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    left: int = 0

    @property
    def planned(self) -> int:
        return self.done + self.failed + self.skipped + self.left


class Ledger:
    """Reads and writes photos. Every method that writes is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            query = f"SELECT {_COLUMNS} FROM photos WHERE {where} ORDER BY number LIMIT 1"
            row = connection.execute(query, (run_id, most_attempts)).fetchone()
            if row is None:
                return None
            photo = _record(row)
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
        path, real = os.fsencode(result), _real(result)
        with self._database.writing() as connection:
            owner = connection.execute("SELECT photo_id FROM results WHERE path = ?", (real,)).fetchone()
            if owner is not None and owner[0] != photo_id:
                return False
            connection.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", (real, run_id, photo_id))
            connection.execute(
                "UPDATE photos SET state = 'writing', result = ?, result_hash = ?, result_bytes = ? WHERE id = ?",
                (path, digest, size_bytes, photo_id),
            )
            _put_facts(connection, photo_id, facts)
        return True

    def done(self, run_id: str, photo_id: int, pace_s: float | None) -> None:
        """The result that was reserved is on the disk."""
        self._end(run_id, photo_id, "done", None, pace_s)

    def fail(self, run_id: str, photo_id: int, why: Told, facts: Facts, pace_s: float | None) -> None:
        """The photo has no result."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE photos SET result = NULL, result_hash = '', result_bytes = 0 WHERE id = ?", (photo_id,)
            )
            _put_facts(connection, photo_id, facts)
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
            connection.execute(
                "INSERT INTO events (run_id, time_s, kind, data) VALUES (?, ?, 'photo', ?)",
                (run_id, now, json.dumps(data)),
            )

    # ---- for everybody ----

    def counts(self, run_id: str) -> Counts:
        rows = self._database.rows("SELECT state, COUNT(*) FROM photos WHERE run_id = ? GROUP BY state", (run_id,))
        found: dict[str, int] = {row[0]: row[1] for row in rows}
        left = sum(found.get(state, 0) for state in ("waiting", "working", "writing"))
        return Counts(found.get("done", 0), found.get("failed", 0), found.get("skipped", 0), left)

    def photo(self, photo_id: int) -> PhotoRecord | None:
        row = self._database.row(f"SELECT {_COLUMNS} FROM photos WHERE id = ?", (photo_id,))
        return _record(row) if row is not None else None

    def photos(
        self,
        run_id: str,
        *,
        states: Sequence[PhotoState] = (),
        text: str = "",
        after: int = 0,
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[PhotoRecord, ...]:
        """Photos of a run with a number above `after`, in order.

        Args:
            states: only these; all when empty.
            text: only photos with this in their name, letters of either case.
            offset: so many of them are passed over, to open a page in the middle.
        """
        where, values = _such(run_id, states, text)
        query = f"SELECT {_COLUMNS} FROM photos WHERE {where} AND number > ? ORDER BY number LIMIT ? OFFSET ?"
        return tuple(_record(row) for row in self._database.rows(query, (*values, after, limit, offset)))

    def count(self, run_id: str, *, states: Sequence[PhotoState] = (), text: str = "") -> int:
        """How many photos `photos` would give without a limit."""
        where, values = _such(run_id, states, text)
        return int(self._database.rows(f"SELECT COUNT(*) FROM photos WHERE {where}", values)[0][0])

    def recent(self, run_id: str, limit: int = 200) -> tuple[PhotoRecord, ...]:
        """The photos that came to an end last, the latest first."""
        query = f"SELECT {_COLUMNS} FROM photos WHERE run_id = ? AND finished_s > 0 ORDER BY finished_s DESC LIMIT ?"
        return tuple(_record(row) for row in self._database.rows(query, (run_id, limit)))

    def faces(self, photo_id: int) -> tuple[FaceRecord, ...]:
        """The faces of a photo, left to right."""
        rows = self._database.rows("SELECT * FROM faces WHERE photo_id = ? ORDER BY number", (photo_id,))
        return tuple(
            FaceRecord(
                number=row["number"],
                box_xyxy=_box(json.loads(row["box"])),
                score=row["score"],
                state=row["state"],
                why=unpack(row["why"]),
                strength=row["strength"],
                likeness=row["likeness"],
            )
            for row in rows
        )

    def thumbnails(self, photo_id: int) -> dict[Thumbnail, bytes]:
        """Small JPEGs of the photo and its result, and of the largest restored face in both; those that there are."""
        row = self._database.row(f"SELECT {', '.join(THUMBNAILS)} FROM thumbnails WHERE photo_id = ?", (photo_id,))
        return {which: row[which] for which in THUMBNAILS if row is not None and row[which] is not None}

    def face_counts(self, run_id: str) -> tuple[int, int]:
        """Faces restored and faces failed in the photos that came to an end."""
        query = (
            "SELECT COALESCE(SUM(faces_restored), 0), COALESCE(SUM(faces_failed), 0) FROM photos "
            "WHERE run_id = ? AND state IN ('done', 'failed')"
        )
        restored, failed = self._database.rows(query, (run_id,))[0]
        return int(restored), int(failed)

    def paces(self, run_id: str, limit: int) -> list[float]:
        """Seconds between the ends of the last photos, while the run was working."""
        rows = self._database.rows(
            "SELECT pace_s FROM photos WHERE run_id = ? AND finished_s > 0 AND pace_s IS NOT NULL "
            "ORDER BY finished_s DESC LIMIT ?",
            (run_id, limit),
        )
        return [row[0] for row in rows]

    def begun(self, run_id: str, at_least: int) -> tuple[PhotoRecord, ...]:
        """Photos that wait although they were begun so often, the most often begun ones last."""
        where = "run_id = ? AND state = 'waiting' AND attempts >= ?"
        query = f"SELECT {_COLUMNS} FROM photos WHERE {where} ORDER BY attempts, number"
        return tuple(_record(row) for row in self._database.rows(query, (run_id, at_least)))

    def result_owner(self, path: Path) -> int | None:
        """The photo, of any run, whose result has this very name, written or not yet."""
        row = self._database.row("SELECT photo_id FROM results WHERE path = ?", (_real(path),))
        return row["photo_id"] if row is not None else None

    def is_result(self, path: Path) -> bool:
        """Whether some run has written this very file."""
        return self.result_owner(path) is not None

    def result_facts(self, photo_id: int) -> tuple[str, str]:
        """The hash of the result's bytes, and the recipe that it was made with; empty when there is none."""
        row = self._database.row("SELECT result_hash, recipe FROM photos WHERE id = ?", (photo_id,))
        return (row["result_hash"], row["recipe"]) if row is not None else ("", "")

    def twin(self, run_id: str, photo: PhotoRecord, folder: Path, recipe: str) -> tuple[str, Path] | None:
        """The run, and the result, by which another run has done the same photo with the same recipe into `folder`."""
        rows = self._database.rows(
            "SELECT run_id, result FROM photos WHERE path = ? AND run_id != ? AND state = 'done' AND recipe = ? "
            "AND size_bytes = ? AND mtime_ns = ? AND result IS NOT NULL",
            (os.fsencode(photo.path), run_id, recipe, photo.size_bytes, photo.mtime_ns),
        )
        found = ((row["run_id"], Path(os.fsdecode(row["result"]))) for row in rows)
        return next(((run, path) for run, path in found if path.parent == folder and path.is_file()), None)


def _such(run_id: str, states: Sequence[PhotoState], text: str) -> tuple[str, list[object]]:
    """The condition, and its values, for photos of a run with these states and this in their name."""
    where, values = "run_id = ?", [run_id, *states]
    if states:
        where += f" AND state IN ({', '.join('?' * len(states))})"
    if text:
        where += " AND instr(lower(name), lower(?)) > 0"
        values.append(text)
    return where, list(values)


def _put_facts(connection: sqlite3.Connection, photo_id: int, facts: Facts) -> None:
    before, after = facts.before_wh or (None, None), facts.after_wh or (None, None)
    states = [face.state for face in facts.faces]
    connection.execute(
        "UPDATE photos SET recipe = ?, content_hash = ?, size_bytes = ?, mtime_ns = ?, before_w = ?, before_h = ?, "
        "after_w = ?, after_h = ?, faces_found = ?, faces_restored = ?, faces_failed = ?, seconds = ?, device = ?, "
        "notes = ? WHERE id = ?",
        (
            *(facts.recipe, facts.content_hash, facts.size_bytes, facts.mtime_ns, *before, *after),
            *(len(states), states.count("restored"), states.count("failed")),
            *(json.dumps(facts.seconds), facts.device, pack_many(facts.notes), photo_id),
        ),
    )
    connection.execute("DELETE FROM faces WHERE photo_id = ?", (photo_id,))
    connection.executemany(
        "INSERT INTO faces (photo_id, number, box, score, state, why, strength, likeness) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(photo_id, face.number, json.dumps(face.box_xyxy), face.score, face.state, pack(face.why)),
                *(face.strength, face.likeness),
            )
            for face in facts.faces
        ],
    )
    pictures = [facts.thumbnails.get(which) for which in THUMBNAILS]
    connection.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?, ?, ?)", (photo_id, *pictures))


def _real(path: Path) -> bytes:
    """The path with its links followed: one file is one result, whichever way it is reached."""
    return os.fsencode(os.path.realpath(path))


def _record(row: sqlite3.Row) -> PhotoRecord:
    def path(column: str) -> Path:
        return Path(os.fsdecode(row[column]))

    return PhotoRecord(
        id=row["id"],
        number=row["number"],
        path=path("path"),
        subfolder=path("subfolder"),
        root=path("root"),
        size_bytes=row["size_bytes"],
        mtime_ns=row["mtime_ns"],
        content_hash=row["content_hash"],
        state=row["state"],
        why=unpack(row["why"]),
        result=path("result") if row["result"] else None,
        result_bytes=row["result_bytes"],
        before_wh=(row["before_w"], row["before_h"]) if row["before_w"] else None,
        after_wh=(row["after_w"], row["after_h"]) if row["after_w"] else None,
        faces_found=row["faces_found"],
        faces_restored=row["faces_restored"],
        faces_failed=row["faces_failed"],
        seconds=json.loads(row["seconds"] or "{}"),
        device=row["device"] or "",
        notes=unpack_many(row["notes"]),
        finished_s=row["finished_s"],
        attempts=row["attempts"],
    )


def _box(edges: list[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = edges
    return left, top, right, bottom
