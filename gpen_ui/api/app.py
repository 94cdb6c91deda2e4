"""The application under `/api/v1`, and its OpenAPI document in the reader's language."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gpen_ui import __version__
from gpen_ui.api import about, events, now, results, runs
from gpen_ui.api.asked import (
    FACES_FIELDS,
    FOLDER_FIELDS,
    NOW_FIELDS,
    RESUME_FIELDS,
    UPLOAD_FIELDS,
    form_body,
    json_body,
)
from gpen_ui.api.errors import add_handlers
from gpen_ui.api.models import ErrorAnswer
from gpen_ui.api.parts import PREFIX, Engine, GivenLanguage, Parts, Places
from gpen_ui.settings import Settings
from gpen_ui.texts import Language, say

METHODS = ("get", "post", "delete")
ERROR_SCHEMA = {"$ref": "#/components/schemas/ErrorAnswer"}


def build_api(engine: Engine, settings: Settings) -> FastAPI:
    """The routes over a server's shared engine, to be mounted at `PREFIX`. Opens nothing before the first request."""
    api = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        version=__version__,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.parts = Parts(engine, settings, Places(engine, settings.queue_limit))
    errors: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}}
    api.state.addresses = []
    for group in (about, now, runs, results, events):
        api.include_router(group.router, responses=errors)
        api.state.addresses += group.router.routes
    add_handlers(api)

    @api.get("/openapi.json", include_in_schema=False)
    def document(language: GivenLanguage) -> dict[str, Any]:
        return openapi_document(api, language)

    return api


def sweep_uploads(engine: Engine, settings: Settings) -> None:
    """Removes uploads that no run knows. For a server that starts."""
    runs.sweep_uploads(Parts(engine, settings, Places(engine, settings.queue_limit)))


def openapi_document(api: FastAPI, language: Language) -> dict[str, Any]:
    """The OpenAPI document: every route with one sentence, every field with its range and meaning."""
    document = get_openapi(
        title=say("page.title", language),
        version=api.version,
        description=say("api.description", language),
        routes=api.routes,
        servers=[{"url": PREFIX}],
    )
    bodies = {
        "restore": form_body(NOW_FIELDS, "file", many=False, language=language),
        "upload_run": form_body(UPLOAD_FIELDS, "files", many=True, language=language),
        "folder_run": json_body(FOLDER_FIELDS, ["folder"], language),
        "resume_run": json_body(RESUME_FIELDS, [], language),
        "choose_faces": json_body(FACES_FIELDS, ["faces"], language),
    }
    scheme = {"type": "http", "scheme": "bearer"}
    document.setdefault("components", {})["securitySchemes"] = {"token": scheme}
    document["security"] = [{}, {"token": []}]
    for route in document["paths"].values():
        for method in METHODS:
            if method in route:
                operation = route[method]
                name = operation["operationId"]
                operation["summary"] = say(f"api.route.{name}", language)
                operation.pop("description", None)
                for kind in ("4XX", "5XX"):  # whatever the route answers otherwise
                    operation["responses"][kind]["content"] = {"application/json": {"schema": ERROR_SCHEMA}}
                if name in bodies:
                    operation["requestBody"] = bodies[name]
    return document
