"""What happened in a run, for machines: JSON and CSV, written piece by piece so that a long run needs no memory."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from gpen_ui.jobs.asked_faces import choices_typed
from gpen_ui.jobs.pace import LAST_PHOTOS, photos_per_minute
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import FaceRecord, PhotoRecord, RunRecord
from gpen_ui.paths import shown
from gpen_ui.texts import Language, say

PAGE = 200  # photos held in memory at a time
CSV_COLUMNS = (
    "number", "source", "outcome", "result", "reason", "faces_found", "faces_restored", "faces_failed", "width_before",
    "height_before", "width_after", "height_after", "seconds", "device", "notes", "finished", "likeness", "strength",
    "choices",
)  # fmt: skip
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a table program would compute a cell that begins so


def photos_of(store: RunStore, run: RunRecord) -> Iterator[PhotoRecord]:
    """All photos of a run in order, a page at a time."""
    after = 0
    while photos := store.ledger.photos(run.id, after=after, limit=PAGE):
        yield from photos
        after = photos[-1].number


def report_json(store: RunStore, run: RunRecord, language: Language) -> Iterator[str]:
    """The report as one JSON object, in pieces: `run`, `counts`, `photos` with their faces, and `ignored`."""
    head = {"run": run_facts(run, language), "counts": counts(store, run)}
    yield json.dumps(head, ensure_ascii=True, indent=1)[:-2] + ',\n "photos": ['
    comma = ""
    for photo in photos_of(store, run):
        yield comma + "\n  " + json.dumps(photo_facts(photo, store.ledger.faces(photo.id), language), ensure_ascii=True)
        comma = ","
    yield '\n ],\n "ignored": ['
    comma, after = "", 0
    while ignored := store.ignored(run.id, after, PAGE):
        for each in ignored:
            entry = {"path": str(each.path), "reason": each.why.sentence(language)}
            yield comma + "\n  " + json.dumps(entry, ensure_ascii=True)
            comma = ","
        after += len(ignored)
    yield "\n ]\n}\n"


def report_csv(store: RunStore, run: RunRecord, language: Language) -> Iterator[str]:
    """One row per photo, in pieces. Begins with a byte-order mark, without which Excel garbles Chinese names."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    yield "\ufeff" + buffer.getvalue()
    for photo in photos_of(store, run):
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([_cell(value) for value in _row(photo, store.ledger.faces(photo.id), language)])
        yield buffer.getvalue()


def run_facts(run: RunRecord, language: Language) -> dict[str, Any]:
    """A run for a script; times in ISO 8601, UTC."""
    return {
        "id": run.id,
        "state": run.shown_state,
        "why": run.why.sentence(language) if run.why else None,
        "inputs": [str(path) for path in run.inputs],
        "output_folder": str(run.output_folder),
        "options": run.options.model_dump(),
        "engine": run.settings.engine,
        "output_format": run.settings.output_format,
        "model": run.model_name or run.settings.model,
        "model_sha256": run.model_hash or None,
        "device": run.device or None,
        "created": _time(run.created_s),
        "started": _time(run.started_s),
        "finished": _time(run.finished_s),
        "worked_seconds": round(run.worked_s, 1),
        "owner": run.owner or None,
    }


def counts(store: RunStore, run: RunRecord) -> dict[str, Any]:
    """Photos and faces of a run in numbers."""
    found = store.ledger.counts(run.id)
    restored, failed = store.ledger.face_counts(run.id)
    pace = photos_per_minute(store.ledger.paces(run.id, LAST_PHOTOS))
    return {
        "planned": found.planned,
        "done": found.done,
        "failed": found.failed,
        "skipped": found.skipped,
        "left": found.left,
        "ignored": store.ignored_count(run.id),
        "faces_restored": restored,
        "faces_failed": failed,
        "photos_per_minute": round(pace, 1) if pace else None,
    }


def photo_facts(photo: PhotoRecord, faces: tuple[FaceRecord, ...], language: Language) -> dict[str, Any]:
    """A photo for a script, its fields named as those of `enhance --json`."""
    return {
        "number": photo.number,
        "source": str(photo.path),
        "outcome": photo.state,
        "result": str(photo.result) if photo.result and photo.state == "done" else None,
        "error": photo.why.sentence(language) if photo.why and photo.state == "failed" else None,
        "error_key": photo.why.key.removeprefix("error.") if photo.why and photo.state == "failed" else None,
        "reason": photo.why.sentence(language) if photo.why else None,
        "size_before": photo.before_wh,
        "size_after": photo.after_wh,
        "content_hash": photo.content_hash or None,
        "faces_found": photo.faces_found,
        "faces_restored": photo.faces_restored,
        "faces_failed": photo.faces_failed,
        "choices": choices_typed(photo, faces),
        "faces": [
            {
                "number": face.number,
                "box_xyxy": [round(edge, 1) for edge in face.box_xyxy],
                "score": round(face.score, 4),
                "state": face.state,
                "why": face.why.sentence(language) if face.why else None,
                "why_key": face.why.key.removeprefix("note.") if face.why else None,
                "strength": face.strength,
                "model": face.model,
                "likeness": round(face.likeness, 1) if face.likeness is not None else None,
            }
            for face in faces
        ],
        "seconds": photo.seconds,
        "seconds_total": round(photo.total_seconds, 4),
        "device": photo.device or None,
        "notes": [note.sentence(language) for note in photo.notes],
        "finished": _time(photo.finished_s),
    }


def _row(photo: PhotoRecord, faces: tuple[FaceRecord, ...], language: Language) -> list[object]:
    before, after = photo.before_wh or ("", ""), photo.after_wh or ("", "")
    return [
        photo.number,
        shown(photo.path),
        say(f"runs.photo.{photo.state}", language),
        shown(photo.result) if photo.result and photo.state == "done" else "",
        photo.why.sentence(language) if photo.why else "",
        *(photo.faces_found, photo.faces_restored, photo.faces_failed, *before, *after),
        round(photo.total_seconds, 2),
        photo.device,
        " ".join(note.sentence(language) for note in photo.notes),
        _time(photo.finished_s) or "",
        _by_face((face.number, face.likeness) for face in faces),
        _by_face((face.number, face.strength) for face in faces),
        choices_typed(photo, faces),
    ]


def _by_face(values: Iterable[tuple[int, float | None]]) -> str:
    """A number for each face of a photo in one cell, for example "1: 83, 3: 61"; faces without one are left out."""
    return ", ".join(f"{number}: {math.floor(value)}" for number, value in values if value is not None)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
