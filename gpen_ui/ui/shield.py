"""What stands around every request: password and token, the refusal of what other sites send, headers that browsers
heed, and the language of Gradio's own words.

Plain ASGI, because Gradio's answers are streams that must not be held back.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.settings import LOOPBACK_HOSTS, Settings
from gpen_ui.texts import LANGUAGES, Language, pick_language, say
from gpen_ui.ui.attempts import Attempts
from gpen_ui.ui.refusals import WHY, address_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRONG_PASSWORD_DELAY_S = 1.0  # makes guessing slow
REST_PREFIX = "/api"  # all of it, so that a later version cannot be forgotten
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
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=(), payment=(), usb=()"),
)
# Gradio's page needs scripts inside it and `Function`; but whatever runs there reaches no other place.
PAGE_MAY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    b"worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
# Everything else is a picture, a download or an answer for a program. Opened as a document it runs nothing.
FILE_MAY = b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
DISCARDED_BYTES_MOST = 4 << 30
RUNS_SCRIPTS = (b"text/html", b"text/javascript", b"application/javascript")


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
        self._attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        tries = bool(_header(scope, b"authorization")) and (self._auth is not None or self._token is not None)
        wait_s = self._attempts.wait_s(address_of(scope)) if tries else 0.0
        if wait_s > 0:  # also a right one is not looked at, else waiting would hinder nobody who guesses
            await self._put_off(scope, receive, send, wait_s)
            return
        shown = self._shown(scope)
        if self._opens(scope, shown):
            await self._app(scope, receive, send)
            return
        if tries and not shown:  # the right password at REST's door is no guess
            self._attempts.note_failure(address_of(scope))
            await asyncio.sleep(WRONG_PASSWORD_DELAY_S)
        if not _is_rest(scope):
            login = say("page.login", _language(scope))
            realm = say("page.login").replace('"', "'")
            challenge = f'Basic realm="{realm}", charset="UTF-8"' if self._auth else "Bearer"
            await _refuse(scope, receive, send, 401, login, {"WWW-Authenticate": challenge})
        elif self._token is None and not self._is_local:
            await refuse_by(scope, receive, send, UsageError("api_token_missing"))
        else:
            challenge = "Bearer" if self._token else "Basic"
            await refuse_by(scope, receive, send, UsageError("api_token_wrong"), {"WWW-Authenticate": challenge})

    async def _put_off(self, scope: Scope, receive: Receive, send: Send, wait_s: float) -> None:
        seconds = math.ceil(wait_s)
        error = UsageError("login_too_often", seconds=seconds)
        await refuse_by(scope, receive, send, error, {"Retry-After": str(seconds)})

    def _shown(self, scope: Scope) -> str:
        """Which right secret the request shows: "token", "password" or none."""
        kind, _, given = _header(scope, b"authorization").partition(b" ")
        if self._token is not None and kind.lower() == b"bearer" and _same(given.strip(), self._token):
            return "token"
        if self._auth is not None and kind.lower() == b"basic" and _same(_unpacked(given), self._auth):
            return "password"
        return ""

    def _opens(self, scope: Scope, shown: str) -> bool:
        if shown == "token":
            return True
        if _is_rest(scope) and (self._token is not None or not self._is_local):
            return False
        return self._is_local if self._auth is None else shown == "password"


class OwnSiteOnly:
    """Refuses what other sites make a visitor's browser send.

    Without a password everything here is open to whoever reaches it, and a browser on this machine does. So no request
    may come under a name that another site has pointed here (DNS rebinding), and of another site's page nothing may
    come but a link to here that a person follows: no form, no fetch, no picture, no frame, no stream, no socket.
    Gradio alone answers every site's script with the visitor's password, unless it is served as `localhost`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._checks_host = settings.auth is None and settings.serves_only_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._trouble(scope) if scope["type"] != "lifespan" else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await refuse_by(scope, receive, send, error)

    def _trouble(self, scope: Scope) -> GpenError | None:
        host = _header(scope, b"host").decode("latin-1").lower()
        if self._checks_host and host and _without_port(host) not in LOOPBACK_HOSTS:
            return UsageError("api_host_unknown", host=host, known=", ".join(LOOPBACK_HOSTS))
        if self._is_of_another(scope, host) and not _is_followed_link(scope):
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
    """Adds headers against sniffing, framing by other sites, leaking addresses, and scripts in what visitors sent.
    Takes away those with which Gradio lets other sites read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _safe(message["headers"])
                if message["status"] >= 400 and not _has_end(scope):  # nobody waits for the rest of it
                    message["headers"].append((b"connection", b"close"))
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


def _safe(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if not name.lower().startswith(b"access-control-")]
    said = {name.lower(): value for name, value in kept}
    if b"content-security-policy" not in said:
        runs = said.get(b"content-type", b"").lower().startswith(RUNS_SCRIPTS)
        kept.append((b"content-security-policy", PAGE_MAY if runs else FILE_MAY))
    return [*kept, *SAFE_HEADERS]


def _has_end(scope: Scope) -> bool:
    """Whether the rest of a refused body may come in, unread: a client that is cut off does not see why."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return True
    length = _header(scope, b"content-length")
    return length.isdigit() and len(length) < 20 and int(length) <= DISCARDED_BYTES_MOST


def _is_followed_link(scope: Scope) -> bool:
    """Whether a browser opens this as a page of its own; an older one, which does not say so, sends no Origin then."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    mode, place = _header(scope, b"sec-fetch-mode"), _header(scope, b"sec-fetch-dest")
    return (mode, place) == (b"navigate", b"document")


async def refuse_by(
    scope: Scope, receive: Receive, send: Send, error: GpenError, headers: dict[str, str] | None = None
) -> None:
    """Answers with an error: in REST's form there, elsewhere as a sentence."""
    from gpen_ui.api import error_answer

    scope[WHY] = error.key.removeprefix("error.")
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
        await receive()
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


def _same(given: bytes, right: bytes) -> bool:
    """Whether both are equal, in a time that tells neither the place of the first difference nor the length."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(right).digest())


def _unpacked(packed: bytes) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except binascii.Error:
        return b""


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope.get("headers", ()) if name == wanted), b"")
