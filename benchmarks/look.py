"""What each adjustment costs, on this machine.

usage: python -m benchmarks.look [--rounds 9] [--threads 2]

Whole-photo functions get a noisy photo of 1280 x 960, face functions a crop of 512. All run in turns, round after
round, so that a noisy machine slows all alike; the median of each is printed, in milliseconds.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from skimage.data import astronaut

from gpen_ui import look

PHOTO_WH = (1280, 960)
CROP_PX = 512
NOISE = 8.0


def photo_functions() -> dict[str, Callable[[], object]]:
    clean = cv2.resize(astronaut(), PHOTO_WH, interpolation=cv2.INTER_AREA)
    grain = np.random.default_rng(0).normal(0, NOISE, clean.shape)
    photo = np.clip(np.rint(clean + grain), 0, 255).astype(np.uint8)
    gray = np.repeat(photo[..., 1:2], 3, axis=2)
    return {
        "denoise 50": lambda: look.denoise(photo, 50),
        "denoise 50, gray photo": lambda: look.denoise(gray, 50),
        "sharpen 50": lambda: look.sharpen(photo, 50),
        "contrast and brightness": lambda: look.adjust_tone(photo, 30, 20),
        "estimate noise": lambda: look.estimate_noise(look.luminance(photo)),
        "enlarge 2x": lambda: look.enlarge(photo, 2),
        "long edge to 800": lambda: look.reduce_long_edge(photo, 800),
    }


def face_functions() -> dict[str, Callable[[], object]]:
    original = cv2.resize(astronaut()[10:222, 119:331], (CROP_PX, CROP_PX)).astype(np.float32)
    restored = cv2.GaussianBlur(original, (0, 0), 3) * 0.9 + 10
    return {
        "mode natural": lambda: look.apply_mode(restored, original, "natural"),
        "mode detail": lambda: look.apply_mode(restored, original, "detail"),
        "skin protection": lambda: look.protect_skin(restored, original, scale_px=1.0, noise=1.0),
        "detail enhancement": lambda: look.enhance_detail(restored),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    wishes = parser.parse_args()
    cv2.setNumThreads(wishes.threads)
    functions = {**photo_functions(), **face_functions()}
    milliseconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_number in range(wishes.rounds + 1):
        for name, run in functions.items():
            start = time.perf_counter()
            run()
            if round_number:  # the first round only warms up
                milliseconds[name].append(1000 * (time.perf_counter() - start))
    print(f"{platform.processor() or platform.machine()}, {wishes.threads} threads, OpenCV {cv2.__version__}")
    for name, values in milliseconds.items():
        print(f"{name:26s}{statistics.median(values):8.1f} ms")


if __name__ == "__main__":
    main()
