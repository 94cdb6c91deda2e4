"""The log of what was refused: one line each, with what was asked and from where, and never a secret.

Only the path of an address is written, because the rest of it may carry a key; and it is written as an ASCII literal,
so that no line break or colour code of a visitor gets into the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("gpen_ui.refused")

LONGEST = 200  # characters of a path
LINES_A_MINUTE = 300  # more would let a visitor fill the disk; how many were left out is said
WHY = "gpen_ui.why"  # in the scope of a request: the key of the error that it was refused with


class LineLimit:
    """Lets so many lines through in a minute, and counts the rest.

    Args:
        now: seconds that only grow.
    """

    def __init__(self, most: int = LINES_A_MINUTE, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._began_s = now()
        self._lines = self._left_out = 0

    def admit(self) -> tuple[bool, int]:
        """Whether this line may be written, and how many were left out before it that nobody was told of."""
        with self._lock:
            untold = 0
            if self._now() - self._began_s >= 60:
                untold, self._began_s, self._lines, self._left_out = self._left_out, self._now(), 0, 0
            self._lines += 1
            if self._lines > self._most:
                self._left_out += 1
                return False, 0
            return True, untold


_limit = LineLimit()


def log_refusal(what: str, address: str, why: str) -> None:
    """Writes one line.

    Args:
        what: as a visitor sent it.
        address: of the visitor, as far as is known.
        why: an error's key or an HTTP status.
    """
    may, untold = _limit.admit()
    if untold:
        log.warning("refused: %d more that were not written one by one", untold)
    if may:
        log.warning("refused: %s from %s (%s)", ascii(what[:LONGEST]), ascii(address)[1:-1], ascii(why)[1:-1])


def few_warnings(record: logging.LogRecord) -> bool:
    """A filter for the log of uvicorn, which has a line for each broken request: these count with the refusals."""
    return record.levelno > logging.WARNING or _limit.admit()[0]


def address_of(scope: Scope) -> str:
    """Where a request comes from. Behind a proxy on this machine that is what the proxy says (X-Forwarded-For)."""
    client = scope.get("client")
    return str(client[0]) if client else "?"


class RefusalsLogged:
    """Stands around everything and writes down each request that was answered with 4xx, or with 507."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        asked = f"{scope.get('method', scope['type'])} {scope.get('path', '')}"  # before a mount changes it

        async def heard(message: Message) -> None:
            status = message.get("status", 0) if message["type"] == "http.response.start" else 0
            if 400 <= status < 500 or status == 507:
                log_refusal(asked, address_of(scope), " ".join([str(status), scope.get(WHY, "")]).strip())
            elif message["type"] == "websocket.close":
                log_refusal(asked, address_of(scope), "websocket")
            await send(message)

        await self._app(scope, receive, heard)
