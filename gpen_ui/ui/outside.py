"""Requests as their visitor sees them, where a proxy stands in between; and which proxies are believed.

The page refers to everything by relative addresses, but Gradio tells its scripts whole ones, which it makes from the
request. With `X-Forwarded-Host` it forgets the path of the page in them, and of a path that a proxy takes off it knows
nothing. So both headers are put where ASGI has a place for them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING

from gpen_ui.ui.refusals import WHY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BELIEVED = "FORWARDED_ALLOW_IPS"  # the variable of uvicorn: addresses and networks, or * for everybody
THIS_MACHINE = "127.0.0.1,::1"
SAID_BY_PROXIES = re.compile(rb"x-forwarded-.+|x-real-ip|forwarded|x-gradio-server", re.DOTALL)
NAMES = (b"x-forwarded-host", b"x-forwarded-prefix", b"x-gradio-server")
PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)+")
HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]+")
LONGEST = 255  # bytes of either


def believed_proxies() -> list[str]:
    """The proxies that may say what a visitor asked for: those of the variable, else this machine's."""
    named = os.environ.get(BELIEVED, THIS_MACHINE).split(",")
    return [each.strip() for each in named if each.strip()]


class ProxiesOnly:
    """Takes away what only a proxy may say from everybody else's requests.

    Outermost, where the address of a request is still that of the connection.

    Args:
        believed: as `believed_proxies` gives them.
    """

    def __init__(self, app: ASGIApp, believed: list[str]) -> None:
        self._app = app
        self._names = frozenset(believed)
        self._networks = [network for each in believed for network in _network(each)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self._is_believed(scope):
            headers = [each for each in scope["headers"] if not SAID_BY_PROXIES.fullmatch(each[0])]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)

    def _is_believed(self, scope: Scope) -> bool:
        client = scope.get("client")
        host = str(client[0]) if client else ""
        if "*" in self._names or host in self._names:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _network(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(text)]
    except ValueError:
        return []


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

        async def with_why(message: Message) -> None:
            if WHY in seen:  # for the log of refusals, which looks at the request as it came
                scope[WHY] = seen[WHY]
            await send(message)

        await self._app(seen, receive, with_why)
