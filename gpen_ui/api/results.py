"""What came of a run: its photos, their files, the reports, and everything as a zip that is made while it is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from gpen_ui.api.asked import FACES_FIELDS, read_json
from gpen_ui.api.files import send_run_file
from gpen_ui.api.models import PhotoAnswer, PhotoList
from gpen_ui.api.names import attachment
from gpen_ui.api.now import ANY_PICTURE, picture_type
from gpen_ui.api.parts import NUMBER_MOST, GivenLanguage, GivenParts, GivenPhoto, GivenPlace, GivenRun, Parts
from gpen_ui.errors import UsageError
from gpen_ui.jobs import REPORT_TYPES, PhotoRecord, RunRecord, photo_facts, with_asked
from gpen_ui.jobs.types import PhotoState
from gpen_ui.paths import shown
from gpen_ui.texts import Language

ONE_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind.partition(";")[0]: {} for kind in REPORT_TYPES.values()}}
}
ONE_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}

router = APIRouter()


@router.get("/runs/{run_id}/photos", response_model=PhotoList)
def list_photos(
    run: GivenRun,
    parts: GivenParts,
    language: GivenLanguage,
    place: GivenPlace,
    state: PhotoState | None = None,
    text: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[int, Query(ge=0, le=NUMBER_MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Photos of a run in order, with what became of each."""
    states = (state,) if state is not None else ()
    photos = parts.runs.store.ledger.photos(run.id, states=states, text=text, after=after, limit=limit)
    return {
        "photos": [_photo_answer(parts, run, photo, language, place) for photo in photos],
        "next_after": photos[-1].number if len(photos) == limit else None,
    }


@router.get("/runs/{run_id}/photos/{number}", response_model=PhotoAnswer)
def show_photo(
    run: GivenRun, photo: GivenPhoto, parts: GivenParts, language: GivenLanguage, place: GivenPlace
) -> dict[str, Any]:
    """One photo of a run."""
    return _photo_answer(parts, run, photo, language, place)


@router.post("/runs/{run_id}/photos/{number}/faces", response_model=PhotoAnswer)
async def choose_faces(
    request: Request, run: GivenRun, photo: GivenPhoto, parts: GivenParts, language: GivenLanguage, place: GivenPlace
) -> dict[str, Any]:
    """Takes a JSON object with `faces`; the photo is done again with what it says, at once when the run is done."""
    asked = await read_json(request, FACES_FIELDS)
    if "faces" not in asked.texts:
        raise UsageError("api_field_missing", name="faces")

    def choose() -> dict[str, Any]:
        store = parts.runs.store
        choices = with_asked(store, run, photo, asked.face_choices(), parts.settings.models_folder)
        with parts.places.place():
            parts.runs.choose(run.id, photo.id, choices)
        return _photo_answer(parts, run, store.ledger.photo(photo.id) or photo, language, place)

    return await run_in_threadpool(choose)


@router.get("/runs/{run_id}/photos/{number}/result", response_class=Response, responses=ANY_PICTURE)
def send_result(photo: GivenPhoto) -> FileResponse:
    """The file of a restored photo. Only what the store knows as a result is sent, never a path of the request."""
    result = photo.result
    if photo.state != "done" or result is None or not result.is_file():
        raise UsageError("api_result_none", name=shown(photo.path.name))
    headers = {"Content-Disposition": attachment(result.name)}
    return FileResponse(result, media_type=picture_type(result.name), headers=headers)


@router.get("/runs/{run_id}/report.{form}", response_class=Response, responses=ONE_FILE)
def send_report(
    run: GivenRun, form: Literal["json", "csv", "html"], parts: GivenParts, language: GivenLanguage
) -> StreamingResponse:
    """The report of a run in one of three forms."""
    return send_run_file(parts.runs.store, run, form, language)


@router.get("/runs/{run_id}/results.zip", response_class=Response, responses=ONE_ZIP)
def send_zip(run: GivenRun, parts: GivenParts, language: GivenLanguage) -> StreamingResponse:
    """Every result that is there, and the report. Made while it is sent, also of a run at work."""
    return send_run_file(parts.runs.store, run, "zip", language)


def _photo_answer(parts: Parts, run: RunRecord, photo: PhotoRecord, language: Language, place: str) -> dict[str, Any]:
    facts = photo_facts(photo, parts.runs.store.ledger.faces(photo.id), language)
    url = f"{place}/runs/{run.id}/photos/{photo.number}/result"
    return {
        **facts,
        "source": shown(photo.path),
        "name": shown(photo.path.name),
        "result": shown(photo.result) if facts["result"] and photo.result else None,
        "result_url": url if facts["result"] else None,
    }
