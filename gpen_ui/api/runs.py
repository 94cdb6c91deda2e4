"""Runs: made from uploads or a folder of the server, listed, paused, resumed, cancelled, removed."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gpen_ui.access import input_folder, is_within, named, output_folder
from gpen_ui.api.asked import FOLDER_FIELDS, RESUME_FIELDS, UPLOAD_FIELDS, Asked, read_fields, read_json
from gpen_ui.api.models import RetryAnswer, RunAnswer, RunList
from gpen_ui.api.parts import GivenLanguage, GivenParts, GivenPlace, GivenRun, Parts
from gpen_ui.api.receive import MB, Limits, Received, receive
from gpen_ui.errors import UsageError, reason_of
from gpen_ui.jobs import RunRecord, plan_run, run_facts
from gpen_ui.jobs.room import has_room
from gpen_ui.jobs.uploads import new_upload, trim_uploads, upload_folders
from gpen_ui.paths import shown
from gpen_ui.texts import Language

FILES_MOST = 1000  # of one upload
RESERVE_MB = 64  # what an upload must leave free on the disk
UPLOADS_KEPT_S = 24 * 3600  # of uploads that no run knows: a server ended while they came in

router = APIRouter()


@router.post("/runs/upload", status_code=201, response_model=RunAnswer)
async def upload_run(
    request: Request, response: Response, parts: GivenParts, language: GivenLanguage, place: GivenPlace
) -> dict[str, Any]:
    """Takes a form with `files` and options, and starts a run over them."""
    with parts.places.place():
        folder = await run_in_threadpool(_new_folder, parts, request.headers.get("content-length", ""))
        try:
            limits = Limits(FILES_MOST, parts.settings.upload_mb * MB, parts.settings.submission_mb * MB)
            received = await receive(request, folder, "files", limits)
            asked = read_fields(received.fields, UPLOAD_FIELDS)
            run = await run_in_threadpool(_start_upload, parts, received, asked)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    response.headers["Location"] = f"{place}/runs/{run.id}"
    return await run_in_threadpool(run_answer, parts, run, language)


@router.post("/runs/folder", status_code=201, response_model=RunAnswer)
async def folder_run(
    request: Request, response: Response, parts: GivenParts, language: GivenLanguage, place: GivenPlace
) -> dict[str, Any]:
    """Takes a JSON object with `folder` and options, and starts a run over a folder of the server."""
    asked = await read_json(request, FOLDER_FIELDS)
    if "folder" not in asked.texts:
        raise UsageError("api_field_missing", name="folder")
    with parts.places.place():
        run = await run_in_threadpool(_start_folder, parts, asked)
    response.headers["Location"] = f"{place}/runs/{run.id}"
    return await run_in_threadpool(run_answer, parts, run, language)


@router.get("/runs", response_model=RunList)
def list_runs(
    parts: GivenParts, language: GivenLanguage, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> dict[str, Any]:
    """The latest runs, the newest first."""
    return {"runs": [run_answer(parts, run, language) for run in parts.runs.runs(limit)]}


@router.get("/runs/{run_id}", response_model=RunAnswer)
def show_run(run: GivenRun, parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """Where a run stands."""
    return run_answer(parts, run, language)


@router.post("/runs/{run_id}/pause", response_model=RunAnswer)
def pause_run(run: GivenRun, parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """Ends the work after the batch in flight."""
    parts.runs.pause(run.id)
    return run_answer(parts, parts.runs.run(run.id), language)


@router.post("/runs/{run_id}/cancel", response_model=RunAnswer)
def cancel_run(run: GivenRun, parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """As pausing, and what is left counts as skipped."""
    parts.runs.cancel(run.id)
    return run_answer(parts, parts.runs.run(run.id), language)


@router.post("/runs/{run_id}/resume", response_model=RunAnswer)
async def resume_run(request: Request, run: GivenRun, parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """Goes on with a run, with other options if any are given."""
    asked = await read_json(request, RESUME_FIELDS, may_be_empty=True)

    def go_on() -> dict[str, Any]:
        options = asked.restore_options(run.options)
        settings = asked.changed_run(run.settings, parts.settings)
        with parts.places.place():
            parts.runs.resume(
                run.id,
                options=options if options != run.options else None,
                settings=settings if settings != run.settings else None,
            )
        return run_answer(parts, parts.runs.run(run.id), language)

    return await run_in_threadpool(go_on)


@router.post("/runs/{run_id}/retry-failed", response_model=RetryAnswer)
def retry_failed(run: GivenRun, parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """Tries the failed photos again, and goes on with what is left."""
    with parts.places.place():
        count = parts.runs.retry_failed(run.id)
    return {**run_answer(parts, parts.runs.run(run.id), language), "retried": count}


@router.delete("/runs/{run_id}", status_code=204)
def remove_run(run: GivenRun, parts: GivenParts) -> None:
    """Forgets a run and the photos that were uploaded for it. Its results stay."""
    parts.runs.remove(run.id)


def run_answer(parts: Parts, run: RunRecord, language: Language) -> dict[str, Any]:
    """A run with its progress; see `RunAnswer`. Of uploaded photos only the names are given."""
    uploads = parts.uploads_folder
    return {
        **run_facts(run, language),
        "inputs": [shown(path.name if path.is_relative_to(uploads) else path) for path in run.inputs],
        "ignored": parts.runs.store.ignored_count(run.id),
        **progress_answer(parts, run),
    }


def progress_answer(parts: Parts, run: RunRecord) -> dict[str, Any]:
    """Where a run stands, in numbers."""
    progress = parts.runs.progress(run.id)
    counts = ("planned", "done", "failed", "skipped", "left", "faces_restored", "faces_failed")
    return {
        **{name: getattr(progress, name) for name in counts},
        "percent": round(progress.percent, 1),
        "seconds_left": progress.seconds_left,
        "photos_per_minute": progress.photos_per_minute,
        "current": list(progress.current),
    }


def sweep_uploads(parts: Parts) -> None:
    """Removes uploads that no run knows. For a server that starts."""
    if not parts.uploads_folder.is_dir():
        return
    store = parts.runs.store
    known = {folder for run in parts.runs.runs(limit=1 << 30) for folder in upload_folders(store, run.inputs)}
    for folder in parts.uploads_folder.iterdir():
        if folder not in known and folder.stat().st_mtime < time.time() - UPLOADS_KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _new_folder(parts: Parts, announced: str) -> Path:
    """A folder for the files of one upload, in the form in which the store keeps uploads."""
    parts.uploads_folder.mkdir(parents=True, exist_ok=True)
    size = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
    most = parts.settings.temporary_mb * MB
    too_much = trim_uploads(parts.runs.store, max(0, most - size)) + size > most
    if too_much or not has_room(parts.uploads_folder, size, RESERVE_MB):
        raise UsageError("api_no_room")
    folder = new_upload(parts.runs.store)
    folder.mkdir()
    return folder


def _start_upload(parts: Parts, received: Received, asked: Asked) -> RunRecord:
    name = asked.texts.get("output") or f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    return _start(parts, list(received.files), name, asked)


def _start_folder(parts: Parts, asked: Asked) -> RunRecord:
    folder = input_folder(asked.texts["folder"], parts.settings)
    _refuse_store(parts, folder)
    return _start(parts, [folder], asked.texts.get("output", ""), asked)


def _start(parts: Parts, inputs: list[Path], output: str, asked: Asked) -> RunRecord:
    target = output_folder(output, parts.settings)
    _refuse_store(parts, target)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("api_output_unusable", folder=shown(target), reason=reason_of(error)) from error
    runs = parts.runs
    is_result = runs.store.ledger.is_result
    plan = plan_run(
        inputs,
        target,
        asked.restore_options(parts.engine.usual_options),
        asked.run_settings(parts.settings, parts.engine.chosen),
        is_result=is_result,
    )
    if not plan.photos and not plan.settings.watch:
        raise UsageError("api_no_photos", ignored=len(plan.ignored))
    run_id = runs.create(plan)
    runs.start(run_id)
    return runs.run(run_id)


def _refuse_store(parts: Parts, folder: Path) -> None:
    """The store's own folder, with what others uploaded, is no place for anybody's photos."""
    if is_within(folder, (parts.runs.store.folder,)):
        allowed = (parts.settings.outputs_folder, *parts.settings.readable_folders)
        raise UsageError("page_folder_outside", folder=shown(folder), allowed=named(allowed))
