"""From a photo and its restored crops to the finished picture."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from gpen_ui import look
from gpen_ui.engine.likeness import Held, hold_likeness, mark_likeness, was_asked_for
from gpen_ui.engine.matching import fitted_layers
from gpen_ui.engine.prepare import ALIGNED, Crop, Job, outcome, wrapped
from gpen_ui.engine.results import FaceOutcome, FaceState, Note, RestoredPhoto
from gpen_ui.errors import GpenError
from gpen_ui.faces import Affine, FaceLayer, Masker, face_rectangle, paste_faces, rescaled, scale_of
from gpen_ui.faces.likeness import Embedder
from gpen_ui.look.channels import is_gray, luminance
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo, Pixels


def finish(job: Job, options: RestoreOptions, masker: Masker, embed: Embedder | None = None) -> RestoredPhoto:
    """The outcome of a photo whose faces are all back from the network; an error of the photo is part of it.

    Args:
        embed: measures likeness; None where that is not possible.
    """
    photo = None
    if job.error is None:
        try:
            job.restored.update({place: kept.result() for place, kept in job.keeping.items()})
            photo = _aligned(job, options, embed) if options.aligned else _composed(job, options, masker, embed)
        except Exception as error:
            job.error = wrapped(error, job.name)
    return RestoredPhoto(
        name=job.name,
        source=job.path,
        original=job.original,
        photo=photo,
        error=job.error,
        faces=tuple(job.outcomes[place] for place in sorted(job.outcomes)),
        seconds=job.seconds,
        device=job.device,
        notes=tuple(job.notes),
        choices=job.choices,
    )


def _aligned(job: Job, options: RestoreOptions, embed: Embedder | None) -> Photo:
    """The network's own picture of an aligned face. It has no strength that could be lowered, so its likeness is only
    measured and marked."""
    assert job.original is not None
    result = job.restored[ALIGNED]
    if isinstance(result, GpenError):
        raise result
    picture = look.match_gray(result) if is_gray(job.original.pixels) else result
    depth = job.original.pixels.dtype
    pixels = np.rint(picture * look.level_of(job.original.pixels)).astype(depth)
    height, width = pixels.shape[:2]
    likeness, why = mark_likeness(picture, job.crop(ALIGNED, len(result)), options, embed)
    box, square_px = (0.0, 0.0, float(width), float(height)), float(job.original.size_wh[0])
    job.outcomes[ALIGNED] = FaceOutcome(
        1, box, 1.0, "restored", why, likeness=likeness, square_px=square_px, network_px=len(picture)
    )
    return dataclasses.replace(job.original, pixels=pixels, alpha=None)


def _composed(job: Job, options: RestoreOptions, masker: Masker, embed: Embedder | None) -> Photo:
    """The photo with its faces put back and the adjustments made."""
    assert job.original is not None and job.pixels is not None
    start = time.perf_counter()
    base = job.background
    if base is None:
        base = look.enlarge(look.denoise(job.pixels, options.denoise), options.output_scale)
    job.clock("look", start)
    start = time.perf_counter()
    held = {
        place: _held(job, place, crop, base, options, masker, embed)
        for place, crop in sorted(job.restored.items())
        if not isinstance(crop, GpenError)
    }
    layers = [each.layer for each in held.values() if each.layer is not None]
    pixels = paste_faces(base, fitted_layers(base, layers, options)) if layers else base
    job.clock("paste", start)
    start = time.perf_counter()
    pixels = look.sharpen(pixels, options.sharpen)
    pixels = look.adjust_tone(pixels, options.contrast, options.brightness)
    alpha = job.original.alpha
    if alpha is not None:
        alpha = look.enlarge_plane(look.reduce_long_edge(alpha, options.long_edge), options.output_scale)
    job.clock("look", start)
    _note_outcomes(job, held, options)
    if held and embed is None and was_asked_for(options):
        job.notes.append(Note("likeness_missing"))
    if held and masker.parse is None and options.keep_occluded == "on":
        job.notes.append(Note("occlusion_missing"))
    return dataclasses.replace(job.original, pixels=pixels, alpha=alpha)


def _held(
    job: Job, place: int, restored: Crop, base: Pixels, options: RestoreOptions, masker: Masker, embed: Embedder | None
) -> Held:
    """One face, ready to be pasted into `base` as far as its likeness allows."""
    assert job.pixels is not None
    to_crop = job.transform(place, len(restored))
    original = job.crop(place, len(restored))
    noise = face_noise(job.pixels, to_crop, len(restored))
    picture = dress_face(restored, original, to_crop, noise, options)
    at_scale = rescaled(to_crop, options.output_scale)
    strength = strength_of(job, place, options)
    mask = masker.mask(restored, keep_occluded=options.keep_occluded != "off")
    seen = original if base is job.pixels and base.dtype == np.uint8 else None  # of sixteen bits it is in other numbers
    layer = FaceLayer(picture, mask, at_scale, strength / 100, noise, seen=seen)
    return hold_likeness(layer, original, strength, options, embed)


def strength_of(job: Job, place: int, options: RestoreOptions) -> int:
    """How much of the restored face is taken, in percent."""
    return job.strengths.get(place, options.strength)


def dress_face(restored: Crop, original: Crop, to_crop: Affine, noise: float, options: RestoreOptions) -> Crop:
    """What the options of the face do to one restored crop.

    Args:
        restored, original: (S, S, 3) float32 RGB 0..255, aligned.
        to_crop: photo -> crop; tells the size of the face in the photo.
        noise: standard deviation of the photo's noise around the face, in levels.
    """
    picture = look.apply_mode(restored, original, options.mode)
    if options.skin_protection:
        picture = look.protect_skin(picture, original, scale_px=scale_of(to_crop), noise=noise)
    if options.detail_enhancement:
        picture = look.enhance_detail(picture)
    return look.match_gray(picture) if is_gray(original) else picture


def face_noise(pixels: Pixels, to_crop: Affine, crop_px: int) -> float:
    """Standard deviation of the noise around a face, in levels of 255."""
    left, top, right, bottom = face_rectangle(to_crop, crop_px, (pixels.shape[1], pixels.shape[0]))
    part = pixels[top:bottom, left:right]
    return float(look.estimate_noise(luminance(part))) if part.size else 0.0


def _note_outcomes(job: Job, held: dict[int, Held], options: RestoreOptions) -> None:
    for place, result in job.restored.items():
        face = job.faces[place]
        if isinstance(result, GpenError):
            why = Note("face_failed", {"reason": result})
            job.outcomes[place] = outcome(place, face, options.output_scale, "failed", why)
        else:
            one = held[place]
            state: FaceState = "restored" if one.layer is not None else "left"
            job.outcomes[place] = dataclasses.replace(
                outcome(place, face, options.output_scale, state, one.why),
                strength=one.strength if one.layer is not None else None,
                model=job.models.get(place),
                likeness=one.likeness,
                square_px=job.crop_px / scale_of(job.transforms[place]),
                network_px=len(result),
            )
