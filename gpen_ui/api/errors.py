"""Every error in one form: `{"error": {"key": ..., "message": ...}}`, with the status that fits."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gpen_ui.api.models import ErrorAnswer, ErrorFacts
from gpen_ui.api.parts import language_of, place_of
from gpen_ui.errors import DeviceError, GpenError, ModelError, PhotoError, PhotoTooLargeError, Stopped, UsageError
from gpen_ui.reasons import Reason
from gpen_ui.texts import Language, say

log = logging.getLogger(__name__)
RETRY_AFTER_S = 10  # said to a client that finds the queue full
_OF_KEYS = {
    "api_token_wrong": 401,
    "api_token_missing": 403,
    "api_origin_other": 403,
    "page_route_closed": 404,
    "login_too_often": 429,
    "page_upload_outside": 403,
    "page_file_outside": 403,
    "page_body_too_large": 413,
    "page_event_broken": 400,
    "request_silent": 408,
    "page_no_room": 507,
    "page_folder_outside": 403,
    "page_folder_none": 403,
    "api_not_found": 404,
    "api_photo_unknown": 404,
    "api_result_none": 404,
    "run_face_unknown": 404,
    "run_photo_gone": 409,
    "page_folder_missing": 404,
    "run_unknown": 404,
    "run_ambiguous": 404,
    "api_method": 405,
    "api_output_unusable": 409,
    "run_busy": 409,
    "api_file_too_large": 413,
    "api_upload_too_large": 413,
    "api_not_multipart": 415,
    "api_host_unknown": 421,
    "api_queue_full": 429,
    "photo_disk_full": 507,
    "runs_store_full": 507,
    "api_no_room": 507,
}
_OF_KINDS: tuple[tuple[type[GpenError], int], ...] = (
    (Stopped, 503),
    (ModelError, 503),
    (DeviceError, 503),
    (PhotoTooLargeError, 413),
    (PhotoError, 422),
    (UsageError, 422),
)


def status_of(error: GpenError) -> int:
    """The HTTP status of an error: 4xx for what the client can change, 5xx for the rest."""
    known = _OF_KEYS.get(error.key.removeprefix("error."))
    return known or next((status for kind, status in _OF_KINDS if isinstance(error, kind)), 500)


def error_answer(error: GpenError, language: Language, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as it is sent."""
    status = status_of(error)
    given = dict(headers or {})
    if status == 429:
        given.setdefault("Retry-After", str(RETRY_AFTER_S))
    return _answer(status, error.key.removeprefix("error."), error.sentence(language), given)


def add_handlers(app: FastAPI) -> None:
    """Makes every exception of the routes, and of FastAPI itself, an answer in that form."""

    def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, GpenError)
        request.scope["gpen_ui.why"] = error.key.removeprefix("error.")  # for the log of refusals
        return error_answer(error, language_of(request))

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return error_answer(UsageError("api_invalid", where=where, reason=Reason(first)), language_of(request))

    def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return error_answer(UsageError("api_not_found"), language_of(request))
        if error.status_code == 405:
            allow = {"Allow": ", ".join(_methods_here(request))}
            return error_answer(UsageError("api_method", method=request.method), language_of(request), allow)
        unread = UsageError("api_invalid", where="body", reason=error.detail)
        return _answer(
            error.status_code, "api_invalid", unread.sentence(language_of(request)), dict(error.headers or {})
        )

    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("a request of REST failed", exc_info=error)
        return _answer(500, "unexpected", say("page.unexpected", language_of(request)), {})

    app.add_exception_handler(GpenError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def _methods_here(request: Request) -> list[str]:
    """All methods of an address; each has a route of its own, and the router names only those of the first."""
    path = request.scope["path"].removeprefix(place_of(request))
    fitting = [route for route in request.app.state.addresses if route.path_regex.fullmatch(path)]
    fitting = [route for route in fitting if route.path == path] or fitting
    return sorted({method for route in fitting for method in route.methods})


def _answer(status: int, key: str, message: str, headers: dict[str, str]) -> JSONResponse:
    body = ErrorAnswer(error=ErrorFacts(key=key, message=message)).model_dump()
    return JSONResponse(body, status_code=status, headers=headers)
