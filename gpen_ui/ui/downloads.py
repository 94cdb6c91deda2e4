"""Downloads of models that belong to the server: they go on when a page is closed, and every page sees them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpen_ui.catalog import ModelSpec
from gpen_ui.errors import GpenError, Stopped

log = logging.getLogger(__name__)
AT_ONCE = 2  # more would only share one line; the others wait
LOOK_AGAIN_S = 0.2

State = Literal["waiting", "running", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Progress:
    """Where one download stands.

    Attributes:
        total_bytes: None where nobody says.
        host: the source that sends now; empty before the first byte.
        error: why it failed.
    """

    state: State = "waiting"
    done_bytes: int = 0
    total_bytes: int | None = None
    host: str = ""
    error: Exception | None = None

    @property
    def is_on(self) -> bool:
        return self.state in ("waiting", "running")


class Downloads:
    """All downloads of one server, by the model's name. Safe to use from several threads."""

    def __init__(self, models_folder: Path) -> None:
        self._folder = models_folder
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(AT_ONCE)
        self._progress: dict[str, Progress] = {}
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def start(self, spec: ModelSpec) -> None:
        """Begins a download, or goes on with one; one that is going on is left alone."""
        with self._lock:
            if spec.name in self._progress and self._progress[spec.name].is_on:
                return
            self._progress[spec.name] = Progress()
            stop = self._stops[spec.name] = threading.Event()
            thread = self._threads[spec.name] = threading.Thread(
                target=self._run, args=(spec, stop), name=f"download-{spec.name}", daemon=True
            )
        thread.start()

    def stop(self, name: str) -> None:
        """Ends a download; what has arrived stays for the next time."""
        with self._lock:
            stop = self._stops.get(name)
        if stop is not None:
            stop.set()

    def stop_all(self) -> None:
        with self._lock:
            names = list(self._stops)
        for name in names:
            self.stop(name)

    def wait(self, name: str, timeout_s: float | None = None) -> Progress:
        """How a download ended, or where it stands after so long."""
        thread = self._threads[name]
        thread.join(timeout_s)
        return self.all()[name]

    def all(self) -> dict[str, Progress]:
        """Every download of this server since its start, the oldest first."""
        with self._lock:
            return dict(self._progress)

    @property
    def any_on(self) -> bool:
        return any(progress.is_on for progress in self.all().values())

    def _run(self, spec: ModelSpec, stop: threading.Event) -> None:
        try:
            while not self._slots.acquire(timeout=LOOK_AGAIN_S):
                if stop.is_set():
                    raise Stopped("download_stopped", name=spec.file)
            try:
                self._download(spec, stop)
            finally:
                self._slots.release()
        except Stopped:
            self._note(spec.name, Progress("stopped"))
        except GpenError as error:
            log.warning("%s", error)
            self._note(spec.name, Progress("failed", error=error))
        except Exception as error:
            log.exception("a download ended in a way that nobody foresaw")
            self._note(spec.name, Progress("failed", error=error))
        else:
            self._note(spec.name, Progress("done"))

    def _download(self, spec: ModelSpec, stop: threading.Event) -> None:
        from gpen_ui.weights import download_model

        def advance(done_bytes: int, total_bytes: int | None, host: str) -> None:
            self._note(spec.name, Progress("running", done_bytes, total_bytes, host))

        self._note(spec.name, Progress("running", total_bytes=spec.bytes))
        download_model(spec, self._folder, on_progress=advance, stop=stop)

    def _note(self, name: str, progress: Progress) -> None:
        with self._lock:
            self._progress[name] = progress
