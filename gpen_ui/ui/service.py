"""What all visitors of the page share: the loaded model, the queue to the device, and the runs that are kept."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpen_ui.errors import GpenError, ModelError, Stopped, UsageError
from gpen_ui.options import BatchSize, RestoreOptions, salvaged
from gpen_ui.paths import findable
from gpen_ui.settings import Settings, forget_defaults, keep_defaults, load_settings, with_changes
from gpen_ui.ui.board import Board
from gpen_ui.ui.downloads import Downloads
from gpen_ui.ui.pictures import Pictures
from gpen_ui.ui.scratch import SESSION, Scratch
from gpen_ui.ui.session import Session
from gpen_ui.ui.turnstile import LOOK_AGAIN_S, Turnstile

if TYPE_CHECKING:
    from gpen_ui.engine import DeviceInfo, DeviceReport, Restorer
    from gpen_ui.engine.recent import RecentCrops
    from gpen_ui.jobs import RunRecord, Runs
    from gpen_ui.ui.runs import Run

log = logging.getLogger(__name__)
SESSIONS_MOST = 1000  # open pages; a request may name any, and one that never was open is never closed
RECENT_FACES_BYTES = 256 << 20  # about 85 faces of 512 px


@dataclass(frozen=True)
class Asked:
    """What the current restorer was loaded with; out of memory may have made its own batch size smaller."""

    model: str
    device: str
    batch_size: BatchSize


class Service:
    """Holds the current Restorer and changes it without a restart.

    Args:
        settings: of this installation.
        scratch: a private folder for uploads, previews and downloads; Gradio's cache lies there, too.
    """

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self._usual, self.dropped = salvaged(settings.options)
        for error in self.dropped:
            log.warning("%s", error)
        self.scratch = scratch
        self.temporary = Scratch(scratch, settings.temporary_mb)
        self.pictures = Pictures(self.temporary, settings.photo_megapixels)
        self.turnstile = Turnstile()
        self.downloads = Downloads(settings.models_folder)
        self._asked = Asked(findable(settings.model), settings.device, settings.batch_size)
        self._chosen = self._asked
        self._restorer: Restorer | None = None
        self._recent: RecentCrops | None = None
        self.devices: tuple[DeviceInfo, ...] = ()  # filled with the first load
        self._load_error: GpenError | None = None
        self._loaded = threading.Event()
        self._loader = threading.Thread(target=self._first_load, name="load-model", daemon=True)
        self._sessions: dict[str, Session] = {}
        self._sessions_lock = threading.Lock()
        self._runs: Runs | None = None
        self._board: Board | None = None
        self._runs_lock = threading.Lock()
        self._turns_of_runs = Turnstile()

    @property
    def usual_options(self) -> RestoreOptions:
        """The options of whoever gives none: the defaults of this installation."""
        return self._usual

    def keep_defaults(self, given: Mapping[str, Any]) -> None:
        """Makes these values the defaults of this installation, for all doors of this server at once.

        Raises:
            SettingsError: as from `gpen_ui.settings.keep_defaults`.
        """
        self.settings = keep_defaults(self.settings, given)
        self._usual, _ = salvaged(self.settings.options)

    def forget_defaults(self) -> None:
        """Back to the defaults of the program, or of its settings file; the loaded model stays.

        Raises:
            SettingsError: as from `gpen_ui.settings.forget_defaults`.
        """
        forget_defaults()
        plain = load_settings()
        back = {name: getattr(plain, name) for name in ("batch_size", "output_format", "options")}
        self.settings = with_changes(self.settings, back)
        self._usual, _ = salvaged(self.settings.options)

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
        self._recent = None  # another network makes other faces
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
    def recent(self) -> RecentCrops:
        """The faces that the current restorer made last for open pages; for whoever has the turn."""
        from gpen_ui.engine.recent import RecentCrops

        if self._recent is None:
            self._recent = RecentCrops(RECENT_FACES_BYTES)
        return self._recent

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
            report = self._swap(Asked(findable(model), device, batch_size)).device_report
            self._chosen = self._asked
            return report

    @property
    def chosen(self) -> Asked:
        """Model, device and batch size that tab 4 names, whatever a kept run may be working with just now."""
        return self._chosen

    @property
    def runs(self) -> Runs:
        """The runs that are kept on disk, which all doors of this server share.

        Raises:
            GpenError: there is no place for the list of runs, or it is broken.
        """
        from gpen_ui.jobs import Runs, RunStore

        with self._runs_lock:
            if self._runs is None:
                self._runs = Runs(RunStore.open(self.settings.outputs_folder), self.working_on)
            return self._runs

    @property
    def board(self) -> Board:
        """What all pages see of `runs`.

        Raises:
            GpenError: as from `runs`.
        """
        runs = self.runs
        with self._runs_lock:
            if self._board is None:
                self._board = Board(runs)
            return self._board

    @contextmanager
    def using(self, batch_size: BatchSize | None, stop: threading.Event) -> Iterator[Restorer]:
        """The restorer of tab 4, for one run alone.

        Args:
            batch_size: faces that go through the network together; None stands for that of tab 4.

        Raises:
            Stopped: `stop` was set before its turn came.
            GpenError: there is no restorer, and why.
        """
        with self._turn(stop):
            yield self._fitting(replace(self._chosen, batch_size=batch_size or self._chosen.batch_size))

    @contextmanager
    def working_on(self, run: RunRecord, stop: threading.Event) -> Iterator[Restorer]:
        """The restorer that a kept run names, for one turn of it; see `gpen_ui.jobs.Worker`.

        However many runs wait, only the first of them stands in the queue to the device, so that a single photo waits
        for one turn at most.

        Raises:
            Stopped, GpenError: as from `using`.
        """
        with self._turns_of_runs.turn(stop), self._turn(stop):
            yield self._fitting(Asked(run.settings.model, run.settings.device, run.settings.batch_size))

    @contextmanager
    def _turn(self, stop: threading.Event) -> Iterator[None]:
        while not self._loaded.wait(LOOK_AGAIN_S):
            if stop.is_set():
                raise Stopped("page_stopped")
        with self.turnstile.turn(stop):
            yield

    def _fitting(self, wanted: Asked) -> Restorer:
        """The current restorer when it is what is wanted, else another one in its place."""
        same = (wanted.model, wanted.device) == (self._asked.model, self._asked.device)
        if self._restorer is None:
            if same:
                raise self._load_error or ModelError("page_load_failed")
            return self._swap(wanted)
        if not same:
            return self._swap(wanted)
        if wanted.batch_size != self._asked.batch_size:
            self._restorer.batch_size = wanted.batch_size
            self._asked = wanted
        return self._restorer

    def background_seconds(self, sizes_wh: Sequence[tuple[int, int]], options: RestoreOptions) -> float | None:
        """How long a network will take for the backgrounds of photos; None while that cannot be tried out, because the
        model is being loaded or the device is at work.

        Raises:
            GpenError: there is no network for it, or it cannot be loaded.
        """
        if self._restorer is None or not self.turnstile.is_free:
            return None
        with self.turnstile.turn(threading.Event()):
            return self._restorer.background_seconds(sizes_wh, options)

    def session(self, session_hash: str | None) -> Session:
        """The session of an open page, made at its first use. Whoever makes up more of them than there are pages ends
        those that were not used for longest."""
        with self._sessions_lock:
            key = session_hash or ""
            session = self._sessions.pop(key, None)
            if session is None:
                session = Session(Path(tempfile.mkdtemp(prefix=SESSION, dir=self.scratch)))
            self._sessions[key] = session  # the one used last stands last
            unused = list(self._sessions)[: max(0, len(self._sessions) - SESSIONS_MOST)]
        for each in unused:
            self.forget(each)
        return session

    def forget(self, session_hash: str | None) -> None:
        """A page was closed: its single-image run stops, its previews go. Kept runs and downloads go on."""
        with self._sessions_lock:
            session = self._sessions.pop(session_hash or "", None)
        if session is None:
            return
        session.measure_stop.set()
        session.single_stop.set()
        if session.blend is not None:
            session.blend.stop.set()
        for run in (session.single, session.blend):
            if run is not None:
                run.finished.wait(LOOK_AGAIN_S)
        self.pictures.withdraw(session.folder)
        shutil.rmtree(session.folder, ignore_errors=True)

    def stop_runs(self) -> list[Run]:
        """Ends every run of tab 1 after its batch in flight, and every download; does not wait for it."""
        self.downloads.stop_all()
        with self._sessions_lock:
            sessions = list(self._sessions.values())
        runs = [run for session in sessions for run in (session.single, session.blend) if run is not None]
        for run in runs:
            run.stop.set()
        for session in sessions:
            session.measure_stop.set()
        return runs

    def close(self) -> None:
        """Ends every run in order and frees the device; the next start goes on with the kept ones."""
        if self._runs is not None:
            self._runs.close()
        for run in self.stop_runs():
            run.finished.wait()
        if self._loader.is_alive():  # torch ends the process with an abort when a thread is inside of it
            self._loader.join()
        with self.turnstile.turn(threading.Event()):  # a measurement that is stopped still ends its photo
            if self._restorer is not None:
                self._restorer.close()
        if self._runs is not None:
            self._runs.store.close()
