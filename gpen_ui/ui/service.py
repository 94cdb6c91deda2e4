"""What all visitors of the page share: the loaded model, the queue to the device, and each visitor's session."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError, ModelError, Stopped, UsageError
from gpen_ui.options import BatchSize
from gpen_ui.settings import Settings

if TYPE_CHECKING:
    from gpen_ui.engine import DeviceInfo, DeviceReport, Restorer
    from gpen_ui.ui.runs import Outcome, Run

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 0.2  # how soon a waiting run notices that it was stopped


class Turnstile:
    """Lets one run at a time to the device, first come, first served.

    Gradio counts concurrency per page, and there is one page per language; this counts for both.
    """

    def __init__(self) -> None:
        self._tickets: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def is_free(self) -> bool:
        return not self._tickets

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[None]:
        """Waits for its turn and holds it.

        Raises:
            Stopped: `stop` was set while waiting.
        """
        ticket = object()
        try:
            with self._changed:
                self._tickets.append(ticket)
                while self._tickets[0] is not ticket:
                    if stop.is_set():
                        raise Stopped("page_stopped")
                    self._changed.wait(LOOK_AGAIN_S)
            yield
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()


@dataclass(frozen=True)
class Asked:
    """What the current restorer was loaded with; out of memory may have made its own batch size smaller."""

    model: str | Path
    device: str
    batch_size: BatchSize


@dataclass
class Session:
    """One open page of one visitor.

    Attributes:
        folder: previews and downloads of this page, removed with it.
        single, batch: the latest run of each tab.
        single_stop, batch_stop: the wish to stop it; made new before each run, so that a click on "Stop" counts also
            before the run itself exists.
        results: the outcomes that tab 1 shows, in the order of its gallery.
        download_stop: set to stop a download of models.
        measure_stop: set to stop a measurement.
    """

    folder: Path
    single: Run | None = None
    batch: Run | None = None
    single_stop: threading.Event = field(default_factory=threading.Event)
    batch_stop: threading.Event = field(default_factory=threading.Event)
    results: list[Outcome] = field(default_factory=list)
    download_stop: threading.Event = field(default_factory=threading.Event)
    measure_stop: threading.Event = field(default_factory=threading.Event)


class Service:
    """Holds the current Restorer and changes it without a restart.

    Args:
        settings: of this installation.
        scratch: a private folder for uploads, previews and downloads; Gradio's cache lies there, too.
    """

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self.scratch = scratch
        self.turnstile = Turnstile()
        self._asked = Asked(settings.model, settings.device, settings.batch_size)
        self._restorer: Restorer | None = None
        self.devices: tuple[DeviceInfo, ...] = ()  # filled with the first load
        self._load_error: GpenError | None = None
        self._loaded = threading.Event()
        self._loader = threading.Thread(target=self._first_load, name="load-model", daemon=True)
        self._sessions: dict[str, Session] = {}
        self._left_batches: list[Run] = []  # go on without the page that started them
        self._sessions_lock = threading.Lock()

    def begin(self) -> None:
        """Starts to load the model of the settings in the background, so that the page opens at once."""
        self._loader.start()

    def _first_load(self) -> None:
        try:
            from gpen_ui.engine import probe_devices

            self._restorer = self._load(self._asked)
            self.devices = probe_devices()
        except GpenError as error:
            log.error("%s", error)
            self._load_error = error
        except Exception:
            log.exception("the model could not be loaded")
            self._load_error = ModelError("page_load_failed")
        finally:
            self._loaded.set()

    def _load(self, asked: Asked) -> Restorer:
        from gpen_ui.engine import Restorer

        restorer = Restorer.load(
            asked.model,
            device=asked.device,
            batch_size=asked.batch_size,
            models_folder=self.settings.models_folder,
            max_megapixels=self.settings.photo_megapixels,
        )
        if restorer.device_report.seconds_per_face is None:
            restorer.measure()
        return restorer

    def _swap(self, asked: Asked) -> Restorer:
        """Loads first and lets go of the current restorer after, so that a failure changes nothing."""
        fresh = self._load(asked)
        old, self._restorer, self._asked = self._restorer, fresh, asked
        if old is not None:
            old.close()
        return fresh

    @property
    def is_loading(self) -> bool:
        return not self._loaded.is_set()

    def wait_until_loaded(self, timeout_s: float | None = None) -> bool:
        """Waits for the first load to end, well or not."""
        return self._loaded.wait(timeout_s)

    @property
    def restorer(self) -> Restorer | None:
        """The current one; None while the first is being loaded or when it could not be."""
        return self._restorer

    @property
    def load_error(self) -> GpenError | None:
        """Why there is no restorer."""
        return None if self._restorer else self._load_error

    def reload(self, model: str | Path, device: str, batch_size: BatchSize) -> DeviceReport:
        """Puts another model, device or batch size in the place of the current one, which stays when that fails.

        Raises:
            UsageError: a run is going on.
            ModelError, DeviceError: from loading.
        """
        if not self.turnstile.is_free:
            raise UsageError("page_busy")
        with self.turnstile.turn(threading.Event()):
            self._loaded.wait()
            return self._swap(Asked(model, device, batch_size)).device_report

    @contextmanager
    def using(self, batch_size: BatchSize, stop: threading.Event) -> Iterator[Restorer]:
        """The restorer, for one run alone.

        Args:
            batch_size: faces that go through the network together.

        Raises:
            Stopped: `stop` was set before its turn came.
            GpenError: there is no restorer, and why.
        """
        while not self._loaded.wait(LOOK_AGAIN_S):
            if stop.is_set():
                raise Stopped("page_stopped")
        with self.turnstile.turn(stop):
            if self._restorer is None:
                raise self._load_error or ModelError("page_load_failed")
            if batch_size != self._asked.batch_size:
                self._restorer.batch_size = batch_size
                self._asked = replace(self._asked, batch_size=batch_size)
            yield self._restorer

    def session(self, session_hash: str | None) -> Session:
        """The session of an open page, made at its first use."""
        with self._sessions_lock:
            key = session_hash or ""
            if key not in self._sessions:
                folder = Path(tempfile.mkdtemp(prefix="session-", dir=self.scratch))
                self._sessions[key] = Session(folder)
            return self._sessions[key]

    def forget(self, session_hash: str | None) -> None:
        """A page was closed: its single-image run and download stop, its previews go. A batch goes on to its end."""
        with self._sessions_lock:
            session = self._sessions.pop(session_hash or "", None)
        if session is None:
            return
        session.download_stop.set()
        session.measure_stop.set()
        session.single_stop.set()
        if session.batch is not None and not session.batch.finished.is_set():
            self._left_batches.append(session.batch)
        if session.single is not None:
            session.single.finished.wait(LOOK_AGAIN_S)
        shutil.rmtree(session.folder, ignore_errors=True)

    def running_batch(self) -> Run | None:
        """A batch that goes on, whichever page started it; there is one account, so any page may show and stop it."""
        runs = [run for run in self._batches() if not run.finished.is_set()]
        self._left_batches = [run for run in self._left_batches if run in runs]
        return runs[0] if runs else None

    def _batches(self) -> list[Run]:
        with self._sessions_lock:
            sessions = list(self._sessions.values())
        return [*self._left_batches, *(session.batch for session in sessions if session.batch is not None)]

    def stop_runs(self) -> list[Run]:
        """Ends every run after its batch in flight, and every download; does not wait for it."""
        with self._sessions_lock:
            sessions = list(self._sessions.values())
        runs = [session.single for session in sessions if session.single is not None] + self._batches()
        for run in runs:
            run.stop.set()
        for session in sessions:
            session.download_stop.set()
            session.measure_stop.set()
        return runs

    def close(self) -> None:
        """Ends every run in order and frees the device."""
        for run in self.stop_runs():
            run.finished.wait()
        if self._loader.is_alive():  # torch ends the process with an abort when a thread is inside of it
            self._loader.join()
        with self.turnstile.turn(threading.Event()):  # a measurement that is stopped still ends its photo
            if self._restorer is not None:
                self._restorer.close()
