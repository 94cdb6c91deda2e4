"""Layers that fit the photo which they are pasted into: its tone, and its grain and sharpness where that is wished."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from gpen_ui import look
from gpen_ui.faces import FaceLayer, face_rectangle
from gpen_ui.look.channels import is_gray
from gpen_ui.look.match import blend_matched, look_around, settle_on_tone
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Pixels


def fitted_layers(base: Pixels, layers: list[FaceLayer], options: RestoreOptions) -> list[FaceLayer]:
    """The layers, made to fit the photo (H, W, 3) that they are pasted into.

    A toned photo keeps its tone whatever the options say, as a gray one stays gray.
    """
    tone = look.find_tone(base) if not is_gray(base) else None
    return [fitted_layer(base, layer, options, tone) for layer in layers]


def fitted_layer(base: Pixels, layer: FaceLayer, options: RestoreOptions, tone: look.ToneCurve | None) -> FaceLayer:
    """The layer with what makes it fit the photo (H, W, 3) that it is pasted into.

    Args:
        tone: of the photo; the face gets it as far as it has it already.
    """
    rectangle = face_rectangle(layer.to_crop, len(layer.mask), (base.shape[1], base.shape[0]))
    left, top, right, bottom = rectangle
    if right <= left or bottom <= top or layer.opacity <= 0:
        return layer
    if tone is not None:
        step = max(1, (right - left) // 64)
        face = base[top:bottom:step, left:right:step].astype(np.float32) / np.float32(look.level_of(base))
        tone = tone if tone.covers(face) else None
    blend = settle = None
    if options.match_look:
        around = look_around(base, rectangle, options.output_scale, layer.noise)
        if around.matters:
            blend = partial(blend_matched, around, layer.opacity)
    if tone is not None:
        settle = partial(settle_on_tone, tone)
    return dataclasses.replace(layer, blend=blend, settle=settle)
