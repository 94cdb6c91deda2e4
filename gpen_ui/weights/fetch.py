"""One address -> bytes in a `.part` file: resumed where it broke off, checked against what the server announced."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpen_ui.errors import Stopped
from gpen_ui.paths import shown

if TYPE_CHECKING:
    import httpx

OnProgress = Callable[[int, int | None, str], None]  # bytes done, bytes in all or None, the source's host

CONNECT_S = 15.0
STALL_S = 30.0  # without a single byte
_MOST_BYTES = 4 << 30  # where no length is known: an endless answer must not fill the disk
_TRIES_WITHOUT_PROGRESS = 2
_MOST_TRIES = 30
_PAUSE_S = 0.5  # between two tries
_WATCH_S = 0.1  # how often a download looks whether the user stopped it


class SourceProblem(Exception):  # noqa: N818 - a reason, told inside the sentence of a DownloadError
    """Why one source gave nothing.

    Attributes:
        key: of the text `download.<key>`.
        detail: numbers or the library's own words.
        retry: another try may go on.
    """

    def __init__(self, key: str, detail: str = "", *, retry: bool = False) -> None:
        super().__init__(key, detail)
        self.key = key
        self.detail = detail
        self.retry = retry


def host_of(url: str) -> str:
    """The part of an address that may stand in messages: no user, password or signed query."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or url


@dataclass
class Fetch:
    """One download from one source.

    Attributes:
        part: collects the bytes; `<part>.json` beside it remembers which address and version they are of.
        expected_bytes: of the catalogue; None where it is not known.
        same_bytes_everywhere: the file's hash is known, so bytes of any source may be continued; else only those of
            this source, and only when it names its versions.
    """

    url: str
    part: Path
    expected_bytes: int | None
    same_bytes_everywhere: bool
    stall_s: float
    on_progress: OnProgress | None
    stop: threading.Event | None
    _ranges_work: bool = True

    def run(self) -> bool:
        """Collects all bytes.

        Returns:
            Whether some of them were there before.

        Raises:
            SourceProblem: this source does not give the file.
            Stopped: `stop` was set; what is there stays for the next time.
            OSError: the disk.
        """
        resumed = self._usable_bytes() > 0
        left = _TRIES_WITHOUT_PROGRESS
        for number in itertools.count(1):
            before = _length(self.part)
            try:
                self._once()
                break
            except SourceProblem as problem:
                self._check_stop()
                left = _TRIES_WITHOUT_PROGRESS if _length(self.part) > before else left - 1
                if not problem.retry or left == 0 or number == _MOST_TRIES:
                    raise
                (self.stop or threading.Event()).wait(_PAUSE_S)
        return resumed

    def _once(self) -> None:
        import httpx

        self._check_stop()
        offset = self._usable_bytes()
        if offset and offset == self.expected_bytes:
            return  # a process ended between the last byte and the check
        headers = {"Accept-Encoding": "identity", "User-Agent": "gpen-ui"}
        if offset and self._ranges_work:
            headers["Range"] = f"bytes={offset}-"
            if validator := self._memory().get("validator"):
                headers["If-Range"] = validator
        timeout = httpx.Timeout(self.stall_s, connect=min(CONNECT_S, self.stall_s))
        with (
            _foreign_errors(),
            httpx.Client(follow_redirects=True, timeout=timeout) as client,
            client.stream("GET", self.url, headers=headers) as response,
            _ended_by(self.stop, response),
        ):
            self._receive(response, offset)

    def _receive(self, response: httpx.Response, offset: int) -> None:
        if response.status_code == 416:
            if response.headers.get("content-range") != f"bytes */{offset}":
                raise self._range_problem()
            if self.expected_bytes not in (None, offset):
                raise SourceProblem("length", f"{offset} / {self.expected_bytes}")
            return  # all of it is here already
        if response.status_code not in (200, 206):
            raise SourceProblem("status", f"HTTP {response.status_code}", retry=response.status_code >= 500)
        if "text/html" in response.headers.get("content-type", ""):
            raise SourceProblem("web_page")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise SourceProblem("encoding", response.headers["content-encoding"])
        start, total = _announced(response)
        other_version = start > 0 and self._memory().get("total", str(total)) != str(total)
        if start not in (0, offset) or other_version:
            raise self._range_problem()
        if total is not None and self.expected_bytes not in (None, total):
            raise SourceProblem("length", f"{total} / {self.expected_bytes}")
        self._remember(response, total)
        self._write(response, start, total)

    def _write(self, response: httpx.Response, start: int, total: int | None) -> None:
        most = total or self.expected_bytes or _MOST_BYTES
        host, done = host_of(self.url), start
        with self.part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            self._tell(done, total, host)
            for block in response.iter_raw():  # as it arrives: a larger block would be lost when the line breaks
                done += len(block)
                if done > most:
                    raise SourceProblem("length", f"> {most}")
                stream.write(block)
                self._tell(done, total, host)
                self._check_stop()
            stream.flush()
            os.fsync(stream.fileno())
        self._check_stop()
        wanted = total if total is not None else self.expected_bytes
        if wanted is not None and done < wanted:
            raise SourceProblem("cut", f"{done} / {wanted}", retry=True)

    def _tell(self, done: int, total: int | None, host: str) -> None:
        if self.on_progress is not None:
            self.on_progress(done, total if total is not None else self.expected_bytes, host)

    def _check_stop(self) -> None:
        if self.stop is not None and self.stop.is_set():
            name = shown(self.part.name.removesuffix(".part"))
            raise Stopped("download_stopped", name=name)

    def _usable_bytes(self) -> int:
        """Bytes of the part that this source may continue; a part of anything else is thrown away."""
        length = _length(self.part)
        if length and not self.same_bytes_everywhere and not self._memory().get("validator"):
            self._forget()
            return 0
        if self.expected_bytes is not None and length > self.expected_bytes:
            self._forget()
            return 0
        return length

    @property
    def _notes(self) -> Path:
        return notes_path(self.part)

    def _memory(self) -> dict[str, str]:
        try:
            memory = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(memory, dict) or memory.get("url") != self.url:
            return {}  # another source's validator says nothing here
        return {str(key): value for key, value in memory.items() if isinstance(value, str)}

    def _remember(self, response: httpx.Response, total: int | None) -> None:
        etag = response.headers.get("etag", "")
        strong = etag if etag and not etag.startswith("W/") else ""  # RFC 9110 section 13.1.5: weak ones may not resume
        validator = strong or response.headers.get("last-modified", "")
        memory = {"url": self.url, "validator": validator, "total": str(total)}
        self._notes.write_text(json.dumps(memory), encoding="utf-8")

    def _range_problem(self) -> SourceProblem:
        """What is here does not fit the answer: start over and ask for no ranges again."""
        self._forget()
        self._ranges_work = False
        return SourceProblem("range", retry=True)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)


