"""Runs in the store: what they are, what they are doing, what was wished of them, and what happened."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gpen_ui.errors import UsageError
from gpen_ui.jobs.database import FILE_NAME, Database
from gpen_ui.jobs.ledger import Ledger
from gpen_ui.jobs.location import Location, store_location
from gpen_ui.jobs.told import pack, unpack
from gpen_ui.jobs.types import AT_WORK, Event, Ignored, Plan, PlannedPhoto, RunRecord, RunSettings, RunState, Told, Wish
from gpen_ui.options import RestoreOptions

# The options that runs had from the beginning; see `options_hash`.
_FIRST_OPTIONS = frozenset(
    (
        "strength", "mode", "skin_protection", "detail_enhancement", "likeness_guard", "least_likeness", "denoise",
        "sharpen", "contrast", "brightness", "output_scale", "background", "long_edge", "which_faces",
        "smallest_face_px", "detector_threshold", "aligned",
    )
)  # fmt: skip
ALIVE_S = 15.0  # without a sign of life for so long a worker counts as gone
LATEST = "last"


class RunStore:
    """The runs of one outputs folder. May be used from several threads, and from several processes at once.

    Attributes:
        folder: holds the database, the locks and the kept crops.
        why: why the folder is not in the outputs folder, if it is not.
        ledger: the photos of the runs.
    """

    def __init__(self, location: Location) -> None:
        self.folder = location.folder
        self.why = location.why
        self.database = Database(location.folder / FILE_NAME)
        self.ledger = Ledger(self.database)

    @classmethod
    def open(cls, outputs_folder: Path) -> RunStore:
        """The store that belongs to an outputs folder, made when it is missing.

        Raises:
            GpenError: there is no place for it, or it is broken.
        """
        return cls(store_location(outputs_folder))

    def add(self, plan: Plan) -> str:
        """Keeps a plan as a new run in the state "planned" and returns its id."""
        with self.database.writing() as connection:
            run_id = _free_id(connection)
            connection.execute(
                "INSERT INTO runs (id, created_s, state, wish, inputs, output_folder, options, options_hash, settings) "
                "VALUES (?, ?, 'planned', 'go', ?, ?, ?, ?, ?)",
                (
                    run_id,
                    time.time(),
                    json.dumps([str(path) for path in plan.inputs]),
                    os.fsencode(plan.output_folder),
                    plan.options.model_dump_json(),
                    options_hash(plan.options),
                    json.dumps(asdict(plan.settings)),
                ),
            )
            self.extend(run_id, plan.photos, plan.ignored)
            self._tell(connection, run_id, "state", {"state": "planned", "why": None})
        return run_id

    def extend(self, run_id: str, photos: Sequence[PlannedPhoto], ignored: Sequence[Ignored] | None = None) -> int:
        """Adds photos that the run does not know yet, and puts the ignored files in the place of those before.

        Returns:
            How many photos were added.
        """
        with self.database.writing() as connection:
            added = self.ledger.add(run_id, photos)
            if ignored is not None:
                connection.execute("DELETE FROM ignored WHERE run_id = ?", (run_id,))
                connection.executemany(
                    "INSERT OR IGNORE INTO ignored (run_id, path, why) VALUES (?, ?, ?)",
                    [(run_id, os.fsencode(each.path), pack(each.why)) for each in ignored],
                )
            if added:
                self._tell(connection, run_id, "plan", {"added": added})
        return added

    def ignored(self, run_id: str, after: int = 0, limit: int = 1000) -> tuple[Ignored, ...]:
        """Files that are not restored, and why, from place `after` on."""
        rows = self.database.rows(
            "SELECT path, why FROM ignored WHERE run_id = ? ORDER BY path LIMIT ? OFFSET ?", (run_id, limit, after)
        )
        return tuple(Ignored(Path(os.fsdecode(row["path"])), _sentence(row["why"])) for row in rows)

    def ignored_count(self, run_id: str) -> int:
        return int(self.database.rows("SELECT COUNT(*) FROM ignored WHERE run_id = ?", (run_id,))[0][0])

    def run(self, run_id: str) -> RunRecord:
        """One run by its id, by the beginning of it when only one begins so, or the latest by "last".

        Raises:
            UsageError: there is none, or more than one.
        """
        row = self.database.row("SELECT * FROM runs WHERE id = ?", (run_id,))
        if row is not None:
            return _record(row)
        runs = self.runs()
        fitting = runs[:1] if run_id == LATEST else [run for run in runs if run_id and run.id.startswith(run_id)]
        if len(fitting) != 1:
            known = ", ".join(run.id for run in runs[:5]) or "-"
            raise UsageError("run_ambiguous" if fitting else "run_unknown", run=run_id, known=known)
        return fitting[0]

    def runs(self, limit: int = 200) -> list[RunRecord]:
        """The latest runs, the newest first."""
        rows = self.database.rows("SELECT * FROM runs ORDER BY created_s DESC, rowid DESC LIMIT ?", (limit,))
        return [_record(row) for row in rows]

    def change(self, run_id: str, options: RestoreOptions | None, settings: RunSettings | None) -> None:
        """Gives a run other options or settings; what they touch is redone at the next start, under new names."""
        with self.database.writing() as connection:
            if options is not None and options != self.run(run_id).options:  # else the hash of before stays, too
                connection.execute(
                    "UPDATE runs SET options = ?, options_hash = ? WHERE id = ?",
                    (options.model_dump_json(), options_hash(options), run_id),
                )
                connection.execute(
                    "UPDATE photos SET old_result = NULL, old_hash = '' WHERE run_id = ?", (run_id,)
                )  # what other options make never takes the place of a result
            if settings is not None:
                connection.execute("UPDATE runs SET settings = ? WHERE id = ?", (json.dumps(asdict(settings)), run_id))

    def set_state(self, run_id: str, state: RunState, why: Told | None = None) -> None:
        """What the run does now, with the event that tells it; nothing when it does so already."""
        with self.database.writing() as connection:
            before = self.database.row("SELECT state, why FROM runs WHERE id = ?", (run_id,))
            if before is None or (before["state"], before["why"]) == (state, pack(why)):
                return
            now = time.time()
            started = now if state == "running" else None
            finished = now if state in ("done", "cancelled", "broken") else None
            connection.execute(
                "UPDATE runs SET state = ?, why = ?, finished_s = ?, started_s = COALESCE(started_s, ?) WHERE id = ?",
                (state, pack(why), finished, started, run_id),
            )
            self._tell(connection, run_id, "state", {"state": state, "why": _plain(why)})

    def finish(self, run_id: str) -> bool:
        """The run is done, unless a photo is left, or waits again meanwhile; whether it is."""
        with self.database.writing():
            if self.ledger.counts(run_id).left:
                return False
            self.set_state(run_id, "done")
        return True

    def wish(self, run_id: str, wish: Wish) -> None:
        """What the worker, in whatever process, shall do."""
        with self.database.writing() as connection:
            connection.execute("UPDATE runs SET wish = ? WHERE id = ?", (wish, run_id))

    def own(self, run_id: str, owner: str, model_name: str = "", model_hash: str = "", device: str = "") -> None:
        """Notes who works on the run, and with what as far as that is known."""
        with self.database.writing() as connection:
            connection.execute("UPDATE runs SET owner = ?, beat_s = ? WHERE id = ?", (owner, time.time(), run_id))
            if model_hash:
                connection.execute(
                    "UPDATE runs SET model_name = ?, model_hash = ?, device = ? WHERE id = ?",
                    (model_name, model_hash, device, run_id),
                )

    def beat(self, run_id: str, worked_s: float) -> Wish:
        """The worker's sign of life; `worked_s` is added. Gives back what is wished of it."""
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE runs SET beat_s = ?, worked_s = worked_s + ? WHERE id = ?", (time.time(), worked_s, run_id)
            )
        return self.wished(run_id)

    def rest(self, run_id: str) -> None:
        """The worker has let go of the run."""
        with self.database.writing() as connection:
            connection.execute("UPDATE runs SET beat_s = 0 WHERE id = ?", (run_id,))

    def wished(self, run_id: str) -> Wish:
        row = self.database.row("SELECT wish FROM runs WHERE id = ?", (run_id,))
        wish: Wish = row["wish"] if row is not None else "cancel"
        return wish

    def events(self, run_id: str | None, after: int = 0, limit: int = 500) -> tuple[Event, ...]:
        """What happened after the event `after`, in one run or (None) in all."""
        where, values = ("run_id = ? AND", (run_id,)) if run_id is not None else ("", ())
        rows = self.database.rows(
            f"SELECT * FROM events WHERE {where} seq > ? ORDER BY seq LIMIT ?", (*values, after, limit)
        )
        return tuple(
            Event(row["seq"], row["run_id"], row["time_s"], row["kind"], json.loads(row["data"])) for row in rows
        )

    def last_event(self, run_id: str | None = None) -> int:
        """The number of the latest event; 0 when there is none."""
        where, values = ("WHERE run_id = ?", (run_id,)) if run_id is not None else ("", ())
        return int(self.database.rows(f"SELECT COALESCE(MAX(seq), 0) FROM events {where}", values)[0][0])

    def remove(self, run_id: str) -> None:
        """Forgets a run. Its results stay where they are, and are still known as results."""
        with self.database.writing() as connection:
            photos = "SELECT id FROM photos WHERE run_id = ?"
            connection.execute(f"DELETE FROM faces WHERE photo_id IN ({photos})", (run_id,))
            connection.execute(f"DELETE FROM thumbnails WHERE photo_id IN ({photos})", (run_id,))
            for table in ("photos", "ignored", "events"):
                connection.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def _tell(self, connection: sqlite3.Connection, run_id: str, kind: str, data: dict[str, Any]) -> None:
        connection.execute(
            "INSERT INTO events (run_id, time_s, kind, data) VALUES (?, ?, ?, ?)",
            (run_id, time.time(), kind, json.dumps(data)),
        )

    def close(self) -> None:
        self.database.close()


