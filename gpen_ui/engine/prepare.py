"""From a source to the faces that go through the network: read, limit the size, detect, align."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gpen_ui import look
from gpen_ui.choices import FaceChoice, scaled
from gpen_ui.engine.output import as_notes
from gpen_ui.engine.results import FaceOutcome, FaceState, Note
from gpen_ui.engine.selection import chosen_faces, why_left
from gpen_ui.engine.sources import Chosen, Source
from gpen_ui.errors import GpenError
from gpen_ui.faces import Affine, Detector, Face, align_transform, crop_face, detect_twice, scale_of
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo, PhotoFile, Pixels, to_eight_bits

log = logging.getLogger(__name__)

Crop = NDArray[np.float32]
Read = Callable[[Path | PhotoFile], Photo]


class Crops(Protocol):
    """Keeps restored crops, so that other options need no network. Called from several threads; never raises."""

    def get(self, crop: Crop, model: str | None = None) -> Crop | None:
        """What the network made of exactly this crop before, or None.

        Args:
            model: SHA-256 of the network's file when it is another than the one of all faces; a name would give faces
                of a file that was replaced.
        """
        ...

    def put(self, crop: Crop, restored: Crop, *, deep: bool, model: str | None = None) -> Crop:
        """Keeps a crop that a network has just restored, and gives back what `get` will give for it.

        Args:
            deep: it belongs to a photo of 16 bits.
            model: as for `get`.
        """
        ...


ALIGNED = 0  # the place of the one crop of an aligned picture

# A face whose square is smaller than this share of the crop loses visible detail when it is pasted back at 1x.
SMALL_FACE_SHARE = 0.5
# A face whose square is larger than this many crops is better served by a larger model.
LARGE_FACE_SHARE = 1.5
FACES_KEPT_CUT = 2  # of so many faces a photo's crops are kept until it is finished: 3 MB each at 512 px
LARGEST_MODEL_PX = 2048  # of the published networks


@dataclass(eq=False)
class Job:
    """One photo on its way through the engine.

    Attributes:
        crop_px: side of the crops that `transforms` lead to.
        choices: what is asked of single faces.
        pixels: the photo after the long edge was limited; what all transforms refer to.
        background: the photo at its output scale as a network made it; None where Lanczos does.
        faces: every face that was found or drawn, left to right.
        transforms: photo -> crop for each face that goes through the network, by its place in `faces`.
        models: names of the networks of faces that go through another one than all, by the same place.
        restored: what came back, by the same place.
        cut: crops as the network got them, by the same place, until the photo is finished; of few faces only.
        keeping: what `Crops.put` makes of a restored crop, underway.
        strengths: in percent, of faces that get another strength than the options say; by the same place.
        outcomes: first of the faces that are left alone; of the others when the photo is finished.
        seconds: per stage.
        device: where the network ran, as it is shown.
    """

    source: Source
    crop_px: int
    choices: tuple[FaceChoice, ...] = ()
    original: Photo | None = None
    pixels: Pixels | None = None
    background: Pixels | None = None
    faces: list[Face] = field(default_factory=list)
    transforms: dict[int, Affine] = field(default_factory=dict)
    models: dict[int, str] = field(default_factory=dict)
    restored: dict[int, Crop | GpenError] = field(default_factory=dict)
    cut: dict[int, Crop] = field(default_factory=dict)
    keeping: dict[int, Future[Crop]] = field(default_factory=dict)
    strengths: dict[int, int] = field(default_factory=dict)
    outcomes: dict[int, FaceOutcome] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    error: GpenError | None = None

    @property
    def name(self) -> str:
        return self.source.name if isinstance(self.source, Photo) else _file_of(self.source).name

    @property
    def path(self) -> Path | None:
        return self.source.path if isinstance(self.source, Photo) else _file_of(self.source)

    @property
    def waiting(self) -> list[int]:
        """Faces that the network has not seen yet."""
        return [place for place in self.transforms if place not in self.restored]

    @property
    def is_deep(self) -> bool:
        """Whether the photo has 16 bits."""
        return self.pixels is not None and self.pixels.dtype == np.uint16

    @property
    def held_bytes(self) -> int:
        """Of the pixels that the job holds."""
        original = self.original.pixels if self.original is not None else None
        reduced = self.pixels if self.pixels is not original else None
        kept = (original, reduced, self.background, *self.cut.values())
        return sum(pixels.nbytes for pixels in kept if pixels is not None)

    def clock(self, stage: str, start: float) -> None:
        """Adds the time since `start` (of `time.perf_counter`) to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def transform(self, place: int, crop_px: int) -> Affine:
        """Photo -> crop of this side, for a network of another size than the one of all faces."""
        to_crop = self.transforms[place]
        return to_crop if crop_px == self.crop_px else to_crop * (crop_px / self.crop_px)

    def timed_crop(self, place: int, crop_px: int) -> Crop:
        """The same as `crop`, with its time in `seconds`."""
        start = time.perf_counter()
        crop = self.crop(place, crop_px)
        if len(self.transforms) <= FACES_KEPT_CUT:
            self.cut[place] = crop
        self.clock("align", start)
        return crop

    def crop(self, place: int, crop_px: int) -> Crop:
        """One face, aligned: (crop_px, crop_px, 3) float32 RGB 0..255, with the fractions of a deeper photo."""
        assert self.pixels is not None
        known = self.cut.get(place)
        if known is not None and len(known) == crop_px:
            return known
        crop = crop_face(self.pixels, self.transform(place, crop_px), crop_px)
        level = look.level_of(self.pixels)
        return crop if level == 1 else crop / np.float32(level)


