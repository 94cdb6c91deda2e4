"""A run of tab 1: photos through the engine, in a thread of its own, with pictures for the page that asked for them.

Runs that outlive their page are those of `gpen_ui.jobs`, on tab 2.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.choices import Box, FaceChoice
from gpen_ui.errors import GpenError, Stopped
from gpen_ui.options import BatchSize, RestoreOptions
from gpen_ui.settings import OutputFormat

if TYPE_CHECKING:
    from gpen_ui.engine.backdrop import TileProgress
    from gpen_ui.engine.output import Output, Saved
    from gpen_ui.engine.results import FaceOutcome, Note, Recipe, RestoredPhoto
    from gpen_ui.jobs import FaceRecord
    from gpen_ui.ui.previews import Preview
    from gpen_ui.ui.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one photo, without its pixels.

    Attributes:
        saved: the result's file; None exactly when `error` is set.
        before_wh, after_wh: sizes in pixels; None when unknown.
        seconds: spent on this photo by the engine.
        preview: pictures for the page.
        file: the same as `saved`, as it was written.
        faces: every face with its box in pixels of the photo as it was read.
        choices: what was asked of single faces.
        job: what the photo was restored with.
        source: the photo.
        recipe: model, its file's hash and the program that made it.
    """

    name: str
    saved: Path | None
    error: GpenError | None = None
    before_wh: tuple[int, int] | None = None
    after_wh: tuple[int, int] | None = None
    faces_found: int = 0
    faces_restored: int = 0
    seconds: float = 0.0
    device: str = ""
    notes: tuple[Note, ...] = ()
    preview: Preview | None = None
    file: Saved | None = None
    faces: tuple[tuple[FaceOutcome | FaceRecord, Box], ...] = ()
    choices: tuple[FaceChoice, ...] = ()
    job: Job | None = None
    source: Path | None = None
    recipe: Recipe | None = None


class Run:
    """Where a run stands. Written by its thread, read by the page.

    Attributes:
        outcomes: grows at its end only.
        stop: set it to end the run after the batch in flight.
        finished: is set when nothing more will come.
        tile: where the background of the photo at work stands; None when no network makes one.
        error: why the run as a whole broke off.
        took_s: its whole time, once finished.
    """

    def __init__(self, total: int, stop: threading.Event) -> None:
        self.total = total
        self.outcomes: list[Outcome] = []
        self.stop = stop
        self.finished = threading.Event()
        self.tile: TileProgress | None = None
        self.error: Exception | None = None
        self.took_s = 0.0
        self._started_s: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether another run has the device."""
        return self._started_s is None

    @property
    def done_count(self) -> int:
        """Photos that are finished, failed ones included."""
        return len(self.outcomes)

    @property
    def failed_count(self) -> int:
        return sum(outcome.error is not None for outcome in self.outcomes)

    @property
    def elapsed_s(self) -> float:
        if self._started_s is None:
            return 0.0
        return self.took_s or time.monotonic() - self._started_s

    @property
    def left_s(self) -> float | None:
        """Estimated from the photos so far; None before the first one."""
        if not self.done_count or self._started_s is None:
            return None
        return self.elapsed_s / self.done_count * (self.total - self.done_count)

    def watch(self, tile: TileProgress) -> None:
        """Takes what the engine says of a background."""
        self.tile = tile if tile.done < tile.total else None

    def mark_started(self) -> None:
        self._started_s = time.monotonic()

    def mark_finished(self) -> None:
        self.took_s = self.elapsed_s
        self.finished.set()


@dataclass(frozen=True)
class Job:
    """What a run is to do.

    Attributes:
        sources: the photos.
        options: how they are restored.
        folder: where the results go.
        output_format, suffix: in the place of those of the settings, see `Output`.
        preview_folder: where pictures for the page go.
        choices: what is asked of single faces of the one photo of this run.
        instead_of: the outcome that the one photo of this run replaces.
    """

    sources: Sequence[Path]
    options: RestoreOptions
    folder: Path
    output_format: OutputFormat
    suffix: str
    preview_folder: Path
    choices: tuple[FaceChoice, ...] = ()
    instead_of: Outcome | None = None


def start_run(service: Service, job: Job, batch_size: BatchSize, stop: threading.Event) -> Run:
    """Starts a run and returns at once.

    Args:
        stop: set it, also before, to end the run after the batch in flight.
        batch_size: faces that go through the network together in this run.
    """
    run = Run(len(job.sources), stop)
    threading.Thread(target=_work, args=(service, job, run, batch_size), name="restore", daemon=True).start()
    return run


def _work(service: Service, job: Job, run: Run, batch_size: BatchSize) -> None:
    from gpen_ui.engine import Chosen, output_of

    try:
        output = replace(output_of(service.settings), format=job.output_format, suffix=job.suffix)
        with service.temporary.in_use(job.sources), service.using(batch_size, run.stop) as restorer:
            run.mark_started()
            sources = [Chosen(source, job.choices) for source in job.sources]
            results = restorer.restore_many(sources, job.options, stop=run.stop, crops=service.recent, watch=run.watch)
            for result in results:
                run.outcomes.append(_keep(result, job, output))
    except Stopped:
        pass
    except GpenError as error:
        run.error = error
    except Exception as error:  # a thread's exception would be lost, and the page would wait for ever
        log.exception("a run broke off")
        run.error = error
    finally:
        run.mark_finished()


def _keep(result: RestoredPhoto, job: Job, output: Output) -> Outcome:
    """Saves a result, makes its previews and lets go of its pixels."""
    from gpen_ui.engine import save_restored
    from gpen_ui.ui.previews import make_preview

    if result.photo is None or result.error is not None:
        return Outcome(result.name, None, error=result.error)
    name = result.source.name if result.source is not None else result.name
    before = job.instead_of.file if job.instead_of is not None else None
    try:
        saved = save_restored(result, job.folder, name=name, output=output, instead_of=before)
    except GpenError as error:
        return Outcome(result.name, None, error=error)
    return Outcome(
        result.name,
        saved.path,
        before_wh=result.original.size_wh if result.original else None,
        after_wh=result.photo.size_wh,
        faces_found=len(result.faces),
        faces_restored=result.restored_count,
        seconds=result.total_seconds,
        device=result.device,
        notes=result.notes + saved.notes,
        preview=make_preview(result, job.preview_folder),
        file=saved,
        faces=tuple((face, result.box_in_original(face)) for face in result.faces),
        choices=result.choices,
        job=job,
        source=result.source,
        recipe=result.recipe,
    )
