"""Requests as their visitor sees them, where a proxy stands in between.

The page refers to everything by relative addresses, but Gradio tells its scripts whole ones, which it makes from the
request. With `X-Forwarded-Host` it forgets the path of the page in them, and of a path that a proxy takes off it knows
nothing. So both headers are put where ASGI has a place for them. Whoever sends them to the server himself gets wrong
addresses, and nobody else does: what may come in was judged before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

NAMES = (b"x-forwarded-host", b"x-forwarded-prefix", b"x-gradio-server")
PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)+")
HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]+")
LONGEST = 255  # bytes of either


class SeenFromOutside:
    """Puts the name that the visitor asked for into `Host`, and the path that a proxy has taken off into `root_path`.

    Innermost, so that everything around it judges the path without the prefix.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = {name: value for name, value in scope["headers"] if name in NAMES}
        headers = [(name, value) for name, value in scope["headers"] if name not in NAMES]
        host = said.get(b"x-forwarded-host", b"").partition(b",")[0].strip()
        if len(host) <= LONGEST and HOST.fullmatch(host):
            headers = [(name, value) for name, value in headers if name != b"host"] + [(b"host", host)]
        seen = {**scope, "headers": headers}
        prefix = said.get(b"x-forwarded-prefix", b"").rstrip(b"/")
        if len(prefix) <= LONGEST and PREFIX.fullmatch(prefix):
            path = prefix.decode("ascii")
            raw = prefix + scope["raw_path"] if scope.get("raw_path") else None
            seen |= {"root_path": path, "path": path + scope["path"], "raw_path": raw}
        await self._app(seen, receive, send)
