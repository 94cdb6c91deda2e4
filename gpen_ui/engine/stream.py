"""The heart: photos in, faces of many photos through shared batches, finished photos out in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from gpen_ui.engine.finish import Masker, finish
from gpen_ui.engine.prepare import Crop, Crops, Job, Read, Source, prepare
from gpen_ui.engine.results import RestoredPhoto
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import GpenError, Stopped
from gpen_ui.faces import Detector
from gpen_ui.options import RestoreOptions

READ_AHEAD = 2  # photos decoded and searched while the network works on earlier ones
FINISH_BEHIND = 4  # photos being pasted, or waiting to be taken, before the network pauses
HELD_PER_FACE = 4  # photos held for each place in a batch, most of them without a face, before it runs unfilled
HELD_BYTES = 1 << 30  # of their pixels


@dataclass(frozen=True, eq=False)
class Parts:
    """What the stream works with; everything is loaded."""

    runner: FaceRunner
    detector: Detector
    masker: Masker
    read: Read
    larger_model: str | None = None


def stream(
    parts: Parts,
    sources: Iterable[Source],
    options: RestoreOptions,
    stop: threading.Event | None,
    crops: Crops | None = None,
) -> Iterator[RestoredPhoto]:
    """Restores sources one after another; see `Restorer.restore_many`."""
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "finish") as finisher:
        held: deque[Job] = deque()  # photos with faces that wait for a batch to fill
        finished: deque[Future[RestoredPhoto]] = deque()
        try:
            for job in _read_ahead(parts, sources, options, reader, stop, crops):
                held.append(job)
                while _is_due(held, parts.runner.batch_size):
                    _run_batch(parts, held, stop, crops)
                    _hand_over(parts, held, finished, options, finisher)
                _hand_over(parts, held, finished, options, finisher)
                while finished and (finished[0].done() or len(finished) > FINISH_BEHIND):
                    yield finished.popleft().result()
            while held:
                _run_batch(parts, held, stop, crops)
                _hand_over(parts, held, finished, options, finisher)
                while finished and finished[0].done():
                    yield finished.popleft().result()
        except Stopped:
            pass  # photos that are complete still leave below; those in the middle are dropped
        while finished:
            yield finished.popleft().result()


def _read_ahead(
    parts: Parts,
    sources: Iterable[Source],
    options: RestoreOptions,
    reader: ThreadPoolExecutor,
    stop: threading.Event | None,
    crops: Crops | None,
) -> Iterator[Job]:
    """Jobs in the order of the sources, a few of them prepared in advance."""
    coming: deque[Future[Job]] = deque()
    remaining = iter(sources)
    while True:
        while len(coming) <= READ_AHEAD:
            try:
                source = next(remaining)
            except StopIteration:
                break
            size_px = parts.runner.size_px
            work = (source, options, parts.read, parts.detector, size_px, crops, parts.larger_model)
            coming.append(reader.submit(prepare, *work))
        if not coming or (stop is not None and stop.is_set()):
            for future in coming:
                future.cancel()
            return
        yield coming.popleft().result()


def _is_due(held: deque[Job], batch_size: int) -> bool:
    """Whether a batch is full, or so much waits for one face that memory and patience count for more."""
    waiting = sum(len(job.waiting) for job in held)
    too_many = len(held) > HELD_PER_FACE * batch_size
    too_large = sum(job.pixels.nbytes for job in held if job.pixels is not None) > HELD_BYTES
    return waiting >= batch_size or (waiting > 0 and (too_many or too_large))


def _run_batch(parts: Parts, held: deque[Job], stop: threading.Event | None, kept: Crops | None) -> None:
    """Takes the next faces of the held photos, across their borders, through the network."""
    size_px = parts.runner.size_px
    chosen = [(job, place) for job in held for place in job.waiting][: parts.runner.batch_size]
    crops: list[Crop] = []
    for job, place in chosen:
        start = time.perf_counter()
        crops.append(job.crop(place, size_px))
        job.clock("align", start)
    noted = len(parts.runner.notes)
    start = time.perf_counter()
    results = parts.runner.run(crops, stop) if crops else []
    share = (time.perf_counter() - start) / max(1, len(chosen))
    for (job, place), crop, result in zip(chosen, crops, results, strict=True):
        job.restored[place] = result if kept is None or isinstance(result, GpenError) else kept.put(crop, result)
        job.seconds["network"] = job.seconds.get("network", 0.0) + share
    for job in {id(job): job for job, _ in chosen}.values():
        job.notes += parts.runner.notes[noted:]


def _hand_over(
    parts: Parts,
    held: deque[Job],
    finished: deque[Future[RestoredPhoto]],
    options: RestoreOptions,
    finisher: ThreadPoolExecutor,
) -> None:
    """Moves the photos at the front whose faces are all back to the finisher."""
    while held and not held[0].waiting:
        finished.append(finisher.submit(finish, held.popleft(), options, parts.masker, parts.runner.device_shown))
