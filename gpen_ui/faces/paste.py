"""Putting restored crops back: only inside each face's rectangle, everything else stays bit-identical."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.align import crop_face, face_rectangle, scale_of, uncrop
from gpen_ui.faces.mask import Mask
from gpen_ui.faces.types import LUMA, Affine

SHARE_POWER = 4  # how sharply overlapping faces divide their common pixels; 1 would be an average
NOISE_MARGIN = 3.0  # band energy must exceed this many times the noise's before it counts as detail
NOTHING = np.zeros(4)  # a number for each channel, as OpenCV takes it

Rectangle = tuple[int, int, int, int]
Pixels = NDArray[np.uint8 | np.uint16]
# The photo's rectangle with the picture in it: (photo in the rectangle, picture in the photo's numbers, weight of the
# picture, rectangle) -> (H, W, 3) float32 in the photo's numbers.
Blend = Callable[[Pixels, NDArray[np.float32], Mask, Rectangle], NDArray[np.float32]]
# What is made last of a blended rectangle: (blended, photo in the rectangle, weight) -> the same shape and numbers.
Settle = Callable[[NDArray[np.float32], Pixels, Mask], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class FaceLayer:
    """One restored face, ready to be pasted.

    Attributes:
        picture: (S, S, 3) float32 RGB 0..255.
        mask: (S, S) 0..1, zero at the border.
        to_crop: (2, 3) from pixels of the photo that is pasted into to crop pixels.
        opacity: 0 keeps the photo, 1 takes the picture.
        noise: standard deviation of the photo's noise in levels of 255.
        blend: how the picture and the photo are joined; None mixes them by their weight.
        settle: what is made of the joined rectangle at last.
        seen: (S, S, 3) float32, the photo's crop in the photo's numbers, where it was cut out already.
    """

    picture: NDArray[np.float32]
    mask: Mask
    to_crop: Affine
    opacity: float
    noise: float = 0.0
    blend: Blend | None = None
    settle: Settle | None = None
    seen: NDArray[np.float32] | None = None


def paste_faces(photo: Pixels, layers: Sequence[FaceLayer]) -> Pixels:
    """A copy of the photo (H, W, 3) RGB with the faces put in, in the photo's own depth.

    Overlapping faces share their common pixels by the masks' fourth powers, so each keeps its own middle and the
    change between them is smooth. The order of the layers does not matter beyond rounding.
    """
    import cv2

    result = photo.copy()
    size_wh = (photo.shape[1], photo.shape[0])
    rectangles = [face_rectangle(layer.to_crop, len(layer.mask), size_wh) for layer in layers]
    for number, (layer, rectangle) in enumerate(zip(layers, rectangles, strict=True)):
        left, top, right, bottom = rectangle
        if right <= left or bottom <= top or layer.opacity <= 0:
            continue
        weight = _weight(number, layers, rectangles)
        weight *= layer.opacity
        before, target = photo[top:bottom, left:right], result[top:bottom, left:right]
        picture = _picture_at(layer, photo, rectangle)
        # OpenCV takes numbers of both kinds in one pass; the result stays in the picture's own memory
        if layer.blend is None:
            cv2.subtract(picture, before, picture, dtype=cv2.CV_32F)
            blended = np.asarray(cv2.multiply(picture, in_channels(weight), picture), np.float32)
            cv2.add(blended, target, blended, dtype=cv2.CV_32F)
        else:
            blended = layer.blend(before, picture, weight, rectangle)
            if any(_touch(earlier, rectangle) for earlier in rectangles[:number]):
                cv2.subtract(blended, before, blended, dtype=cv2.CV_32F)
                cv2.add(blended, target, blended, dtype=cv2.CV_32F)
        if layer.settle is not None:
            blended = layer.settle(blended, before, weight)
        _put(blended, weight, target)
    return result


def _put(blended: NDArray[np.float32], weight: Mask, target: Pixels) -> None:
    """Writes what was blended into the photo where it has any weight: rounded, black and white at the ends."""
    import cv2

    shown = np.empty_like(target)
    depth = cv2.CV_8U if target.dtype == np.uint8 else cv2.CV_16U
    cv2.add(blended, NOTHING, shown, dtype=depth)
    somewhere: NDArray[np.uint8] = np.empty(weight.shape, np.uint8)
    cv2.copyTo(shown, cv2.compare(weight, NOTHING[:1], cv2.CMP_GT, somewhere), target)


def in_channels(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) three times, (H, W, 3): NumPy takes three times as long to stretch a plane over three channels as it goes,
    and eight times where it selects by it."""
    import cv2

    return np.asarray(cv2.merge((plane, plane, plane), np.empty((*plane.shape, 3), np.float32)), np.float32)


def _weight(number: int, layers: Sequence[FaceLayer], rectangles: Sequence[Rectangle]) -> Mask:
    """The layer's mask in its rectangle, less what overlapping faces take."""
    own = _mask_at(layers[number], rectangles[number])
    rivals = [
        _mask_at(layer, rectangles[number])
        for other, layer in enumerate(layers)
        if other != number and _touch(rectangles[other], rectangles[number])
    ]
    if not rivals:
        return own
    power = own**SHARE_POWER
    total = power + sum(rival**SHARE_POWER for rival in rivals)
    return np.asarray(own * power / np.maximum(total, 1e-12), np.float32)


def _mask_at(layer: FaceLayer, rectangle: Rectangle) -> Mask:
    mask = uncrop(layer.mask, layer.to_crop, rectangle, smooth=True)
    return np.clip(mask, 0, 1, out=mask)


def _touch(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _picture_at(layer: FaceLayer, photo: Pixels, rectangle: Rectangle) -> NDArray[np.float32]:
    """The restored picture in the photo's pixels and numbers, with the detail that the network could not see put
    back."""
    level = int(np.iinfo(photo.dtype).max) // 255  # the photo's number for one level of 255
    picture = uncrop(layer.picture, layer.to_crop, rectangle)
    if level != 1:
        picture *= np.float32(level)
    if scale_of(layer.to_crop) >= 1:
        return picture
    import cv2

    left, top, right, bottom = rectangle
    cut = layer.seen if layer.seen is not None else crop_face(photo, layer.to_crop, len(layer.mask))
    unseen = uncrop(cut, layer.to_crop, rectangle)
    cv2.subtract(photo[top:bottom, left:right], unseen, unseen, dtype=cv2.CV_32F)
    share = in_channels(clean_share(unseen, scale_of(layer.to_crop), layer.noise * level))
    cv2.accumulateProduct(unseen, share, picture)
    return picture


def clean_share(band: NDArray[np.float32], scale: float, noise: float) -> NDArray[np.float32]:
    """How much of a fine band is detail and not noise: a Wiener weight from local energy.

    Args:
        band: (H, W, 3) what lies above the crop's resolution.
        scale: crop pixels per photo pixel, below 1; the band holds the share 1 - scale^2 of white noise's energy.
        noise: standard deviation of the photo's noise in levels.

    Returns:
        (H, W) 0..1.
    """
    import cv2

    energy = np.empty(band.shape[:2], np.float32)
    cv2.transform(band, LUMA[None], energy)
    cv2.GaussianBlur(np.square(energy, out=energy), (0, 0), 2 / scale, energy)
    noise_energy = NOISE_MARGIN * noise**2 * (1 - scale**2)
    share = np.divide(np.float32(noise_energy), np.maximum(energy, 1e-6, out=energy), out=energy)
    return np.clip(np.subtract(1, share, out=share), 0, 1, out=share)
