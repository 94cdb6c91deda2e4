"""The doors of Gradio's page that are open: those that our page uses, with what may come through each.

Of 58 routes of Gradio 6.31 twenty-two are open. The others are a proxy to other sites, recording, an editor of the
program, monitoring, custom components and the like. None is known as a hole today; a closed one cannot become one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpen_ui.access import is_within
from gpen_ui.errors import GpenError, UsageError
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES
from gpen_ui.ui.refusals import address_of, log_refusal
from gpen_ui.ui.scratch import Scratch
from gpen_ui.ui.shield import refuse_by

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MB = 1 << 20
EVENT_MB = 2  # of one event of the page: its values, never a file
FORM_MB = 1  # of an upload beside its files: names and boundaries
_PAGE = re.compile(rf"/({'|'.join(LANGUAGES)})(/.*)")
_FILE = "/gradio_api/file="
_EVENT = ("/gradio_api/queue/join", "/gradio_api/run/predict")
_UPLOAD = "/gradio_api/upload"
_STREAM = "/gradio_api/queue/data"
_GET = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/(assets|static|svelte)/.+|"
    r"/gradio_api/(info/?|theme\.css|app_id/?|startup-events|queue/data|queue/status|upload_progress|heartbeat/[^/]+)"
)
_POST = re.compile(r"/gradio_api/(reset/?|cancel)")
# Half of a character that JSON writes as two: what repeats it cannot be sent. Browsers send whole ones as they are.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_RANGE = re.compile(rb"bytes=\d{0,18}-\d{0,18}")


class Doors:
    """Lets through what the page itself sends.

    A file is sent only from the folder of temporary files, links followed. An event may name only files in it: Gradio
    checks a path, but fetches an address.

    Args:
        events: how many values each event takes, by its number, for each language.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, scratch: Scratch, events: Mapping[str, Mapping[int, int]]
    ) -> None:
        self._app = app
        self._events = events
        self._settings = settings
        self._scratch = scratch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PAGE.fullmatch(str(scope.get("path", ""))) if scope["type"] in ("http", "websocket") else None
        if found is None:
            await self._app(scope, receive, send)
            return
        path = found[2]
        try:
            if scope["type"] == "http" and scope["method"] == "POST" and path in _EVENT:
                receive = await self._checked_event(self._events[found[1]], receive)
            elif scope["type"] == "http" and scope["method"] == "POST" and path == _UPLOAD:
                await self._upload(scope, receive, send)
                return
            elif scope["type"] == "http" and scope["method"] == "GET" and path == _STREAM:
                await self._stream(scope, receive, send)
                return
            else:
                self._must_be_open(scope, path)
        except GpenError as error:
            await refuse_by(scope, receive, send, error)
            return
        await self._app(scope, receive, send)

    def _must_be_open(self, scope: Scope, path: str) -> None:
        method = scope["method"] if scope["type"] == "http" else ""
        if method in ("GET", "HEAD") and path.startswith(_FILE):
            if not self._is_temporary(path.removeprefix(_FILE)):
                raise UsageError("page_file_outside")
            ranges = [value for name, value in scope["headers"] if name == b"range"]
            if not all(_RANGE.fullmatch(each) for each in ranges):
                raise UsageError("page_event_broken")
        elif not (method in ("GET", "HEAD") and _GET.fullmatch(path)) and not (method == "POST" and _POST.match(path)):
            raise UsageError("page_route_closed")

    def _is_temporary(self, text: str) -> bool:
        path = Path(text)
        return path.is_absolute() and is_within(path, (self._scratch.folder,))

    async def _checked_event(self, known: Mapping[int, int], receive: Receive) -> Receive:
        """The request again, after its body was read whole and found harmless.

        Raises:
            UsageError: it is too long, no event, or names what was not uploaded.
        """
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
            if len(body) > EVENT_MB * MB:
                raise UsageError("page_body_too_large", most=EVENT_MB)
        try:
            values = json.loads(body)
            if _HALF.search(body):
                json.dumps(values, ensure_ascii=False).encode("utf-8")
            named = list(_named_files(values))
        except (ValueError, RecursionError) as error:
            raise UsageError("page_event_broken") from error
        if not _is_event(values, known):
            raise UsageError("page_event_broken")
        for name in named:
            if not isinstance(name, str) or not self._is_temporary(name):
                raise UsageError("page_upload_outside", name=Path(str(name)[:100].replace("\0", "")).name)
        unread = True

        async def again() -> Message:
            nonlocal unread
            if not unread:
                return await receive()
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}

        return again

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The events of a session. Where there is no such session Gradio says so in the stream, and then raises."""
        from starlette.exceptions import HTTPException

        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            log_refusal(f"GET {scope['path']}", address_of(scope), str(error.__cause__.status_code))
            await send({"type": "http.response.body", "body": b""})

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Makes room and counts the bytes: Gradio limits each file, but not how many there are."""
        from starlette.concurrency import run_in_threadpool

        most_mb = self._settings.submission_mb + FORM_MB
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"").decode(
            "latin-1"
        )
        size = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        if size > most_mb * MB or len(announced) >= 20:
            raise UsageError("page_body_too_large", most=most_mb)
        await run_in_threadpool(self._scratch.make_room, size)
        count, too_large, answered = 0, False, False

        async def counted() -> Message:
            nonlocal count, too_large
            message = await receive()
            count += len(message.get("body", b""))
            if count > most_mb * MB:
                too_large = True
                return {"type": "http.disconnect"}
            return message

        async def guarded(message: Message) -> None:
            nonlocal answered
            if not too_large:
                answered = True
                await send(message)

        try:
            await self._app(scope, counted, guarded)
        except Exception:
            if not too_large:
                raise
        if too_large and not answered:
            await refuse_by(scope, receive, send, UsageError("page_body_too_large", most=most_mb))


def _is_event(values: Any, known: Mapping[int, int]) -> bool:
    """Whether it has the form in which Gradio takes events; what it lacks would end there in a traceback."""
    if not isinstance(values, dict) or not isinstance(values.get("data"), list):
        return False
    number, session, about = values.get("fn_index"), values.get("session_hash"), values.get("event_data")
    if not isinstance(number, int) or isinstance(number, bool) or known.get(number) != len(values["data"]):
        return False
    # A checkbox tells of its change by a truth value, a field by its text; what clicks in panels tell is an object.
    told = isinstance(about, dict | list | str | int | float | None)
    return isinstance(session, str) and 0 < len(session) <= 64 and told


def _named_files(values: Any) -> Iterator[Any]:
    """What an event calls the path of a file, however deep."""
    todo = [values]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            if "path" in each:
                yield each["path"]
            todo += each.values()
        elif isinstance(each, list):
            todo += each
