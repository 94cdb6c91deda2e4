"""What the options cost beside one face of GPEN-BFR-512 in float32 on this machine's processor.

usage: python -m benchmarks.prices [--threads 2] [--rounds 7] [--size 512]

The network has the published configuration and random parameters; its fast form runs in float32 whatever the
processor is quicker in, in turns with the options, and the medians are printed. The options' extra times come from
the whole pipeline (`gpen_ui.measure.prices`) with the model that comes along, whose crops have the same side. The
bounds are 15 % for all options of the face together and 60 % for all of the whole photo.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import cv2
import torch

from benchmarks.networks import SIZES, published_config
from gpen_ui.engine.device import device_name
from gpen_ui.engine.fast import FastGpen
from gpen_ui.engine.restorer import Restorer
from gpen_ui.measure.prices import PriceList, measure_prices
from gpen_ui.measure.report import price_table
from gpen_ui.network import Gpen

FACE_BOUND, PHOTO_BOUND = 0.15, 0.60


def face_seconds(network: FastGpen, size: int) -> float:
    x = torch.zeros(1, 3, size, size)
    with torch.inference_mode():
        start = time.perf_counter()
        network(x)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, choices=SIZES, default=512)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    cv2.setNumThreads(wishes.threads)
    torch.manual_seed(0)
    network = FastGpen(Gpen(published_config(wishes.size)).eval()).eval()
    face_seconds(network, wishes.size)
    faces, lists = [], []
    with Restorer.load(device="cpu") as restorer:
        for _ in range(wishes.rounds):
            faces.append(face_seconds(network, wishes.size))
            lists.append(measure_prices(restorer, rounds=1))
    face = statistics.median(faces)
    prices = tuple(
        type(first)(first.option, first.value, first.acts_on, statistics.median(price.seconds for price in row))
        for first, row in ((row[0], row) for row in zip(*(one.prices for one in lists), strict=True))
    )
    measured = PriceList(face, prices)
    print(f"{device_name('cpu')}, {wishes.threads} threads, torch {torch.__version__}, {platform.system()}")
    print(f"one face of {wishes.size} px in float32: {face:.3f} s\n\n{price_table(measured, 'en')}\n")
    for kind, bound in (("face", FACE_BOUND), ("photo", PHOTO_BOUND)):
        share = measured.together(kind)  # type: ignore[arg-type]
        print(f"{kind} options together: {100 * share:.1f} % (bound {100 * bound:.0f} %)")


if __name__ == "__main__":
    main()
