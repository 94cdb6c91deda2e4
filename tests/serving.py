"""A local HTTP server with every bad habit of real ones, for the tests of downloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Habits:
    """How the server treats one path.

    Attributes:
        data: the file.
        status: answered instead of the file when it is not 200.
        cuts: for each request in turn, after how many bytes the connection breaks; then it holds.
        stalls: as `cuts`, but the connection stays open and silent.
        ranges: answers Range with 206.
        etag: sent, and compared with If-Range.
        content_length: announced instead of the true one; "none" announces nothing.
        content_type: of the answer.
        shift: a 206 starts so many bytes later than asked.
        redirect: another path to go to.
    """

    data: bytes = b""
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"v1"'
    content_length: int | str | None = None
    content_type: str = "application/octet-stream"
    shift: int = 0
    redirect: str | None = None


class Server(ThreadingHTTPServer):
    """Serves `paths` and remembers the requests as (path, Range, If-Range)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: dict[str, Habits] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


@contextmanager
def running_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked, if_range = self.headers.get("Range"), self.headers.get("If-Range")
        self.server.requests.append((self.path, asked, if_range))
        habits = self.server.paths.get(self.path, Habits(status=404))
        self.close_connection = True
        if habits.redirect is not None:
            self._head(302, {"Location": habits.redirect, "Content-Length": "0"})
        elif habits.status != 200:
            self._head(habits.status, {"Content-Length": "0"})
        else:
            self._file(habits, asked, if_range)

    def _file(self, habits: Habits, asked: str | None, if_range: str | None) -> None:
        start = 0
        if asked and habits.ranges and if_range in (None, habits.etag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        total = len(habits.data)
        if start >= total > 0:
            self._head(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            return
        start += habits.shift if start else 0
        body = habits.data[start:]
        headers = {"Content-Type": habits.content_type, "ETag": habits.etag}
        if habits.content_length != "none":
            headers["Content-Length"] = str(len(body) if habits.content_length is None else habits.content_length)
        if start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self._head(206 if start else 200, headers)
        cut = habits.cuts.pop(0) if habits.cuts else None
        stall = habits.stalls.pop(0) if habits.stalls else None
        end = cut if cut is not None else stall if stall is not None else len(body)
        try:
            self.wfile.write(body[:end])
            self.wfile.flush()
            if stall is not None:
                self.server.closing.wait(20)
        except OSError:
            pass  # the client has gone, as it should

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