def prepare(
    source: Source | Chosen,
    options: RestoreOptions,
    read: Read,
    detector: Detector,
    crop_px: int,
    crops: Crops | None = None,
    larger_model: str | None = None,
) -> Job:
    """Reads a source, finds its faces and recalls those that were restored before.

    Args:
        crop_px: side of the network's picture.
        larger_model: one that is here and sees more of a large face, to be named in the advice.

    Returns:
        The job; an error of the photo is in it.
    """
    job = Job(source.source, crop_px, source.faces) if isinstance(source, Chosen) else Job(source, crop_px)
    source = job.source
    try:
        start = time.perf_counter()
        if isinstance(source, Photo):
            job.original = source
        else:
            job.original = read(source if isinstance(source, PhotoFile) else Path(source))
        job.clock("read", start)
        job.notes += as_notes(job.original.metadata.remarks)
        job.pixels = look.reduce_long_edge(job.original.pixels, options.long_edge)
        if job.pixels is not job.original.pixels:
            width, height = job.original.size_wh
            job.notes.append(
                Note(
                    "reduced", {"from_wh": f"{width}x{height}", "to_wh": f"{job.pixels.shape[1]}x{job.pixels.shape[0]}"}
                )
            )
        if options.aligned:
            job.transforms[ALIGNED] = _whole_picture(job.pixels, crop_px)
        else:
            _find_faces(job, options, detector)
            _suggest(job, options, crop_px, larger_model)
        if crops is not None:
            _recall(job, crops)
    except Exception as error:
        job.error = wrapped(error, job.name)
    return job


def _file_of(source: str | Path | PhotoFile) -> Path:
    return source.path if isinstance(source, PhotoFile) else Path(source)


def _recall(job: Job, crops: Crops) -> None:
    start = time.perf_counter()
    for place in job.transforms:
        if place in job.models:
            continue  # the size of its network is not known before it is loaded; the stream looks then
        known = crops.get(job.crop(place, job.crop_px))
        if known is not None:
            job.restored[place] = known
    job.clock("align", start)


def wrapped(error: Exception, name: str) -> GpenError:
    """An error that nobody foresaw, as one of ours: it fails its own photo and no other."""
    if isinstance(error, GpenError):
        return error
    if isinstance(error, MemoryError):
        return GpenError("photo_memory", name=name)
    log.exception("unexpected error at %s", name, exc_info=error)
    return GpenError("photo_unexpected", name=name, reason=str(error).strip() or type(error).__name__)


def _find_faces(job: Job, options: RestoreOptions, detector: Detector) -> None:
    assert job.pixels is not None and job.original is not None
    start = time.perf_counter()
    found = detect_twice(
        detector,
        to_eight_bits(job.pixels),
        options.detector_threshold,
        options.second_look,
        options.smallest_face_px,
    )
    scale = job.pixels.shape[1] / job.original.size_wh[0]
    job.faces, choices, notes = chosen_faces(found, job.choices, job.pixels, scale, detector)
    job.notes += notes
    job.clock("detect", start)
    start = time.perf_counter()
    for place, face in enumerate(job.faces):
        choice = choices.get(place)
        why = why_left(place, job.faces, choice, options, job.pixels)
        if why is not None:
            job.outcomes[place] = outcome(place, face, options.output_scale, "left", why)
            continue
        job.transforms[place] = align_transform(face.points_xy, job.crop_px)
        if choice is not None and choice.strength is not None:
            job.strengths[place] = choice.strength
        if choice is not None and choice.model is not None:
            job.models[place] = choice.model
    job.clock("align", start)
    if not job.faces:
        job.notes.append(Note("no_face"))


def _whole_picture(pixels: Pixels, crop_px: int) -> Affine:
    """The transform that stretches a picture over the crop, corners on corners."""
    scale_xy = crop_px / np.array([pixels.shape[1], pixels.shape[0]], float)
    return np.column_stack((np.diag(scale_xy), scale_xy / 2 - 0.5))


def outcome(place: int, face: Face, scale: int, state: FaceState, why: Note | None = None) -> FaceOutcome:
    """What is reported of one face; its box in pixels of the enlarged photo."""
    return FaceOutcome(place + 1, scaled(face.box_xyxy, scale), face.score, state, why)


def _suggest(job: Job, options: RestoreOptions, crop_px: int, larger_model: str | None) -> None:
    """Tells the user what would show more: a larger output for small faces, a larger model for large ones."""
    squares_px = [crop_px / scale_of(transform) for transform in job.transforms.values()]
    if not squares_px:
        return
    smallest = min(squares_px) * options.output_scale
    if smallest < SMALL_FACE_SHARE * crop_px and options.output_scale < 4:
        factor = 2 if smallest * 2 >= SMALL_FACE_SHARE * crop_px and options.output_scale == 1 else 4
        job.notes.append(Note("suggest_scale", {"scale": factor}))
    if max(squares_px) > LARGE_FACE_SHARE * crop_px and crop_px < LARGEST_MODEL_PX:
        values: dict[str, object] = {"size": crop_px, "face": round(max(squares_px))}
        here = {"model": larger_model} if larger_model else {}
        job.notes.append(Note("suggest_model_here" if here else "suggest_model", values | here))
