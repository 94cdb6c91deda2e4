"""Routes for what comes as a file beside Gradio's: of a kept run its reports, the zip of all and small pictures; of a
comparison its pictures; and the scripts and styles of the page's own parts.

They are made while they are sent, which a Gradio component cannot do: it takes only finished files. Whatever guards the
page guards them, too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError
from gpen_ui.texts import LANGUAGES, Language, pick_language, say

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from gpen_ui.ui.service import Service

PICTURE_KEPT_S = 3600  # by the browser; its address changes when the photo is done again
WEB = Path(__file__).with_name("web")
WEB_TYPES = {"compare.css": "text/css"} | {
    f"{name}.js": "text/javascript" for name in ("events", "compare", "intake", "focus")
}
DIGITS_MOST = 18  # of a number in an address: what SQLite holds, and Python reads no more than 4300


def add_run_routes(app: FastAPI, service: Service) -> None:
    """`/runs/ID/html` (json, csv, zip) and `/runs/photos/NUMBER/before.jpg` (after, face_before, face_after)."""
    from starlette.responses import JSONResponse
    from starlette.responses import Response as PlainResponse

    from gpen_ui.api.files import send_run_file
    from gpen_ui.jobs import FILE_TYPES

    def report(request: Request) -> Response:
        language, form = page_language(request), request.path_params["form"]
        try:
            if form not in FILE_TYPES:
                return JSONResponse({"detail": say("page.not_found", language)}, status_code=404)
            run = service.runs.run(request.path_params["run_id"])
        except GpenError as error:
            return JSONResponse({"detail": error.sentence(language)}, status_code=404)
        return send_run_file(service.runs.store, run, form, language)

    def picture(request: Request) -> Response:
        number = number_in(request.path_params["number"])
        try:
            pictures = service.runs.store.ledger.thumbnails(number) if number is not None else {}
        except GpenError as error:
            return JSONResponse({"detail": error.sentence(page_language(request))}, status_code=404)
        data = {f"{which}.jpg": picture for which, picture in pictures.items()}.get(request.path_params["file"])
        if data is None:
            return JSONResponse({"detail": say("page.not_found", page_language(request))}, status_code=404)
        headers = {"cache-control": f"private, max-age={PICTURE_KEPT_S}"}
        return PlainResponse(data, media_type="image/jpeg", headers=headers)

    app.add_route("/runs/{run_id}/{form}", report)
    app.add_route("/runs/photos/{number}/{file}", picture)


def add_picture_routes(app: FastAPI, service: Service) -> None:
    """`/pictures/KEY/before.jpg` (after, small) and `/pictures/KEY/before/COLUMN-ROW.jpg`, see `Pictures`."""
    from starlette.responses import FileResponse, JSONResponse

    def answer(request: Request) -> Response:
        asked = request.path_params
        pictures = service.pictures
        try:
            if "side" in asked:
                column, row = number_in(asked["column"]), number_in(asked["row"])
                path = None
                if column is not None and row is not None:
                    path = pictures.tile(asked["key"], asked["side"], column, row)
            else:
                path = pictures.preview(asked["key"], asked["kind"])
        except GpenError as error:
            return JSONResponse({"detail": error.sentence(page_language(request))}, status_code=404)
        if path is None or not path.is_file():
            return JSONResponse({"detail": say("page.not_found", page_language(request))}, status_code=404)
        headers = {"cache-control": f"private, max-age={PICTURE_KEPT_S}, immutable"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    app.add_route("/pictures/{key}/{kind}.jpg", answer)
    app.add_route("/pictures/{key}/{side}/{column}-{row}.jpg", answer)


def add_web_routes(app: FastAPI) -> None:
    """`/web/FILE`, looked at again at each visit: a new version of the program must not meet an old script."""
    from starlette.responses import JSONResponse
    from starlette.responses import Response as PlainResponse

    def answer(request: Request) -> Response:
        name = request.path_params["file"]
        if name not in WEB_TYPES:
            return JSONResponse({"detail": say("page.not_found", page_language(request))}, status_code=404)
        data = (WEB / name).read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"cache-control": "no-cache", "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return PlainResponse(status_code=304, headers=headers)
        return PlainResponse(data, media_type=WEB_TYPES[name], headers=headers)

    app.add_route("/web/{file}", answer)


def number_in(text: str) -> int | None:
    """A number in an address; None when it is none, or longer than any that is given out here."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS_MOST else None


def page_language(request: Request) -> Language:
    """The one that the address names, else the browser's."""
    asked = request.query_params.get("language")
    named = next((language for language in LANGUAGES if language == asked), None)
    return named or pick_language(request.headers.get("accept-language"))