def options_hash(options: RestoreOptions) -> str:
    """Tells options apart: the same for the same values, also in a later version that knows more of them.

    An option that came after `_FIRST_OPTIONS` counts only where it is not at its default. A default that changes moves
    its option into that list: a run of before then does its photos again, as it must.
    """
    values = options.model_dump()
    usual = {name: field.default for name, field in type(options).model_fields.items()}
    counted = {name: value for name, value in values.items() if name in _FIRST_OPTIONS or value != usual[name]}
    return hashlib.blake2b(json.dumps(counted, sort_keys=True).encode(), digest_size=8).hexdigest()


def _record(row: sqlite3.Row) -> RunRecord:
    state: RunState = row["state"]
    return RunRecord(
        id=row["id"],
        state=state,
        inputs=tuple(Path(text) for text in json.loads(row["inputs"])),
        output_folder=Path(os.fsdecode(row["output_folder"])),
        options=RestoreOptions.model_validate_json(row["options"]),
        options_hash=row["options_hash"],
        settings=_settings(json.loads(row["settings"])),
        why=unpack(row["why"]),
        wish=row["wish"],
        model_name=row["model_name"],
        model_hash=row["model_hash"],
        device=row["device"],
        created_s=row["created_s"],
        started_s=row["started_s"],
        finished_s=row["finished_s"],
        worked_s=row["worked_s"],
        owner=row["owner"],
        beat_s=row["beat_s"],
        is_interrupted=state in AT_WORK and time.time() - row["beat_s"] > ALIVE_S,
    )


def _settings(kept: dict[str, Any]) -> RunSettings:
    """Settings that a run was kept without have their defaults; ones that another version kept are passed over."""
    known = {each.name for each in fields(RunSettings)}
    return RunSettings(**{name: value for name, value in kept.items() if name in known})


def _sentence(text: str) -> Told:
    sentence = unpack(text)
    assert sentence is not None
    return sentence


def _plain(why: Told | None) -> dict[str, Any] | None:
    packed = pack(why)
    return json.loads(packed) if packed else None


def _free_id(connection: sqlite3.Connection) -> str:
    """An id that no run has: short, for people type it, so of many runs made in one second two may draw the same."""
    while True:
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        if connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is None:
            return run_id
