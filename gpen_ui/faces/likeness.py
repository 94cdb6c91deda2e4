"""How surely two pictures of one aligned face show the same person: dlib's recognition network on a fixed part of the
crop.

The weights lie in the source archive `face-recognition-models` (CC0), which is optional: without it nothing is
measured. Only their file is read; the package itself is never imported.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.align import TEMPLATE_POINTS, crop_face
from gpen_ui.faces.types import LUMA, Affine

PACKAGE = "face_recognition_models"
FILE_NAME = "dlib_face_recognition_resnet_model_v1.dat"
CHIP_PX = 150
# Where dlib's chips of 150 px with a padding of 0.25 have the eyes, as shares of the side: the middle of both corners
# of each eye in its five-point shape (`get_face_chip_details`), moved by the padding, less 2.5 px because the middle
# of an eye lies higher than its corners (measured on 40 faces with dlib's own five points).
CHIP_EYES: tuple[tuple[float, float], ...] = ((0.318214, 0.297588), (0.668543, 0.297488))
BLURS_PX = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)  # standard deviations that are tried, in pixels of a chip
ZERO_AT = 1.2  # distance at which likeness is 0: twice dlib's limit between one person and two

HIGH_FROM, MIDDLE_FROM = 70, 50  # likeness; see docs/faces.md for what was measured

Band = Literal["high", "middle", "low"]
Chip = NDArray[np.float32]
Embedder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # chips (N, 150, 150, 3) RGB -> embeddings (N, 128)


def likeness_of(distance: float) -> float:
    """The distance of two embeddings as a number that people understand.

    100 is the very same picture and 50 dlib's own limit, a distance of 0.6: above it two pictures are more likely of
    one person, below it of two. 0 is twice that, farther than two photos of different people nearly ever are. In
    between it is a straight line, so that equal steps are equal changes.

    Returns:
        0 to 100.
    """
    return float(np.clip(100 * (1 - distance / ZERO_AT), 0, 100))


def band_of(likeness: float) -> Band:
    """In which of three bands, each with a colour and a word, a likeness lies."""
    if likeness >= HIGH_FROM:
        return "high"
    return "middle" if likeness >= MIDDLE_FROM else "low"


def chip_transform(crop_px: int) -> Affine:
    """The similarity from GPEN's template to dlib's chip, by the eyes: (2, 3) crop pixels -> chip pixels.

    The crop is aligned by its own five points, so every face has the eyes where the template has them and no further
    landmark is needed: all five points of dlib come to lie within 1.2 px of where its chip has them on the average
    face, and within 4 px on most.
    """
    (ax, ay), (bx, by) = TEMPLATE_POINTS[:2]
    (cx, cy), (dx, dy) = CHIP_EYES
    source, target = complex(bx - ax, by - ay) * crop_px, complex(dx - cx, dy - cy) * CHIP_PX
    factor = target / source
    # corners on corners: the shares are of sides, and pixel centres are at integers
    shift = complex(cx, cy) * CHIP_PX - factor * complex(ax, ay) * crop_px + (factor - 1) * complex(0.5, 0.5)
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def face_chip(crop: NDArray[Any]) -> Chip:
    """The part of an aligned crop (S, S, 3) RGB 0..255 that the recogniser sees: (150, 150, 3) float32. Of one plane
    (S, S) it is (150, 150)."""
    return crop_face(np.asarray(crop, np.float32), chip_transform(len(crop)), CHIP_PX)


def as_sharp_as(original: Chip, chip: Chip) -> Chip:
    """The chip, blurred until it is no sharper than the original.

    A blurred face does not show who it is: even its true, sharp picture would be taken for somebody else's. What can
    be asked of a restoration is that it agrees with everything that the original does show.
    """
    import cv2

    wanted, light = _fineness(_light(original), 0.0), _light(chip)
    sigma_px = next((sigma for sigma in BLURS_PX if _fineness(light, sigma) <= wanted), BLURS_PX[-1])
    if not sigma_px:
        return chip
    return np.asarray(cv2.GaussianBlur(chip, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _light(chip: Chip) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.transform(chip, LUMA[None]), np.float32)


def _fineness(light: NDArray[np.float32], sigma_px: float) -> float:
    """Mean absolute Laplacian of a face's brightness (150, 150) after a blur. One pixel of blur is always made, so that
    noise is not taken for sharpness."""
    import cv2

    blurred, edges = np.empty_like(light), np.empty_like(light)
    cv2.GaussianBlur(light, (0, 0), math.hypot(1.0, sigma_px), blurred, borderType=cv2.BORDER_REFLECT_101)
    inner = cv2.Laplacian(blurred, cv2.CV_32F, edges)[CHIP_PX // 5 : -CHIP_PX // 5, CHIP_PX // 5 : -CHIP_PX // 5]
    return cv2.norm(inner, cv2.NORM_L1) / inner.size


def likenesses(embed: Embedder, original: Chip, others: list[Chip]) -> list[float]:
    """How much each of several chips is like the original, 0 to 100, at the original's sharpness."""
    compared = [original, *(as_sharp_as(original, other) for other in others)]
    chips = np.clip(np.rint(np.stack(compared)), 0, 255).astype(np.uint8)
    first, *rest = embed(chips)
    return [likeness_of(float(np.linalg.norm(each - first))) for each in rest]


def recognizer_file() -> Path | None:
    """The file of the recogniser's weights, None when its package is not installed."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    folders = (found.submodule_search_locations or ()) if found is not None else ()
    files = (Path(folder) / "models" / FILE_NAME for folder in folders)
    return next((file for file in files if file.is_file()), None)


@functools.lru_cache(maxsize=2)
def load_embedder(file: Path) -> Embedder:
    """The recogniser on the processor, callable from several threads at once.

    Raises:
        CheckpointError: the file holds something else.
    """
    from gpen_ui.faces.recognizer import recognizer_run
    from gpen_ui.network.recognizer import Recognizer
    from gpen_ui.weights.dlib_file import fill_recognizer

    network = Recognizer()
    fill_recognizer(network, file)
    network.fold()
    return recognizer_run(network)
