"""What stands around every request: password and token, the refusal of what other sites send, headers that browsers
heed, and the language of Gradio's own words.

Plain ASGI, because Gradio's answers are streams that must not be held back.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.settings import LOOPBACK_HOSTS, Settings
from gpen_ui.texts import LANGUAGES, Language, pick_language, say

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRONG_PASSWORD_DELAY_S = 1.0  # makes guessing slow
REST_PREFIX = "/api"  # all of it, so that a later version cannot be forgotten
HARMLESS_METHODS = ("GET", "HEAD", "OPTIONS")
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


class Gate:
    """Password and token in front of everything: page, REST, uploads and streams.

    The token opens everything; the password opens the page. REST opens to the password, or to nobody's, only while no
    token is set and only this machine is served: a browser sends a password by itself, whoever made it send that.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._auth = settings.auth.encode("utf-8") if settings.auth else None
        self._token = settings.api_token.encode("utf-8") if settings.api_token else None
        self._is_local = settings.serves_only_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._opens(scope):
            await self._app(scope, receive, send)
            return
        if _header(scope, b"authorization"):
            await asyncio.sleep(WRONG_PASSWORD_DELAY_S)
        if not _is_rest(scope):
            login = say("page.login", _language(scope))
            realm = say("page.login").replace('"', "'")
            challenge = f'Basic realm="{realm}", charset="UTF-8"' if self._auth else "Bearer"
            await _refuse(scope, receive, send, 401, login, {"WWW-Authenticate": challenge})
        elif self._token is None and not self._is_local:
            await _refuse_by(scope, receive, send, UsageError("api_token_missing"))
        else:
            challenge = "Bearer" if self._token else "Basic"
            await _refuse_by(scope, receive, send, UsageError("api_token_wrong"), {"WWW-Authenticate": challenge})

    def _opens(self, scope: Scope) -> bool:
        kind, _, given = _header(scope, b"authorization").partition(b" ")
        if self._token is not None and kind.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
            return True
        if _is_rest(scope) and (self._token is not None or not self._is_local):
            return False
        if self._auth is None:
            return self._is_local
        return kind.lower() == b"basic" and hmac.compare_digest(_unpacked(given), self._auth)


class OwnSiteOnly:
    """Refuses what other sites make a visitor's browser send.

    Without a password everything here is open to whoever reaches it, and a browser on this machine does. So no request
    may come under a name that another site has pointed here (DNS rebinding), and nothing that changes something may
    come from another site's page.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._checks_host = settings.auth is None and settings.serves_only_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._trouble(scope) if scope["type"] != "lifespan" else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await _refuse_by(scope, receive, send, error)

    def _trouble(self, scope: Scope) -> GpenError | None:
        host = _header(scope, b"host").decode("latin-1").lower()
        if self._checks_host and host and _without_port(host) not in LOOPBACK_HOSTS:
            return UsageError("api_host_unknown", host=host, known=", ".join(LOOPBACK_HOSTS))
        if scope["type"] == "http" and scope["method"] not in HARMLESS_METHODS and self._is_of_another(scope, host):
            return UsageError("api_origin_other")
        return None

    def _is_of_another(self, scope: Scope, host: str) -> bool:
        """Whether a page of another site sends this; programs that are no browsers say nothing of either kind."""
        said = _header(scope, b"sec-fetch-site")
        if said:
            return said not in (b"same-origin", b"none")
        origin = _header(scope, b"origin").decode("latin-1").lower()
        forwarded = _header(scope, b"x-forwarded-host").decode("latin-1").lower()  # no page can set this one
        own = {name for name in (host, forwarded) if name}
        return bool(origin) and origin.partition("://")[2] not in own


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


async def _refuse_by(
    scope: Scope, receive: Receive, send: Send, error: GpenError, headers: dict[str, str] | None = None
) -> None:
    """Answers with an error: in REST's form there, elsewhere as a sentence."""
    from gpen_ui.api import error_answer

    answer = error_answer(error, _language(scope), headers)
    if _is_rest(scope) and scope["type"] == "http":
        await answer(scope, receive, send)
    else:
        await _refuse(scope, receive, send, answer.status_code, error.sentence(_language(scope)), headers)


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, sentence: str, headers: dict[str, str] | None = None
) -> None:
    from starlette.responses import PlainTextResponse

    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await PlainTextResponse(sentence, status_code=status, headers=headers)(scope, receive, send)


def _is_rest(scope: Scope) -> bool:
    path = str(scope.get("path", ""))
    return path == REST_PREFIX or path.startswith(f"{REST_PREFIX}/")


def _language(scope: Scope) -> Language:
    return pick_language(_header(scope, b"accept-language").decode("latin-1"))


def _without_port(host: str) -> str:
    """The name in a Host header; an address of version 6 stands in brackets there."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _unpacked(packed: bytes) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except binascii.Error:
        return b""


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope.get("headers", ()) if name == wanted), b"")
