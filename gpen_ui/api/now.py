"""One photo, restored while the client waits."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from fastapi import APIRouter, Request, Response

from gpen_ui.api.asked import NOW_FIELDS, Asked, read_fields
from gpen_ui.api.names import attachment
from gpen_ui.api.parts import Engine, GivenLanguage, GivenParts, Parts
from gpen_ui.api.receive import MB, Limits, receive
from gpen_ui.engine import Chosen, Output, encode_restored, output_of
from gpen_ui.errors import FaceRestoreError, ModelError, Stopped
from gpen_ui.photo import result_names
from gpen_ui.texts import Language

if TYPE_CHECKING:
    from gpen_ui.engine import RestoredPhoto

FORM_BYTES = 1 * MB  # what a form may hold beside its file
WHY_BYTES = 2000  # of what is said of faces; proxies take few headers, nginx 4 KB of them unless told otherwise
LOOK_AGAIN_S = 0.5  # how soon it is noticed that the client went away
ANY_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}}}

router = APIRouter()


@router.post("/restore", response_class=Response, responses=ANY_PICTURE)
async def restore(request: Request, parts: GivenParts, language: GivenLanguage) -> Response:
    """Takes a form with `file` and options, answers with the restored photo's file."""
    with parts.places.place():
        folder = Path(await anyio.to_thread.run_sync(lambda: _new_folder(parts)))
        try:
            limits = Limits(1, parts.settings.upload_mb * MB, parts.settings.upload_mb * MB + FORM_BYTES)
            received = await receive(request, folder, "file", limits)
            asked = read_fields(received.fields, NOW_FIELDS)
            return await _when_its_turn_comes(request, parts, received.files[0], asked, language)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _new_folder(parts: Parts) -> str:
    parts.uploads_folder.mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(prefix="now-", dir=parts.uploads_folder)


async def _when_its_turn_comes(
    request: Request, parts: Parts, photo: Path, asked: Asked, language: Language
) -> Response:
    """Waits without a thread; only the first two of the waiting requests stand in the queue to the device."""
    wanted = Chosen(photo, asked.face_choices())
    options, output = asked.restore_options(parts.engine.usual_options), output_of(asked.changed(parts.settings))
    stop = threading.Event()
    watching = asyncio.create_task(_stop_when_gone(request, stop))
    try:
        return await anyio.to_thread.run_sync(
            lambda: _restored(parts.engine, wanted, options, output, stop, language), limiter=parts.own_threads
        )
    finally:
        watching.cancel()


async def _stop_when_gone(request: Request, stop: threading.Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(LOOK_AGAIN_S)
    stop.set()


def _restored(
    engine: Engine, wanted: Chosen, options: Any, output: Output, stop: threading.Event, language: Language
) -> Response:
    if stop.is_set():
        raise Stopped("api_client_gone")
    with engine.using(None, stop) as restorer:
        result = next(restorer.restore_many([wanted], options, stop=stop), None)
    if result is None:
        raise Stopped("api_client_gone")
    _refuse_failure(result)
    encoded = encode_restored(result, output)
    name = next(result_names(result.name, output.suffix, encoded.extension))
    notes = [note.key for note in result.notes] + [remark.key for remark in encoded.remarks]
    headers = {
        "Content-Disposition": attachment(name),
        "X-Faces-Found": str(len(result.faces)),
        "X-Faces-Restored": str(result.restored_count),
        "X-Faces-Likeness": _likeness(result),
        **_why(result, language),
        "X-Seconds": f"{result.total_seconds:.3f}",
        "X-Notes": ", ".join(notes),
    }
    return Response(encoded.data, media_type=picture_type(name), headers=headers)


def _likeness(result: RestoredPhoto) -> str:
    """Of each face, left to right, for example "83.2, -, 61.0"; "-" for one that was not measured."""
    return ", ".join("-" if face.likeness is None else f"{face.likeness:.1f}" for face in result.faces)


def _why(result: RestoredPhoto, language: Language) -> dict[str, str]:
    """What there is to say of each face: keys for all of them, and sentences by the face's number for as many as fit.
    JSON in ASCII, for a header has no other letters."""
    keys = ", ".join("-" if face.why is None else face.why.key for face in result.faces)
    sentences: dict[str, str] = {}
    text = "{}"
    for face in result.faces:
        if face.why is not None:
            sentences[str(face.number)] = face.why.sentence(language)
            longer = json.dumps(sentences).replace("\x7f", "\\u007f")
            if len(keys) + len(longer) > WHY_BYTES:
                break
            text = longer
    return {"X-Faces-Why": keys, "X-Faces-Why-Text": text}


def _refuse_failure(result: RestoredPhoto) -> None:
    """An unrestored copy is not passed off as a result."""
    if result.error is not None:
        raise result.error
    if result.lost_all_faces:
        for face in result.faces:
            reason = face.why.values.get("reason") if face.why is not None else None
            if isinstance(reason, ModelError):
                raise reason
        raise FaceRestoreError("run_no_face_restored")


def picture_type(name: str) -> str:
    """The media type of a result, by its name."""
    extra = {".avif": "image/avif", ".heic": "image/heic", ".webp": "image/webp"}
    return extra.get(Path(name).suffix.lower()) or mimetypes.guess_type(name)[0] or "application/octet-stream"
