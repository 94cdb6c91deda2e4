"""Taking a model's file from a browser: streamed to the disk, checked as `gpen-ui models import` does, never put in the
place of a good one."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gpen_ui.errors import CheckpointError, GpenError, UsageError, reason_of
from gpen_ui.presets import is_file_name
from gpen_ui.texts import Language, say
from gpen_ui.ui.refusals import WHY
from gpen_ui.ui.run_files import page_language

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from gpen_ui.ui.service import Service

log = logging.getLogger(__name__)
PREFIX = ".import-"  # of folders in the models folder that hold a file until it is checked
MOST_BYTES = 4 << 30
RESERVE_BYTES = 256 << 20  # left free on the disk beside the file and its copy
LEFT_OVER_S = 3600.0  # older folders belong to a server that was killed


def add_model_routes(app: FastAPI, service: Service) -> None:
    """`POST /models/import`: the body is the file, the header `X-File-Name` its name, percent-encoded."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    one_at_a_time = threading.Lock()

    async def take(request: Request) -> Response:
        language = page_language(request)
        if not one_at_a_time.acquire(blocking=False):
            return refused(request, UsageError("model_import_busy"), language)
        folder = service.settings.models_folder / f"{PREFIX}{secrets.token_hex(8)}"
        try:
            name = file_name(request.headers.get("x-file-name", ""))
            size = announced_bytes(request.headers.get("content-length", ""))
            await run_in_threadpool(make_place, folder, size)
            await receive(request, folder / name)
            title = await run_in_threadpool(imported, folder / name, service, language)
        except GpenError as error:
            return refused(request, error, language)
        except OSError as error:
            unkept = UsageError("model_import_disk", folder=service.settings.models_folder, reason=reason_of(error))
            return refused(request, unkept, language)
        finally:
            await run_in_threadpool(shutil.rmtree, folder, True)
            one_at_a_time.release()
        return JSONResponse({"detail": say("page.model.import.done", language, model=title)})

    def refused(request: Request, error: GpenError, language: Language) -> Response:
        from gpen_ui.api.errors import status_of

        request.scope[WHY] = error.key.removeprefix("error.")
        status = 422 if isinstance(error, CheckpointError) else status_of(error)
        return JSONResponse({"detail": error.sentence(language)}, status_code=status)

    app.add_route("/models/import", take, methods=["POST"])


def file_name(header: str) -> str:
    """The file's name as the browser has it, which becomes that of a network of the visitor's own.

    Raises:
        UsageError: it cannot be a name in the models folder.
    """
    name = unquote(header[:1000]).replace("\\", "/").rpartition("/")[2].strip()
    if not is_file_name(name, most=120):
        raise UsageError("model_import_name", name=name[:120])
    return name


def announced_bytes(header: str) -> int:
    """How long the body will be.

    Raises:
        UsageError: nobody says, or longer than any model.
    """
    size = int(header) if header.isascii() and header.isdecimal() and len(header) < 20 else 0
    if size == 0:
        raise UsageError("model_import_empty")
    if size > MOST_BYTES:
        raise UsageError("model_import_large", most=MOST_BYTES >> 30)
    return size


def make_place(folder: Path, size: int) -> None:
    """Makes the folder for one file, after removing those of servers that were killed.

    Raises:
        UsageError: the disk has no room for the file and its copy.
        OSError: the folder cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{PREFIX}*"):
        if not old.is_symlink() and time.time() - old.stat().st_mtime > LEFT_OVER_S:
            shutil.rmtree(old, ignore_errors=True)
    if shutil.disk_usage(folder.parent).free < 2 * size + RESERVE_BYTES:
        raise UsageError("model_import_room", folder=folder.parent, megabytes=round(2 * size / 1e6))
    folder.mkdir()


async def receive(request: Request, file: Path) -> None:
    """Writes the body to a file as it comes in.

    Raises:
        UsageError: the browser went away before its end, or it is longer than announced.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect

    left = announced_bytes(request.headers.get("content-length", ""))
    try:
        with file.open("xb") as stream:
            async for block in request.stream():
                left -= len(block)
                if left < 0:
                    raise UsageError("model_import_cut", name=file.name)
                await run_in_threadpool(stream.write, block)
    except ClientDisconnect:
        left = -1
    if left != 0:
        raise UsageError("model_import_cut", name=file.name)


def imported(file: Path, service: Service, language: Language) -> str:
    """Checks the file and puts it among the models.

    Returns:
        What the page calls it.

    Raises:
        CheckpointError: why it was refused.
    """
    from gpen_ui.weights import import_model

    spec = import_model(file, service.settings.models_folder, replace=False)
    log.info("imported %s", spec.name if spec else file.name)
    return spec.title(language) if spec else file.name
