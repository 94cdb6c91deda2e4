"""The results of a run and its report as one zip, made while it is sent: neither memory nor disk holds the whole."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from gpen_ui.jobs.report import photos_of, report_csv, report_json
from gpen_ui.jobs.sheet import contact_sheet
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import RunRecord
from gpen_ui.paths import shown
from gpen_ui.texts import Language

BLOCK_BYTES = 1 << 18
REPORT_NAME = "report"  # .json, .csv, .html at the top of the archive
REPORT_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
FILE_TYPES = {**REPORT_TYPES, "zip": "application/zip"}  # everything that a run gives as one file
_WRITERS = {"json": report_json, "csv": report_csv, "html": contact_sheet}


def run_file(store: RunStore, run: RunRecord, form: str, language: Language) -> Iterator[bytes]:
    """The report of a run, or all its results, as the bytes of one file, made while they are taken.

    Args:
        form: one of `FILE_TYPES`.
    """
    if form == "zip":
        yield from stream_zip(store, run, language)
        return
    for piece in _WRITERS[form](store, run, language):
        yield piece.encode("utf-8", "replace")


def run_file_name(run: RunRecord, form: str) -> str:
    """How such a file is called."""
    return f"gpen-ui-{run.id}.{form}"


class _Sink(io.RawIOBase):
    """A stream that cannot seek; holds what was written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        raise OSError("not seekable")

    def taken(self, at_least: int = 0) -> bytes:
        if self._size < at_least:
            return b""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return data


def stream_zip(store: RunStore, run: RunRecord, language: Language) -> Iterator[bytes]:
    """The bytes of the archive: every result that is there, in its subfolder, then the report in three forms.

    Pictures are stored as they are: they are compressed already.
    """
    sink = _Sink()
    names: set[str] = set()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for photo in photos_of(store, run):
            if photo.state == "done" and photo.result is not None:
                name = _unused(str(PurePosixPath(*photo.subfolder.parts, photo.result.name)), names)
                yield from _add_file(archive, sink, photo.result, name)
        for form in REPORT_TYPES:
            name = _unused(f"{REPORT_NAME}.{form}", names)
            yield from _add_pieces(archive, sink, name, run_file(store, run, form, language))
    yield sink.taken()


def _add_file(archive: zipfile.ZipFile, sink: _Sink, path: Path, name: str) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            facts = path.stat()
            entry = zipfile.ZipInfo(name, _date(facts.st_mtime))
            entry.file_size = facts.st_size
            with archive.open(entry, "w", force_zip64=facts.st_size >= zipfile.ZIP64_LIMIT) as target:
                while block := file.read(BLOCK_BYTES):
                    target.write(block)
                    if data := sink.taken(BLOCK_BYTES):
                        yield data
    except OSError:  # moved away by the user since; the report tells its name
        return


def _add_pieces(archive: zipfile.ZipFile, sink: _Sink, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    entry = zipfile.ZipInfo(name, _date(time.time()))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(entry, "w", force_zip64=True) as target:
        for piece in pieces:
            target.write(piece)
            if data := sink.taken(BLOCK_BYTES):
                yield data


def _unused(name: str, names: set[str]) -> str:
    """The name, or the first like it that the archive does not hold yet, letters of either case; as text."""
    name = shown(name)
    path = PurePosixPath(name)
    number = 1
    while name.casefold() in names:
        number += 1
        name = str(path.with_name(f"{path.stem}_{number}{path.suffix}"))
    names.add(name.casefold())
    return name


def _date(seconds: float) -> tuple[int, int, int, int, int, int]:
    """As zip keeps it, which knows no year before 1980."""
    year, *rest = time.localtime(seconds)[:6]
    return (max(1980, year), rest[0], rest[1], rest[2], rest[3], rest[4])