def notes_path(part: Path) -> Path:
    """The file beside a part that says where its bytes came from."""
    return part.with_name(part.name + ".json")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _announced(response: httpx.Response) -> tuple[int, int | None]:
    """Where the answer's bytes start and how long the whole file is, None where the server does not say."""
    try:
        if response.status_code == 200:
            length = response.headers.get("content-length")
            return 0, int(length) if length is not None else None
        span, _, total = response.headers.get("content-range", "").removeprefix("bytes ").partition("/")
        return int(span.partition("-")[0]), None if total == "*" else int(total)
    except ValueError:
        raise SourceProblem("range", retry=False) from None


@contextmanager
def _ended_by(stop: threading.Event | None, response: httpx.Response) -> Iterator[None]:
    """Ends a silent connection when the user stops: without it, stopping would wait for the server or the time-out."""
    if stop is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_S):
            if stop.is_set():
                wire = response.extensions["network_stream"].get_extra_info("socket")
                if wire is not None:
                    with suppress(OSError):  # it ended by itself in this moment
                        wire.shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, name="download-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def _foreign_errors() -> Iterator[None]:
    """httpx's errors become reasons."""
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        connecting = isinstance(error, httpx.ConnectTimeout)
        raise SourceProblem("no_answer" if connecting else "stalled", retry=not connecting) from error
    except httpx.RemoteProtocolError as error:
        raise SourceProblem("cut", retry=True) from error
    except httpx.ProxyError as error:
        raise SourceProblem("proxy", _words(error)) from error
    except (httpx.ReadError, httpx.WriteError) as error:
        raise SourceProblem("cut", str(error), retry=True) from error
    except httpx.TransportError as error:
        raise SourceProblem("connect", str(error) or type(error).__name__) from error
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:  # SOCKS needs a library
        raise SourceProblem("connect", _words(error)) from error


def _words(error: Exception) -> str:
    """The library's own words without the error's number."""
    return re.sub(r"^\[Errno [^]]*] ", "", str(error)) or type(error).__name__
