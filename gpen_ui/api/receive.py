"""Uploads: a multipart form is taken off the wire and written to the disk as it comes, under a limit at every step.

Starlette's own form would keep files in the system's folder for temporary files, which is often memory, and knows no
limit for them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from gpen_ui.errors import GpenError, PhotoWriteError, Stopped, UsageError, reason_of
from gpen_ui.paths import shown

MB = 1 << 20
FIELD_BYTES_MOST = 16_384  # of one value that is no file
FIELDS_MOST = 64
NAME_BYTES_MOST = 180  # of a file's name; file systems allow 255, and a result's name is longer
_NOT_IN_NAMES = re.compile(r'[/\\<>:"|?*\x00-\x1f\x7f-\x9f]')


@dataclass(frozen=True)
class Limits:
    """What a form may hold."""

    files: int
    file_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Received:
    """A form: files in their order, each in a folder of its own so that equal names stay, and the other values."""

    files: tuple[Path, ...]
    fields: dict[str, str]


async def receive(request: Request, folder: Path, file_field: str, limits: Limits) -> Received:
    """Reads the form of a request.

    Args:
        folder: exists; `1/`, `2/`, ... are made in it, one for each file. The caller removes it when this fails.
        file_field: the name under which files are sent.

    Raises:
        UsageError: it is no such form, too large, or without a file.
        Stopped: the client went away in the middle.
        PhotoWriteError: a file cannot be written.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    boundary = parameters.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UsageError("api_not_multipart", field=file_field)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.total_bytes:
        raise _too_large(limits)
    form = _Form(boundary, folder, file_field, limits)
    try:
        async for chunk in request.stream():
            await run_in_threadpool(form.write, chunk)
        return await run_in_threadpool(form.finish)
    except ClientDisconnect as error:
        raise Stopped("api_client_gone") from error
    except FormParserError as error:
        raise UsageError("api_form_broken", reason=str(error)) from error
    finally:
        form.close()


class _Form:
    """Takes the bytes of a form piece by piece."""

    def __init__(self, boundary: bytes, folder: Path, file_field: str, limits: Limits) -> None:
        self._folder = folder
        self._file_field = file_field
        self._limits = limits
        self._received_bytes = 0
        self._files: list[Path] = []
        self._fields: dict[str, str] = {}
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._name = ""  # of the part that comes in now
        self._value = b""
        self._file: BinaryIO | None = None
        self._file_bytes = 0
        self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._take_header_name,
                "on_header_value": self._take_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._take,
                "on_part_end": self._end,
                "on_end": self._end_form,
            },
        )

    def write(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        if self._received_bytes > self._limits.total_bytes:
            raise _too_large(self._limits)
        self._parser.write(chunk)

    def finish(self) -> Received:
        if not self._is_whole:
            raise UsageError("api_form_broken", reason="the last boundary is missing")
        if not self._files:
            raise UsageError("api_no_file", field=self._file_field)
        return Received(tuple(self._files), self._fields)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._disposition = self._header_name = self._header_value = b""

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _open(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        self._value = b""
        file_name = parameters.get(b"filename")
        if self._name == self._file_field:
            if file_name is None:
                raise UsageError("api_file_as_text", field=self._name)
            if len(self._files) >= self._limits.files:
                raise UsageError("api_too_many_files", most=self._limits.files)
            place = self._folder / str(len(self._files) + 1) / safe_name(file_name.decode("utf-8", "replace"))
            self._files.append(place)
            self._file_bytes = 0
            with _disk(place):
                place.parent.mkdir()
                self._file = place.open("xb")
        elif file_name is not None or len(self._fields) >= FIELDS_MOST:
            raise UsageError("api_field_unknown", name=self._name[:100])

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._value += data[start:end]
            if len(self._value) > FIELD_BYTES_MOST:
                raise UsageError("api_field_long", name=self._name[:100], most=FIELD_BYTES_MOST)
            return
        self._file_bytes += end - start
        if self._file_bytes > self._limits.file_bytes:
            name = shown(self._files[-1].name)
            raise UsageError("api_file_too_large", name=name, most=self._limits.file_bytes // MB)
        with _disk(self._files[-1]):
            self._file.write(data[start:end])

    def _end(self) -> None:
        if self._file is not None:
            with _disk(self._files[-1]):
                self._file.close()
            self._file = None
        else:
            self._fields[self._name] = self._value.decode("utf-8", "replace")

    def _end_form(self) -> None:
        self._is_whole = True


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """What goes wrong with the disk becomes a sentence."""
    try:
        yield
    except OSError as error:
        raise PhotoWriteError("api_upload_unkept", name=path.name, reason=reason_of(error)) from error


def safe_name(sent: str) -> str:
    """A file's name as a client sent it, made one that is safe on every system: no folders, not hidden, not too long.

    Letters of all scripts stay. The end, which tells the kind, stays when the name is cut.
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", sent))[-1]
    name = _NOT_IN_NAMES.sub("_", name).strip(" .")
    stem, dot, end = name.rpartition(".")
    if not dot or len(end) > 8:
        stem, dot, end = name, "", ""
    room = NAME_BYTES_MOST - len(f"{dot}{end}".encode())
    stem = stem.encode("utf-8", "ignore")[:room].decode("utf-8", "ignore").rstrip(" .")
    return f"{stem or 'photo'}{dot}{end}"


def _too_large(limits: Limits) -> GpenError:
    return UsageError("api_upload_too_large", most=limits.total_bytes // MB)
