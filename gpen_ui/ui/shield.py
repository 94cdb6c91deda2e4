"""What stands around every request: the password, headers that browsers heed, and the language of Gradio's own words.

Plain ASGI, because Gradio's answers are streams that must not be held back.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from gpen_ui.texts import LANGUAGES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRONG_PASSWORD_DELAY_S = 1.0  # makes guessing slow
HTML_LANGUAGE = {"en": "en", "zh": "zh-CN"}
ICON = (
    b"<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 2 2'%3E"
    b"%3Cpath d='M1 0a1 1 0 0 0 0 2z' fill='%2394a3b8'/%3E%3Cpath d='M1 0a1 1 0 0 1 0 2z' fill='%230d9488'/%3E"
    b'%3C/svg%3E">'
)
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
)


class PasswordGate:
    """HTTP Basic authentication in front of everything, uploads and streams included.

    Args:
        auth: "user:password".
        realm: what the browser's dialogue says.
    """

    def __init__(self, app: ASGIApp, auth: str, realm: str) -> None:
        self._app = app
        self._auth = auth.encode("utf-8")
        self._realm = realm.replace('"', "'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._opens(scope):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        from starlette.responses import PlainTextResponse

        if _header(scope, b"authorization"):
            await asyncio.sleep(WRONG_PASSWORD_DELAY_S)
        challenge = f'Basic realm="{self._realm}", charset="UTF-8"'
        answer = PlainTextResponse(self._realm, status_code=401, headers={"WWW-Authenticate": challenge})
        await answer(scope, receive, send)

    def _opens(self, scope: Scope) -> bool:
        kind, _, packed = _header(scope, b"authorization").partition(b" ")
        if kind.lower() != b"basic":
            return False
        try:
            given = base64.b64decode(packed, validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(given, self._auth)


class SafeHeaders:
    """Adds headers against sniffing, framing by other sites and leaking addresses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class IndexPage:
    """Makes Gradio's own words follow the page's language, and gives the page its icon.

    Gradio takes them from the browser's language, whatever page it shows, and its hooks for scripts run after that.
    So the two index pages, and nothing else, get their language and one line of script at the top. Gradio's link to a
    manifest that it does not serve goes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        language = next((each for each in LANGUAGES if scope.get("path") == f"/{each}/"), None)
        if scope["type"] != "http" or scope["method"] != "GET" or language is None:
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                html = in_language(body, HTML_LANGUAGE[language])
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                headers.append((b"content-length", str(len(html)).encode()))
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": html})

        await self._app({**scope, "headers": plain}, receive, collect)


def in_language(html: bytes, tag: str) -> bytes:
    """Gradio's index page with its language set; returned as it is when it looks otherwise than expected."""
    code = tag.encode()
    script = b"<script>Object.defineProperty(navigator, 'language', {get: () => '%s'})</script>" % code
    html = html.replace(b'<link rel="manifest" href="/manifest.json" />', b"", 1)
    return html.replace(b'lang="en"', b'lang="%s"' % code, 1).replace(b"<head>", b"<head>" + script + ICON, 1)


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope.get("headers", ()) if name == wanted), b"")
