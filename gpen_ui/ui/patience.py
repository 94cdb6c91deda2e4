"""How long a client may take. uvicorn (0.54) has limits for connections that rest after an answer, and for how many
there are; one that sends its request letter by letter it waits for without end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from gpen_ui.errors import UsageError
from gpen_ui.ui.shield import refuse_by

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD_S = 30.0  # from the first letter of a request to the end of its headers
BODY_SILENCE_S = 60.0  # between two pieces of a body; an upload through a bad network has pauses
REST_S = 5  # of a connection between two requests
CONNECTIONS_MOST = 800  # an open page has two to six; systems give a process 1024 files and connections by default
EVENTS_WAITING_MOST = 200  # of each page, for one of the 40 threads of Gradio


class HeadsInTime(H11Protocol):
    """Closes a connection whose next request does not come, or does not end.

    h11 also holds at most 64 kB of headers; the quicker parser that uvicorn takes where it is installed has no limit.
    """

    head_s = HEAD_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_at_clock()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look_at_clock()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look_at_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def _look_at_clock(self) -> None:
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering or (cycle is not None and cycle.more_body):  # the rest of a refused upload still comes in
            self._stop_clock()
        if not is_answering and self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.close)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class BodiesInTime:
    """Ends a request whose body stops to come in. What waits for an answer may wait as long as that takes.

    Args:
        silence_s: see `BODY_SILENCE_S`.
    """

    def __init__(self, app: ASGIApp, silence_s: float = BODY_SILENCE_S) -> None:
        self._app = app
        self._silence_s = silence_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more, too_late, answered = True, False, False

        async def in_time() -> Message:
            nonlocal more, too_late
            if too_late:
                return {"type": "http.disconnect"}
            if not more:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._silence_s)
            except TimeoutError:
                too_late = True
                return {"type": "http.disconnect"}
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def unless_too_late(message: Message) -> None:
            nonlocal answered
            if answered or not too_late:
                answered = True
                await send(message)

        try:
            await self._app(scope, in_time, unless_too_late)
        except Exception:
            if not too_late:
                raise
        if too_late and not answered:
            seconds = round(self._silence_s)
            await refuse_by(
                scope, receive, send, UsageError("request_silent", seconds=seconds), {"Connection": "close"}
            )
