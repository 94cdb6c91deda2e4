"""Draws the before/after sheet of the docs: `python -m training.sample MODEL... --out docs/training/astronaut.png`.

The face is the one picture that may be shown, scikit-image's astronaut (NASA, public domain). It is aligned by the
places of her eyes and mouth, degraded at the three levels of the evaluation and restored by each model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from training.checkpoint import load_generator
from training.evaluate import LEVELS, SIZE_PX, degrade_level, restore
from training.refusals import refusing

ASTRONAUT_POINTS_XY = np.array([(204.0, 109.0), (240.0, 108.0), (224.0, 148.0)], np.float32)  # eyes, middle of mouth
# the same points in GPEN's aligned crop, as shares of its side (gpen_ui.faces.align)
TEMPLATE_SHARES = np.array([(0.394611, 0.474383), (0.604356, 0.473223), (0.500831, 0.715981)], np.float32)


def astronaut_face() -> np.ndarray:
    """The aligned face (512, 512, 3) RGB bytes; enlarged three times, so soft even before it is degraded."""
    from skimage.data import astronaut

    to_crop, _ = cv2.estimateAffinePartial2D(ASTRONAUT_POINTS_XY, TEMPLATE_SHARES * SIZE_PX)
    return cv2.warpAffine(
        astronaut(), to_crop, (SIZE_PX, SIZE_PX), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.sample", description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    clean = astronaut_face()
    inputs = [degrade_level(clean, level, seed=1) for level in LEVELS]
    with refusing(parser):
        networks = [load_generator(path) for path in given.models]
    rows = [inputs, *(restore(network, inputs, torch.device("cpu"), batch=1) for network in networks)]
    sheet = np.concatenate([np.concatenate([*row, clean], axis=1) for row in rows], axis=0)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    half = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(given.out), half[..., ::-1])


if __name__ == "__main__":
    main()
