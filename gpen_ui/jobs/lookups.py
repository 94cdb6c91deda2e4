"""What anybody may ask of the photos in the store; `Ledger` adds what planner and worker write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.jobs.database import Database
from gpen_ui.jobs.rows import COLUMNS, THUMBNAILS, Thumbnail, face_of, photo_of
from gpen_ui.jobs.types import LEFT, FaceRecord, PhotoRecord, PhotoState


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


class Lookups:
    """Reads photos."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self, run_id: str) -> Counts:
        rows = self._database.rows("SELECT state, COUNT(*) FROM photos WHERE run_id = ? GROUP BY state", (run_id,))
        found: dict[str, int] = {row[0]: row[1] for row in rows}
        left = sum(found.get(state, 0) for state in LEFT)
        return Counts(found.get("done", 0), found.get("failed", 0), found.get("skipped", 0), left)

    def photo(self, photo_id: int) -> PhotoRecord | None:
        row = self._database.row(f"SELECT {COLUMNS} FROM photos WHERE id = ?", (photo_id,))
        return photo_of(row) if row is not None else None

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
        query = f"SELECT {COLUMNS} FROM photos WHERE {where} AND number > ? ORDER BY number LIMIT ? OFFSET ?"
        return tuple(photo_of(row) for row in self._database.rows(query, (*values, after, limit, offset)))

    def count(self, run_id: str, *, states: Sequence[PhotoState] = (), text: str = "") -> int:
        """How many photos `photos` would give without a limit."""
        where, values = _such(run_id, states, text)
        return int(self._database.rows(f"SELECT COUNT(*) FROM photos WHERE {where}", values)[0][0])

    def faces(self, photo_id: int) -> tuple[FaceRecord, ...]:
        """The faces of a photo, left to right."""
        rows = self._database.rows("SELECT * FROM faces WHERE photo_id = ? ORDER BY number", (photo_id,))
        return tuple(face_of(row) for row in rows)

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
        query = f"SELECT {COLUMNS} FROM photos WHERE {where} ORDER BY attempts, number"
        return tuple(photo_of(row) for row in self._database.rows(query, (run_id, at_least)))

    def result_owner(self, path: Path) -> int | None:
        """The photo, of any run, whose result has this very name, written or not yet."""
        row = self._database.row("SELECT photo_id FROM results WHERE path = ?", (real_path(path),))
        return row["photo_id"] if row is not None else None

    def is_result(self, path: Path) -> bool:
        """Whether some run has written this very file."""
        return self.result_owner(path) is not None

    def named(self, run_id: str, name: str) -> tuple[PhotoRecord, ...]:
        """The photos of a run with this very name, the first ones."""
        query = f"SELECT {COLUMNS} FROM photos WHERE run_id = ? AND name = ? ORDER BY number LIMIT 10"
        return tuple(photo_of(row) for row in self._database.rows(query, (run_id, name)))

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


def real_path(path: Path) -> bytes:
    """The path with its links followed: one file is one result, whichever way it is reached."""
    return os.fsencode(os.path.realpath(path))
