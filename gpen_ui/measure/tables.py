"""The tables of users' questions: how many faces at once, how large a photo, where does the time go."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gpen_ui import look
from gpen_ui.engine.memory import PeakMemory
from gpen_ui.engine.output import Output, save_restored
from gpen_ui.engine.restorer import Restorer
from gpen_ui.engine.results import RestoredPhoto
from gpen_ui.errors import Stopped
from gpen_ui.measure.samples import clean_photo, degraded, portrait, psnr
from gpen_ui.options import RestoreOptions, parse_options
from gpen_ui.photo import Photo, photo_from_pixels, save_photo
from gpen_ui.presets import load_preset

BATCH_SIZES = (1, 2, 4, 8)
PHOTOS = 8  # of a row; as many as the batch where that is larger
LONG_EDGES = (2560, 1920, 1280, 800)
STAGES = ("read", "detect", "align", "network", "paste", "look", "write")
STAGE_PRESET = "everyday"


@dataclass(frozen=True)
class BatchRow:
    """Photos of 1280 x 960 with one face each, restored in one call.

    Attributes:
        batch_size: faces that go through the network together.
        photos: in the call.
        seconds: from the call to the last result; the median of the rounds.
        network_seconds: of them in the network.
        memory_bytes: the most that was in use beyond what was in use before; None where the system does not tell.
        is_stable: every photo was restored in every round and nothing had to step down.
    """

    batch_size: int
    photos: int
    seconds: float
    network_seconds: float
    memory_bytes: int | None
    is_stable: bool

    @property
    def seconds_per_photo(self) -> float:
        return self.seconds / self.photos


@dataclass(frozen=True)
class LongEdgeRow:
    """One damaged photo of 2560 x 1920, reduced to a long edge and restored.

    Attributes:
        seconds: without reading and writing the file.
        network_seconds: of them in the network.
        psnr: decibels of the whole result against the undamaged photo, both at 2560 x 1920.
        face_psnr: the same of the face's box alone.
    """

    long_edge_px: int
    seconds: float
    network_seconds: float
    psnr: float
    face_psnr: float


@dataclass(frozen=True)
class LongEdges:
    """The rows, and what the damaged photo itself has."""

    rows: tuple[LongEdgeRow, ...]
    damaged_psnr: float
    damaged_face_psnr: float


def measure_batches(
    restorer: Restorer,
    batch_sizes: Iterable[int] = BATCH_SIZES,
    *,
    rounds: int = 2,
    stop: threading.Event | None = None,
    each: Callable[[BatchRow], None] = lambda row: None,
) -> tuple[BatchRow, ...]:
    """Restores eight portraits in one call at each batch size.

    The restorer's batch size is afterwards as before. A size that does not fit steps down, and its row says so.

    Args:
        rounds: that are timed, after one that warms the size up on a card.
        each: told every row as it is there.

    Raises:
        Stopped: `stop` was set.
    """
    photo, rows = portrait(), []
    before = restorer.asked_batch_size
    try:
        for size in batch_sizes:
            row = _batch_row(restorer, size, [photo] * max(PHOTOS, size), rounds, stop)
            rows.append(row)
            each(row)
    finally:
        restorer.batch_size = before
    return tuple(rows)


def _batch_row(
    restorer: Restorer, size: int, photos: list[Photo], rounds: int, stop: threading.Event | None
) -> BatchRow:
    restorer.batch_size = size
    device = restorer.device_report.device
    if device != "cpu":
        list(restorer.restore_many(photos))
    times, network, peaks, is_stable = [], [], [], True
    for _ in range(rounds):
        with PeakMemory(device) as memory:
            start = time.perf_counter()
            results = list(restorer.restore_many(photos, stop=stop))
            times.append(time.perf_counter() - start)
        if stop is not None and stop.is_set():
            raise Stopped("measure_stopped")
        network.append(sum(result.seconds.get("network", 0.0) for result in results))
        peaks.append(memory.peak_bytes)
        report = restorer.device_report
        same = restorer.batch_size == size and report.device == device
        is_stable = is_stable and same and all(result.restored_count == 1 for result in results)
    known = [peak for peak in peaks if peak is not None]
    return BatchRow(
        batch_size=size,
        photos=len(photos),
        seconds=statistics.median(times),
        network_seconds=statistics.median(network),
        memory_bytes=max(known) if known else None,
        is_stable=is_stable,
    )


def measure_long_edges(
    restorer: Restorer,
    long_edges_px: Iterable[int] = LONG_EDGES,
    *,
    rounds: int = 3,
    stop: threading.Event | None = None,
) -> LongEdges:
    """Restores one damaged photo at several long edges, in turns.

    Raises:
        Stopped: `stop` was set.
    """
    clean = clean_photo()
    damaged = degraded(clean)
    sizes = {edge: photo_from_pixels(look.reduce_long_edge(damaged.pixels, edge)) for edge in long_edges_px}
    results: dict[int, list[RestoredPhoto]] = {edge: [] for edge in sizes}
    restorer.restore(next(iter(sizes.values())))  # warms up
    for _ in range(rounds):
        for edge, photo in sizes.items():
            if stop is not None and stop.is_set():
                raise Stopped("measure_stopped")
            restored = restorer.restore(photo)
            if restored.error is not None:
                raise restored.error
            results[edge].append(restored)
    box = _face_box(results, clean)
    rows = tuple(_long_edge_row(edge, restored, clean, box) for edge, restored in results.items())
    return LongEdges(rows, psnr(damaged.pixels, clean.pixels), psnr(damaged.pixels[box], clean.pixels[box]))


def _face_box(results: dict[int, list[RestoredPhoto]], clean: Photo) -> tuple[slice, slice]:
    """Rows and columns of the face in the undamaged photo, as it was found in the largest one."""
    edge = max(results)
    faces = results[edge][0].faces
    if not faces:
        return slice(None), slice(None)
    scale = max(clean.size_wh) / edge
    left, top, right, bottom = (round(side * scale) for side in faces[0].box_xyxy)
    return slice(max(0, top), bottom), slice(max(0, left), right)


def _long_edge_row(edge: int, restored: list[RestoredPhoto], clean: Photo, box: tuple[slice, slice]) -> LongEdgeRow:
    photo = restored[0].photo
    assert photo is not None
    pixels = look.resize(photo.pixels, clean.size_wh)
    return LongEdgeRow(
        long_edge_px=edge,
        seconds=statistics.median(result.total_seconds for result in restored),
        network_seconds=statistics.median(result.seconds["network"] for result in restored),
        psnr=psnr(pixels, clean.pixels),
        face_psnr=psnr(pixels[box], clean.pixels[box]),
    )


def measure_stages(restorer: Restorer, *, rounds: int = 5, stop: threading.Event | None = None) -> dict[str, float]:
    """Seconds of each stage of one portrait, from its JPEG to the JPEG of the result, with the everyday preset.

    Raises:
        Stopped: `stop` was set.
    """
    options = parse_options(load_preset(STAGE_PRESET).options)
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        path = save_photo(portrait(), folder, name="portrait", suffix="", output_format="jpeg")
        for number in range(rounds + 1):
            if stop is not None and stop.is_set():
                raise Stopped("measure_stopped")
            spent = _seconds_of_stages(restorer, path, options)
            if number:  # the first round only warms up
                for stage in STAGES:
                    seconds[stage].append(spent.get(stage, 0.0))
    return {stage: statistics.median(values) for stage, values in seconds.items()}


def _seconds_of_stages(restorer: Restorer, path: Path, options: RestoreOptions) -> dict[str, float]:
    restored = restorer.restore(path, options)
    if restored.error is not None:
        raise restored.error
    start = time.perf_counter()
    saved = save_restored(restored, path.parent, name=path.name, output=Output())
    spent = {**restored.seconds, "write": time.perf_counter() - start}
    saved.path.unlink()
    return spent
