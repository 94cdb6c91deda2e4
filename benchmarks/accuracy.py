"""How far the short number types are off the network in float32, in levels of 255, over degraded faces.

usage: python -m benchmarks.accuracy FOLDER [--faces 24] [--model NAME|FILE] [--types bfloat16 float16] [--threads 2]

FOLDER holds sharp portraits. Each face is aligned, spoiled in one of eight ways in turn (`benchmarks.likeness`) and
restored by the form that the program runs on a processor, in float32 and in each type. Asked for: at most 2 levels off
on 99.9 % of the values, and never more than 4. The line of a face holds its share within 2 levels and its largest
error; the last line the share of all values together, the worst face, and the largest error of all. float16 on a
processor stands in for a card, whose own figure is printed by `benchmarks.card`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.likeness import SPOILS, Crop, sharp_faces, spoiled
from gpen_ui.engine.memory import keep_freed_memory
from gpen_ui.engine.placement import place
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.network import Gpen
from gpen_ui.paths import home_folder
from gpen_ui.weights import load_network

WITHIN = 2.0  # levels
ASKED_SHARE, ASKED_MOST = 0.999, 4.0


def restored(network: Gpen, dtype: torch.dtype, faces: list[Crop]) -> list[Crop]:
    """The faces as the program restores them on a processor, 0 to 255."""
    runner = FaceRunner(place(network, "cpu", dtype), "cpu", 1)
    pictures = [picture for face in faces for picture in runner.run([face])]
    runner.close()
    return [picture for picture in pictures if isinstance(picture, np.ndarray)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=24)
    parser.add_argument("--model", type=Path, default=home_folder() / "models" / "gpen-lite-512.pth")
    parser.add_argument("--types", nargs="+", default=["bfloat16", "float16"])
    parser.add_argument("--threads", type=int, default=2)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    keep_freed_memory()
    draw = np.random.default_rng(0)
    clean = list(sharp_faces(wishes.folder, wishes.faces))
    ways = [SPOILS[number % len(SPOILS)] for number in range(len(clean))]
    faces = [spoiled(face, way, draw) for face, way in zip(clean, ways, strict=True)]
    network = load_network(wishes.model)
    exact = restored(network, torch.float32, faces)
    for name in wishes.types:
        print(f"{wishes.model.name}, {name}, {len(faces)} faces")
        short = restored(network, getattr(torch, name), faces)
        errors = [np.abs(ours - theirs) for ours, theirs in zip(short, exact, strict=True)]
        shares = [float(np.mean(error <= WITHIN)) for error in errors]
        for way, error, share in zip(ways, errors, shares, strict=True):
            print(
                f"  {way.name:20} {share:9.4%} within {WITHIN:.0f}   most {error.max():.2f}   mean {error.mean():.3f}"
            )
        most = max(float(error.max()) for error in errors)
        held = float(np.mean(shares)) >= ASKED_SHARE and most <= ASKED_MOST
        print(
            f"all: {np.mean(shares):.4%} within 2, worst face {min(shares):.4%}, most {most:.2f}: "
            f"{'held' if held else 'NOT HELD'}"
        )


if __name__ == "__main__":
    main()
