"""The background of one photo in the stream, between its faces and its finish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from gpen_ui import look
from gpen_ui.engine.backdrop import Backdrop, TileProgress
from gpen_ui.engine.prepare import Job, wrapped
from gpen_ui.engine.results import Note
from gpen_ui.errors import ModelError, Stopped
from gpen_ui.options import RestoreOptions

Watch = Callable[[TileProgress], None]  # told after each tile


def draw_background(
    job: Job, options: RestoreOptions, backdrop: Backdrop, stop: threading.Event | None, watch: Watch | None
) -> Iterator[None]:
    """Lets the network make `job.background`; an error of it is in the job.

    Without a network, or with a broken one, Lanczos makes it, and a note says so: the faces do not depend on it.

    Yields:
        After each tile.

    Raises:
        Stopped: `stop` was set.
    """
    if job.error is not None or job.pixels is None:
        return
    start, noted, tiles = time.perf_counter(), len(backdrop.notes), 0
    try:
        pixels = look.denoise(job.pixels, options.denoise)
        job.background = backdrop.recall(pixels, options.output_scale)
        drawing = backdrop.draw(pixels, options.output_scale, stop, job.name)
        while job.background is None:
            try:
                progress = next(drawing)
            except StopIteration as end:
                job.background = end.value
                break
            tiles = progress.total
            if watch is not None:
                watch(progress)
            yield
    except Stopped:
        raise
    except ModelError as error:
        job.notes.append(Note("background_unavailable", {"reason": error}))
    except Exception as error:
        job.error = wrapped(error, job.name)
    job.clock("background", start)
    job.notes += backdrop.notes[noted:]
    if tiles:
        seconds = f"{job.seconds['background']:.1f}"
        values: dict[str, object] = {"model": backdrop.name(options.output_scale), "seconds": seconds, "tiles": tiles}
        job.notes.append(Note("background_done", values))
