"""What becomes of a batch, or of a background, when another process holds the card's memory.

usage: python -m benchmarks.held_memory [--left 8 3 1.5 0.5] [--batch-size 16] [--photos 6] [--faces 6] [--model FILE]
           [--background]

Photos with several faces are restored on the undisturbed card, then again for each amount of memory that a second
process leaves free. For each: what the user is told, where the network ended, and how far the pictures are from the
undisturbed ones. With `--background` one photo is enlarged by Real-ESRGAN instead; the second process takes the memory
after the tiles were planned, so that they are too large. Needs a CUDA card.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.background import drain
from benchmarks.stream import draw
from gpen_ui.engine import Restorer
from gpen_ui.engine.backdrop import Backdrop
from gpen_ui.photo import Pixels, read_photo
from gpen_ui.weights.upscaler import find_upscaler

HOLDER = """
import sys, torch
left, held = float(sys.argv[1]) * 2**30, []
while (free := torch.cuda.mem_get_info()[0] - left) > 2**21:
    held.append(torch.empty(int(min(free, 2**31)), dtype=torch.uint8, device="cuda"))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(left_gib: float) -> Iterator[None]:
    """A process that takes the card's free memory, all but this much."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(left_gib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        if holder.stdout.readline().strip() != b"held":
            raise SystemExit("the second process could not take the card's memory")
        try:
            yield
        finally:
            holder.communicate()


def restored(paths: list[Path], wishes: argparse.Namespace) -> list[NDArray[np.uint8 | np.uint16]]:
    """The pictures, and on the screen how they came about."""
    start = time.perf_counter()
    with Restorer.load(wishes.model, device="cuda", batch_size=wishes.batch_size) as restorer:
        results = list(restorer.restore_many(paths))
        batch_size = restorer.batch_size
    notes = {note.sentence("en"): None for result in results for note in result.notes if note.key != "suggest_scale"}
    devices = {result.device: None for result in results}
    faces = sum(result.restored_count for result in results)
    failed = [str(result.error) for result in results if result.error is not None]
    print(
        f"  {faces} faces in {time.perf_counter() - start:.1f} s on {', '.join(devices)}; batch {batch_size} at the end"
    )
    for sentence in (*notes, *failed):
        print(f"  {sentence}")
    return [result.photo.pixels for result in results if result.photo is not None]


def enlarged(photo: Pixels, left_gib: float | None) -> Pixels:
    """The photo twice as large, and on the screen how it came about; `left_gib` holds from the first tile on."""
    backdrop = Backdrop(lambda scale: find_upscaler(scale, Path("nowhere")), "cuda:0")
    drawing = backdrop.draw(photo, 2)
    planned = next(drawing).total
    with held_by_another(left_gib) if left_gib is not None else nullcontext():
        start = time.perf_counter()
        result = drain(drawing)
        print(f"  {planned} tiles in {time.perf_counter() - start:.1f} s")
    for note in backdrop.notes:
        print(f"  {note.sentence('en')}")
    backdrop.close()
    return result


def compare_backgrounds(photo: Pixels, left: list[float]) -> None:
    """One photo on the undisturbed card, then with each amount of memory left, in GiB."""
    print("undisturbed:")
    expected = enlarged(photo, None)
    for left_gib in left:
        print(f"{left_gib} GiB left:")
        off = np.abs(enlarged(photo, left_gib).astype(int) - expected)
        print(f"  at most {off.max()} levels off, {np.mean(off <= 1):.4%} within 1", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--left", type=float, nargs="+", default=[8, 3, 1.5, 0.5], help="GiB")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--faces", type=int, default=6)
    parser.add_argument("--model", default="gpen-lite-512")
    parser.add_argument("--background", action="store_true")
    wishes = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("This measures a CUDA card; PyTorch sees none here.")
    with tempfile.TemporaryDirectory() as place:
        paths = draw(Path(place), wishes.photos, (1280, 960), wishes.faces)
        if wishes.background:
            compare_backgrounds(read_photo(paths[0]).pixels, wishes.left)
            return
        print("undisturbed:")
        expected = restored(paths, wishes)
        for left_gib in wishes.left:
            with held_by_another(left_gib):
                print(f"{torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB left:")
                got = restored(paths, wishes)
            if len(got) != len(expected):
                raise SystemExit(f"{len(expected) - len(got)} photos were lost")
            off = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in zip(got, expected, strict=True)])
            print(f"  at most {off.max()} levels off, {np.mean(off <= 2):.4%} within 2", flush=True)


if __name__ == "__main__":
    main()
