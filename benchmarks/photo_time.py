"""What the options that came with "the whole photo kept, and a likeness that people recognise" cost a photo.

usage: python -m benchmarks.photo_time [--each] [--rounds 9] [--threads 2] [--grain 4]

One portrait of 1280 x 960 from memory goes through the whole engine, again and again, once without those options and
once with all of them, in turns, so that a busy machine slows both alike. Medians of the wall clock and of the processor
seconds of the process, and of the ratio of each pair. `--each` also turns them off one by one. `--grain` lays grain on
the portrait, so that there is some to match.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import cv2
import numpy as np
import torch

from gpen_ui.engine import Restorer
from gpen_ui.measure.samples import portrait
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo, photo_from_pixels

ALL = RestoreOptions()
WITHOUT = {"match_look": False, "keep_occluded": "off", "likeness_guard": "off"}


def variants(each: bool) -> dict[str, RestoreOptions]:
    """Names and options; the first is what the others are compared with."""
    named = {"without": ALL.model_copy(update=WITHOUT), "all": ALL}
    if each:
        named |= {f"all but {name}": ALL.model_copy(update={name: value}) for name, value in WITHOUT.items()}
    return named


def grainy(deviation: float) -> Photo:
    """The portrait with grain of about two pixels."""
    clean = portrait().pixels.astype(np.float32)
    drawn = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, clean.shape).astype(np.float32), (0, 0), 0.7)
    return photo_from_pixels(np.clip(np.rint(clean + drawn * (deviation / drawn.std())), 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--grain", type=float, default=4.0)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    named, photo = variants(wishes.each), grainy(wishes.grain)
    wall: dict[str, list[float]] = {name: [] for name in named}
    processor: dict[str, list[float]] = {name: [] for name in named}
    with Restorer.load(device="cpu", batch_size=1) as restorer:
        for round_number in range(wishes.rounds + 1):
            names = list(named) if round_number % 2 else list(named)[::-1]
            for name in names:
                start, start_processor = time.perf_counter(), time.process_time()
                result = restorer.restore(photo, named[name])
                assert result.error is None and result.restored_count == 1
                if round_number:  # the first round only warms up
                    wall[name].append(time.perf_counter() - start)
                    processor[name].append(time.process_time() - start_processor)
        print(f"{platform.processor() or platform.machine()}, {wishes.threads} threads, {restorer.model_name}")
    print("| | wall clock | ratio | processor | ratio |\n| --- | --- | --- | --- | --- |")
    for name in named:
        cells = []
        for times in (wall, processor):
            ratios = [one / other for one, other in zip(times[name], times["without"], strict=True)]
            cells += [f"{statistics.median(times[name]):.3f} s", f"{statistics.median(ratios):.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
