"""The server: one Gradio page per language, the choice between them, REST, and start and stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError, SettingsError
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES, Language, pick_language, say

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gpen_ui.ui.service import Service

log = logging.getLogger(__name__)

LANGUAGE_COOKIE = "gpen-ui-language"
LANGUAGE_KEPT_S = 365 * 24 * 3600


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves the page until the process is interrupted or terminated.

    Args:
        settings: host, port (0 takes a free one), password and everything else.
        on_ready: called once with the page's address when it can be opened.

    Raises:
        SettingsError: other machines could reach the page without a password, the password is not `user:password`,
            or the port cannot be used.
    """
    check_access(settings)
    listener = _listen(settings.host, settings.port)
    from gpen_ui.ui.scratch import own_folder

    try:
        with own_folder() as scratch, _terminated_in_order():
            _run(settings, scratch, listener, on_ready)
    finally:
        listener.close()


def _run(settings: Settings, scratch: Path, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
    import uvicorn

    from gpen_ui.ui.patience import CONNECTIONS_MOST, REST_S, HeadsInTime
    from gpen_ui.ui.refusals import few_warnings
    from gpen_ui.ui.service import Service

    service = Service(settings, scratch)
    app = build_app(service, settings)
    service.begin()
    _go_on(service, settings)

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            service.stop_runs()
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # open pages are cut off, which is no error
            await super().shutdown(sockets)

    server = Server(
        uvicorn.Config(
            app,
            http=HeadsInTime,
            ws="none",
            log_level="warning",
            proxy_headers=False,  # the application itself says which proxies are believed (`ProxiesOnly`)
            timeout_keep_alive=REST_S,
            limit_concurrency=CONNECTIONS_MOST,
            timeout_graceful_shutdown=2,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(few_warnings)
    if on_ready is not None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        on_ready(f"http://{host}:{listener.getsockname()[1]}")
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # how a server is ended by hand
    finally:
        service.close()


def _go_on(service: Service, settings: Settings) -> None:
    """Takes up the runs that were at work when the server before this one ended. Without a store there is the page
    still; REST and the batch tab say what is wrong."""
    from gpen_ui.api import sweep_uploads

    try:
        if service.runs.store.why is not None:
            log.warning("%s", service.runs.store.why.sentence("en"))
        sweep_uploads(service, settings)
        service.runs.pick_up()
    except GpenError as error:
        log.error("%s", error)


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """SIGTERM ends the process through its `finally` clauses, as an interrupt does."""

    def leave(*_: object) -> None:
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_access(settings: Settings) -> None:
    """Refuses to open the page to other machines without a password, or without a token that closes it to browsers.

    Raises:
        SettingsError: see `serve`.
    """
    if settings.auth is None:
        if not settings.serves_only_this_machine and settings.api_token is None:
            raise SettingsError("page_auth_missing", host=settings.host)
        return
    user, colon, password = settings.auth.partition(":")
    if not (user and colon and password):
        raise SettingsError("page_auth_form")


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; bound before the model is loaded, so that a taken port is known at once."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError("page_port_taken", host=host, port=port, reason=reason) from error


def build_app(service: Service, settings: Settings) -> FastAPI:
    """The whole web application: the page in each language and REST, behind password and token where there are any.

    Gradio's cache is put into the service's scratch folder, through the environment variable that Gradio reads.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read at each use; the argument of Blocks does not reach all
    os.environ["GRADIO_TEMP_DIR"] = str(service.scratch)
    import gradio as gr
    from fastapi import FastAPI
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from gpen_ui.api import PREFIX, build_api
    from gpen_ui.ui.doors import Doors
    from gpen_ui.ui.look import SCRIPTS, stylesheet, theme, toast_titles
    from gpen_ui.ui.model_files import add_model_routes
    from gpen_ui.ui.outside import ProxiesOnly, SeenFromOutside, believed_proxies
    from gpen_ui.ui.page import build_page
    from gpen_ui.ui.patience import EVENTS_WAITING_MOST, BodiesInTime
    from gpen_ui.ui.refusals import RefusalsLogged
    from gpen_ui.ui.run_files import add_picture_routes, add_run_routes, add_web_routes
    from gpen_ui.ui.shield import Gate, IndexPage, OwnSiteOnly, SafeHeaders

    app = FastAPI(title="GPEN UI", openapi_url=None, docs_url=None, redoc_url=None)
    _add_language_routes(app)
    app.mount(PREFIX, build_api(service, settings))
    add_run_routes(app, service)
    add_picture_routes(app, service)
    add_web_routes(app)
    add_model_routes(app, service)
    events: dict[str, dict[int, int]] = {}
    for language in LANGUAGES:
        page = build_page(service, language).queue(max_size=EVENTS_WAITING_MOST)
        gr.mount_gradio_app(
            app,
            page,
            path=f"/{language}",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=f"{settings.upload_mb}mb",
            allowed_paths=[],
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=theme(),
            css=toast_titles(language),
            css_paths=stylesheet(),
            head=SCRIPTS,
        )
        # Gradio only checks the paths that a request names for uploads after this is set, and a mount does not set it.
        page.has_launched = True
        events[language] = {  # a step without a function is a script's, which the browser runs alone
            number: len(step.inputs) for number, step in page.fns.items() if step.fn is not None
        }
    app.add_middleware(SeenFromOutside)
    app.add_middleware(IndexPage)
    app.add_middleware(Doors, settings=settings, scratch=service.temporary, events=events)
    app.add_middleware(BodiesInTime)
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(OwnSiteOnly, settings=settings)
    app.add_middleware(SafeHeaders)
    app.add_middleware(RefusalsLogged)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=believed_proxies())
    app.add_middleware(ProxiesOnly, believed=believed_proxies())
    return app


def _add_language_routes(app: FastAPI) -> None:
    """`/` leads to the page in the visitor's language; `/language/zh` changes it and remembers that."""
    from starlette.requests import Request
    from starlette.responses import JSONResponse, RedirectResponse

    def spoken(request: Request) -> Language:
        return chosen_language(request.cookies, request.headers.get("accept-language"))

    def start(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{spoken(request)}/")

    def change(request: Request) -> RedirectResponse:
        known: Language = next((each for each in LANGUAGES if each == request.path_params["language"]), "en")
        answer = RedirectResponse(f"../{known}/", status_code=303)
        answer.set_cookie(LANGUAGE_COOKIE, known, max_age=LANGUAGE_KEPT_S, httponly=True, samesite="lax")
        return answer

    def not_found(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": say("page.not_found", spoken(request))}, status_code=404)

    def broken(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": say("page.unexpected", spoken(request))}, status_code=500)

    app.add_route("/", start)
    app.add_route("/language/{language}", change)
    app.add_exception_handler(404, not_found)
    app.add_exception_handler(500, broken)


def chosen_language(cookies: dict[str, str], accept_language: str | None) -> Language:
    """What the visitor chose before, else what the browser asks for."""
    remembered = cookies.get(LANGUAGE_COOKIE)
    return next((each for each in LANGUAGES if each == remembered), None) or pick_language(accept_language)
