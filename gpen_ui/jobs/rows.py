"""Rows of the store <-> what the rest of the program holds of photos and faces."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from gpen_ui.choices import parse_choices
from gpen_ui.jobs.told import pack, pack_many, unpack, unpack_many
from gpen_ui.jobs.types import FaceRecord, OldResult, PhotoRecord, Told

COLUMNS = """id, number, path, subfolder, root, size_bytes, mtime_ns, content_hash, state, why, result, result_bytes,
    before_w, before_h, after_w, after_h, faces_found, faces_restored, faces_failed, seconds, device, notes, finished_s,
    attempts, choices, old_result, old_hash"""

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


def put_facts(connection: sqlite3.Connection, photo_id: int, facts: Facts) -> None:
    """Writes down what is known of a photo and its faces."""
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
        "INSERT INTO faces (photo_id, number, box, score, state, why, strength, likeness, model) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(photo_id, face.number, json.dumps(face.box_xyxy), face.score, face.state, pack(face.why)),
                *(face.strength, face.likeness, face.model),
            )
            for face in facts.faces
        ],
    )
    pictures = [facts.thumbnails.get(which) for which in THUMBNAILS]
    connection.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?, ?, ?)", (photo_id, *pictures))


def face_of(row: sqlite3.Row) -> FaceRecord:
    """A row of the table of faces."""
    left, top, right, bottom = json.loads(row["box"])
    return FaceRecord(
        number=row["number"],
        box_xyxy=(left, top, right, bottom),
        score=row["score"],
        state=row["state"],
        why=unpack(row["why"]),
        strength=row["strength"],
        likeness=row["likeness"],
        model=row["model"],
    )


def photo_of(row: sqlite3.Row) -> PhotoRecord:
    """A row of the table of photos, with `COLUMNS`."""

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
        choices=parse_choices(row["choices"]),
        old_result=OldResult(path("old_result"), row["old_hash"]) if row["old_result"] else None,
    )
