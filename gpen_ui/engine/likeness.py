"""Is it still that person? Measures how much a finished face is like the original, and steps its strength down until
it is like enough.

A finished face is the original plus its strength times what the restoration changes. All that is linear, so the chips
that the recogniser sees are mixed instead of the pictures: another strength costs one more embedding and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpen_ui.engine.prepare import Crop
from gpen_ui.engine.results import Note
from gpen_ui.errors import CheckpointError
from gpen_ui.faces import FaceLayer
from gpen_ui.faces.likeness import Chip, Embedder, face_chip, likenesses, load_embedder, recognizer_file
from gpen_ui.options import RestoreOptions

STEP = 10  # percent of strength between two tries
_loading = threading.Lock()  # so that threads that come together read the file once


@dataclass(frozen=True, eq=False)
class Held:
    """A face after the guard of its likeness.

    Attributes:
        layer: to be pasted, None when the face is to be left as it was.
        strength: of that layer, in percent.
        likeness: 0 to 100, of the layer as it will be pasted; of a face that is left, what its restoration would have
            had at the strength asked for. None when it was not measured.
        why: what the guard did or found; None when all is well.
    """

    layer: FaceLayer | None
    strength: int
    likeness: float | None = None
    why: Note | None = None


def hold_likeness(
    layer: FaceLayer, original: Crop, strength: int, options: RestoreOptions, embed: Embedder | None
) -> Held:
    """Measures a face that is ready to be pasted and does what the options say when it is not like enough.

    Args:
        layer: with the strength as its opacity.
        original: (S, S, 3) float32 RGB 0..255, the aligned crop that went into the network.
        strength: in percent; it is lowered here, never raised.
        embed: None when likeness cannot be measured here.
    """
    if options.likeness_guard == "off" or embed is None:
        return Held(layer, strength)
    if layer.opacity <= 0:
        return Held(layer, strength, 100.0)
    try:
        return _held(layer, original, strength, options, embed)
    except CheckpointError as error:  # the package is damaged: no reason to fail the face
        return Held(layer, strength, None, Note("likeness_broken", {"reason": error}))


def _held(layer: FaceLayer, original: Crop, strength: int, options: RestoreOptions, embed: Embedder) -> Held:
    before, change = chips_of(layer, original)
    (likeness,) = likenesses(embed, before, [before + change * np.float32(layer.opacity)])
    least = options.least_likeness
    if likeness >= least:
        return Held(layer, strength, likeness)
    values: dict[str, object] = {"likeness": shown_likeness(likeness), "least": least}
    if options.likeness_guard == "mark":
        return Held(layer, strength, likeness, Note("likeness_low", values))
    values["asked"] = strength
    lower = range((strength - 1) // STEP * STEP, 0, -STEP)
    tried = likenesses(embed, before, [before + change * np.float32(each / 100) for each in lower]) if lower else []
    for step, reached in zip(lower, tried, strict=True):
        if reached >= least:
            why = Note("likeness_lowered", {**values, "strength": step})
            return Held(dataclasses.replace(layer, opacity=step / 100), step, reached, why)
    return Held(None, 0, likeness, Note("likeness_left", values))


def mark_likeness(
    picture: Crop, original: Crop, options: RestoreOptions, embed: Embedder | None
) -> tuple[float | None, Note | None]:
    """Measures a whole crop (S, S, 3) against the original and says so when it is not like enough."""
    if options.likeness_guard == "off" or embed is None:
        return None, None
    try:
        (likeness,) = likenesses(embed, face_chip(original), [face_chip(picture)])
    except CheckpointError as error:
        return None, Note("likeness_broken", {"reason": error})
    if likeness >= options.least_likeness:
        return likeness, None
    return likeness, Note("likeness_low", {"likeness": shown_likeness(likeness), "least": options.least_likeness})


def chips_of(layer: FaceLayer, original: Crop) -> tuple[Chip, Chip]:
    """The original's chip, and what full strength adds to it: both (150, 150, 3) float32."""
    before = face_chip(original)
    return before, (face_chip(layer.picture) - before) * face_chip(layer.mask)[:, :, None]


def shown_likeness(likeness: float) -> int:
    """As it is written in sentences: rounded down, so that 49.7 does not read as the limit of 50."""
    return math.floor(likeness)


def was_asked_for(options: RestoreOptions) -> bool:
    """Whether the user has set the guard, so that it is missed where it is missing."""
    fields = RestoreOptions.model_fields
    names = ("likeness_guard", "least_likeness")
    return options.likeness_guard != "off" and any(getattr(options, name) != fields[name].default for name in names)


def find_embedder() -> Embedder | None:
    """The recogniser of this process, None where its package is not installed. Its file is read with the first face."""
    file = recognizer_file()
    return None if file is None else functools.partial(_embed, file)


def _embed(file: Path, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    with _loading:
        embed = load_embedder(file)
    return embed(chips)
