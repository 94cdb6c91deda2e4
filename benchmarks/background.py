"""What a background by Real-ESRGAN costs on this machine, and how far tiles differ from the whole.

usage: python -m benchmarks.background [--device cpu] [--seconds-only]

Prints, for the network that comes with the program (x4plus): seconds for a megapixel and the peak of memory at several
sides of a tile; how far a seam is off at several margins, in levels of 255, on the astronaut, on noise and on a small
face pasted on a rough ground, where the network looks farthest; and the same for the plan that the program makes,
against the untiled picture.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut

from benchmarks.stream import draw
from gpen_ui.engine import backdrop as backdrop_module
from gpen_ui.engine.backdrop import BLEND_PX, MARGIN_PX, Backdrop, TileProgress, smallest_tile_px
from gpen_ui.engine.device import choose_device, device_name
from gpen_ui.engine.memory import PeakMemory, keep_freed_memory
from gpen_ui.look.tiles import Piece
from gpen_ui.photo import Pixels, read_photo
from gpen_ui.weights.upscaler import find_upscaler

MARGINS_PX = (10, 16, 32, 48, 64, 80, 96)
SIDES_PX = (64, 128, 256, 384)


def drain(drawing: Generator[TileProgress, None, Pixels]) -> Pixels:
    """What a drawing gives at its end."""
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            result: Pixels = end.value
            return result


def costs(backdrop: Backdrop, device: str) -> None:
    print("| side | s for a megapixel | bytes for a pixel |\n| --- | --- | --- |")
    for side in SIDES_PX if device == "cpu" else (*SIDES_PX, 768, 1024):
        piece = np.random.default_rng(0).random((side, side, 3)).astype(np.float32)
        for _ in range(1 if device == "cpu" else 2):
            with PeakMemory(device) as memory:
                start = time.perf_counter()
                backdrop._piece(piece)
                seconds = time.perf_counter() - start
        peak = "-" if memory.peak_bytes is None else f"{memory.peak_bytes / side**2:.0f}"
        print(f"| {side} px | {1e6 * seconds / side**2:.2f} | {peak} |", flush=True)


def seams(backdrop: Backdrop, pieces: dict[str, Piece]) -> None:
    """The right part of a strip alone, with a margin, against the same part of the whole strip."""
    print("\n| margin | " + " | ".join(f"{name}, largest (mean)" for name in pieces) + " |\n" + "| --- " * 4 + "|")
    wholes = {name: backdrop._piece(piece) for name, piece in pieces.items()}
    for margin in MARGINS_PX:
        row = []
        for name, piece in pieces.items():
            middle = piece.shape[1] // 2
            part = backdrop._piece(piece[:, middle - margin :])[:, 4 * margin :]
            off = 255 * np.abs(part - wholes[name][:, 4 * middle :])
            row.append(f"{off.max():.2f} ({off.mean():.4f})")
        print(f"| {margin} px | {' | '.join(row)} |", flush=True)


def tiled(backdrop: Backdrop, photo: Pixels) -> None:
    print()
    smallest_px = smallest_tile_px()
    for scale in (1, 4):
        whole = drain(backdrop.draw(photo, scale))
        largest, backdrop_module.LARGEST_TILE_PX = backdrop_module.LARGEST_TILE_PX, smallest_px
        parts = drain(backdrop.draw(photo, scale))
        backdrop_module.LARGEST_TILE_PX = largest
        off = np.abs(whole.astype(int) - parts)
        wh = f"{photo.shape[1]} x {photo.shape[0]}"
        print(
            f"{wh} at {scale}x in tiles of {smallest_px} px, {MARGIN_PX} px margin, {BLEND_PX} px zone, "
            f"against the whole: largest {off.max()}, {100 * (off > 0).mean():.2f} % of the values differ, "
            f"{100 * (off > 1).mean():.4f} % by more than 1",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds-only", action="store_true")
    wishes = parser.parse_args()
    keep_freed_memory()
    device, _ = choose_device(wishes.device)
    backdrop = Backdrop(lambda scale: find_upscaler(4, Path("nowhere")), device)
    estimate = backdrop.estimate_seconds([(1280, 960)], 2)
    print(f"{device_name(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"estimate for 1280 x 960 from a trial: {estimate:.1f} s\n")
    costs(backdrop, device)
    if wishes.seconds_only:
        return
    noise = np.random.default_rng(0).random((48, 192, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        pasted = read_photo(draw(Path(place), 1, (1280, 960), 2)[0]).pixels[560:656, 244:756]
    strips = {"astronaut": astronaut()[80:128, 100:292], "a face on a rough ground": pasted}
    seams(backdrop, {name: rgb.astype(np.float32) / 255 for name, rgb in strips.items()} | {"noise": noise})
    tiled(backdrop, np.ascontiguousarray(astronaut()[40:184, 60:380] if device == "cpu" else astronaut()))


if __name__ == "__main__":
    main()
