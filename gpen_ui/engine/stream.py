"""The heart: photos in, faces of many photos through shared batches, finished photos out in order."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

from gpen_ui.engine.backdrop import Backdrop
from gpen_ui.engine.background import Watch, draw_background
from gpen_ui.engine.finish import finish
from gpen_ui.engine.others import OtherNetworks
from gpen_ui.engine.prepare import Crop, Crops, Job, Read, prepare
from gpen_ui.engine.results import RestoredPhoto
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.engine.sources import Chosen, Source
from gpen_ui.engine.turns import Turns
from gpen_ui.errors import GpenError, Stopped
from gpen_ui.faces import Detector, Masker
from gpen_ui.faces.likeness import Embedder
from gpen_ui.look.threads import one_core_each
from gpen_ui.options import RestoreOptions

WORKERS_MOST = 8  # threads of a stage; more wait for Python's lock
AHEAD_PER_WORKER = 2  # photos decoded and searched, or pasted and not yet taken, for each thread
HELD_PER_FACE = 4  # photos held for each place in a batch, most of them without a face, before it runs unfilled
HELD_BYTES = 1 << 30  # of the pixels of all photos that were read and are not finished
HUGE_PIXELS = 40_000_000  # photos from here on are finished one at a time: the float32 of one is half a gigabyte

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Parts:
    """What the stream works with; everything is loaded."""

    runner: FaceRunner
    detector: Detector
    masker: Masker
    read: Read
    others: OtherNetworks
    larger_model: str | None = None
    embed: Embedder | None = None
    backdrop: Backdrop | None = None


def workers_beside(device: str) -> int:
    """Threads of each stage beside the network: one where the network itself takes the processor, else half of it."""
    if device == "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(WORKERS_MOST, cores // 2))


def stream(
    parts: Parts,
    sources: Iterable[Source | Chosen],
    options: RestoreOptions,
    stop: threading.Event | None,
    crops: Crops | None,
    then: Callable[[RestoredPhoto], T],
    watch: Watch | None = None,
) -> Iterator[T]:
    """Restores sources one after another; see `Restorer.stream`."""
    workers = workers_beside(parts.runner.device)
    with (
        one_core_each(workers),
        ThreadPoolExecutor(workers, "read") as reader,
        ThreadPoolExecutor(workers, "align") as aligner,
        ThreadPoolExecutor(workers, "finish") as finisher,
    ):
        run = _Run(parts, options, stop, crops, then, _Pools(reader, aligner, finisher, workers), watch)
        try:
            for job in run.read_ahead(sources):
                run.held.append(job)
                while run.is_due():
                    run.run_batch()
                    yield from run.hand_over()
                yield from run.hand_over()
                yield from run.ready()
            while run.held:
                run.run_batch()
                yield from run.hand_over()
                yield from run.ready()
        except Stopped:
            pass  # photos that are complete still leave below; those in the middle are dropped
        while run.finished:
            yield run.take()


@dataclass(frozen=True)
class _Pools:
    """Threads of each stage beside the network, so many for each."""

    reader: ThreadPoolExecutor
    aligner: ThreadPoolExecutor
    finisher: ThreadPoolExecutor
    workers: int


class _Run(Generic[T]):
    """One stream: photos being read, held for a batch, and being finished, each in order."""

    def __init__(
        self,
        parts: Parts,
        options: RestoreOptions,
        stop: threading.Event | None,
        crops: Crops | None,
        then: Callable[[RestoredPhoto], T],
        pools: _Pools,
        watch: Watch | None,
    ) -> None:
        self._parts = parts
        self._options = options
        self._stop = stop
        self._crops = crops
        self._then = then
        self._pools = pools
        self._watch = watch
        self._ahead = AHEAD_PER_WORKER * pools.workers
        self._huge = threading.Lock()
        self._turns = Turns() if parts.runner.device == "cpu" else None
        self.held: deque[Job] = deque()  # photos with faces that wait for a batch to fill
        self.finished: deque[tuple[Future[T], int]] = deque()  # with the bytes that each still holds

    def read_ahead(self, sources: Iterable[Source | Chosen]) -> Iterator[Job]:
        """Jobs in the order of the sources, some of them prepared in advance as long as memory allows."""
        coming: deque[Future[Job]] = deque()
        remaining = iter(sources)
        parts = self._parts
        while True:
            while len(coming) <= self._ahead and (not coming or self._held_bytes(coming) < HELD_BYTES):
                try:
                    source = next(remaining)
                except StopIteration:
                    break
                size_px = parts.runner.size_px
                work = (source, self._options, parts.read, parts.detector, size_px, self._crops, parts.larger_model)
                coming.append(self._pools.reader.submit(self._beside, functools.partial(prepare, *work)))
            if not coming or (self._stop is not None and self._stop.is_set()):
                for future in coming:
                    future.cancel()
                return
            yield coming.popleft().result()

    def _beside(self, work: Callable[[], R]) -> R:
        """Does a stage's work, on a processor not at the same time as the network."""
        with self._turns.beside() if self._turns is not None else nullcontext():
            return work()

    def _held_bytes(self, coming: deque[Future[Job]]) -> int:
        read = [future.result() for future in coming if future.done() and not future.cancelled()]
        return sum(job.held_bytes for job in (*read, *self.held)) + sum(size for _, size in self.finished)

    def is_due(self) -> bool:
        """Whether a batch is full, or so much waits for one face that memory and patience count for more."""
        batch_size = self._parts.runner.batch_size
        waiting = sum(len(job.waiting) for job in self.held)
        too_many = len(self.held) > HELD_PER_FACE * batch_size
        too_large = sum(job.held_bytes for job in self.held) > HELD_BYTES // 2
        return waiting >= batch_size or (waiting > 0 and (too_many or too_large))

    def run_batch(self) -> None:
        """Takes the next faces of the held photos, across their borders, through the network that they need."""
        waiting = [(job, place) for job in self.held for place in job.waiting]
        if not waiting:
            return
        job, place = waiting[0]
        model = job.models.get(place)
        alike = [(job, place) for job, place in waiting if job.models.get(place) == model]
        try:
            other = None if model is None else self._parts.others.get(model)
        except GpenError as error:
            for job, place in alike:
                job.restored[place] = error
            return
        runner, sha256 = (self._parts.runner, None) if other is None else (other.runner, other.sha256)
        chosen = alike[: runner.batch_size]
        cutting = [self._pools.aligner.submit(job.timed_crop, place, runner.size_px) for job, place in chosen]
        cut: list[Crop] = [future.result() for future in cutting]
        if sha256 is not None and self._crops is not None:
            chosen, cut = self._recall(chosen, cut, sha256)
        noted = len(runner.notes)
        with self._turns.alone() if self._turns is not None else nullcontext():
            start = time.perf_counter()
            results = runner.run(cut, self._stop) if cut else []
        share = (time.perf_counter() - start) / max(1, len(chosen))
        for (job, place), crop, result in zip(chosen, cut, results, strict=True):
            job.restored[place] = result
            if self._crops is not None and not isinstance(result, GpenError):
                put = functools.partial(self._crops.put, deep=job.is_deep, model=sha256)
                job.keeping[place] = self._pools.finisher.submit(put, crop, result)
            job.seconds["network"] = job.seconds.get("network", 0.0) + share
        for job in {id(job): job for job, _ in chosen}.values():
            job.notes += runner.notes[noted:]
            job.device = runner.device_shown

    def _recall(
        self, chosen: list[tuple[Job, int]], cut: list[Crop], sha256: str
    ) -> tuple[list[tuple[Job, int]], list[Crop]]:
        """Takes out the faces that this network restored before; `prepare` did so for the network of all."""
        assert self._crops is not None
        left: list[tuple[tuple[Job, int], Crop]] = []
        for (job, place), crop in zip(chosen, cut, strict=True):
            known = self._crops.get(crop, sha256)
            if known is None:
                left.append(((job, place), crop))
            else:
                job.restored[place] = known
        return [each for each, _ in left], [crop for _, crop in left]

    def hand_over(self) -> Iterator[T]:
        """Moves the photos at the front whose faces are all back to the finisher, after a network has made their
        background where that was asked for; what is finished meanwhile is given back between its tiles."""
        while self.held and not self.held[0].waiting:
            job = self.held.popleft()
            if self._options.draws_background and self._parts.backdrop is not None:
                for _ in draw_background(job, self._options, self._parts.backdrop, self._stop, self._watch):
                    yield from self.ready()
            job.device = job.device or self._parts.runner.device_shown
            self.finished.append(
                (self._pools.finisher.submit(self._beside, functools.partial(self._finish, job)), job.held_bytes)
            )

    def _finish(self, job: Job) -> T:
        if job.pixels is not None and job.pixels.size // 3 > HUGE_PIXELS:
            with self._huge:
                return self._then(finish(job, self._options, self._parts.masker, self._parts.embed))
        return self._then(finish(job, self._options, self._parts.masker, self._parts.embed))

    def ready(self) -> Iterator[T]:
        """What is finished; waits for it when too much is underway.

        A whole batch may be, beside what the threads are at: the next is read meanwhile.
        """
        most = self._ahead + self._parts.runner.batch_size
        while self.finished and (self.finished[0][0].done() or len(self.finished) > most):
            yield self.take()

    def take(self) -> T:
        return self.finished.popleft()[0].result()
