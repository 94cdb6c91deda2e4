"""Getting a model's file from the first source that gives the right bytes."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gpen_ui.catalog import ModelSpec
from gpen_ui.errors import CheckpointError, DownloadError, Stopped, reason_of
from gpen_ui.paths import shown
from gpen_ui.texts import Language, say
from gpen_ui.weights.fetch import STALL_S, Fetch, OnProgress, SourceProblem, host_of, notes_path
from gpen_ui.weights.files import PART_SUFFIX, set_aside
from gpen_ui.weights.find import model_path
from gpen_ui.weights.state import ModelState, check_model, part_path, verify_model

_LOCK_WAIT_S = 0.3


class _Failure(NamedTuple):
    """What one source answered: a reason of `fetch`, or what was wrong with the file it gave."""

    host: str
    reason: SourceProblem | CheckpointError

    def sentence(self, language: Language) -> str:
        if isinstance(self.reason, CheckpointError):
            what = self.reason.sentence(language).replace(PART_SUFFIX, "")
            return f"{self.host}: {re.split(r'[.;:] |[。：]', what)[0]}"  # what it is, without the advice
        detail = f" ({self.reason.detail})" if self.reason.detail else ""
        return f"{self.host}: {say(f'download.{self.reason.key}', language)}{detail}"


class NoSourceError(DownloadError):
    """Every source failed; the sentence names each with its reason."""

    def sentence(self, language: Language) -> str:
        failures: tuple[_Failure, ...] = self.values["failures"]  # type: ignore[assignment]
        reasons = "; ".join(failure.sentence(language) for failure in failures)
        return say(self.key, language, **{**self.values, "reasons": reasons, "count": len(failures)})


def download_model(
    spec: ModelSpec,
    models_folder: Path,
    *,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
    stall_s: float = STALL_S,
) -> Path:
    """Downloads a model unless it is there already, and checks it: by its SHA-256, or by loading it.

    An interrupted download goes on where it stopped. Proxies of the environment are used. A wrong file in the model's
    place is renamed to `.old` once the right one is there. Of several processes one downloads and the others wait.

    Args:
        on_progress: called with the bytes that are there, all bytes or None, and the source's host.
        stop: checked between the blocks that arrive.
        stall_s: a source that sends nothing for so long is left.

    Returns:
        The file.

    Raises:
        DownloadError: no source gave the right bytes, or the disk is full or read-only.
        Stopped: `stop` was set; the next call goes on from there.
    """
    path = model_path(spec, models_folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(path, spec, stop):
            if verify_model(spec, models_folder) != ModelState.PRESENT:
                _check_space(spec, path)
                _from_some_source(spec, path, on_progress, stop, stall_s)
            return path
    except OSError as error:
        raise _disk_error(error, spec, path.parent) from error


def _from_some_source(
    spec: ModelSpec, path: Path, on_progress: OnProgress | None, stop: threading.Event | None, stall_s: float
) -> None:
    if not spec.sources:
        raise DownloadError("download_no_source", name=spec.name)
    part, failures = part_path(path), []
    for url in spec.sources:
        fetch = Fetch(url, part, spec.bytes, spec.sha256 is not None, stall_s, on_progress, stop)
        try:
            _fetched_and_checked(fetch, spec)
        except (SourceProblem, CheckpointError) as reason:
            failures.append(_Failure(host_of(url), reason))
            continue
        if path.exists():
            set_aside(path)
        part.replace(path)
        notes_path(part).unlink(missing_ok=True)
        return
    raise NoSourceError("download_failed", name=spec.name, folder=shown(path.parent), failures=tuple(failures))


def _fetched_and_checked(fetch: Fetch, spec: ModelSpec) -> None:
    while True:
        resumed = fetch.run()
        try:
            return check_model(spec, fetch.part)
        except CheckpointError:
            fetch.part.unlink(missing_ok=True)
            notes_path(fetch.part).unlink(missing_ok=True)
            if not resumed:  # else the older bytes may be the wrong ones: once more from the start
                raise


@contextmanager
def _only_one(path: Path, spec: ModelSpec, stop: threading.Event | None) -> Iterator[None]:
    """Holds the model's lock; the system frees it when a process ends in whatever way."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            with lock.acquire(timeout=_LOCK_WAIT_S):
                yield
                return
        except Timeout:
            if stop is not None and stop.is_set():
                raise Stopped("download_stopped", name=spec.file) from None


def _check_space(spec: ModelSpec, path: Path) -> None:
    part = part_path(path)
    needed = (spec.bytes or 0) - (part.stat().st_size if part.is_file() else 0)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, "No space left on device")


def _disk_error(error: OSError, spec: ModelSpec, folder: Path) -> DownloadError:
    facts = {"name": spec.name, "folder": shown(folder)}
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError("download_disk_full", megabytes=round((spec.bytes or 0) / 1e6) or "?", **facts)
    return DownloadError("download_not_written", reason=reason_of(error), **facts)
