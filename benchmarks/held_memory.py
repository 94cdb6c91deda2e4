"""What happens when another process holds the memory of the card.

usage: python -m benchmarks.held_memory [--leave 1.5 0.75 0.25] [--photos 24] [--model NAME|FILE]

Restores photos on the card undisturbed. Then for each number of GiB a second process takes all but so much of the card,
and the photos are restored again with a batch of 16 and with "auto", by a restorer that was loaded before the memory
was taken, and by one that is loaded after. Printed are the notes, the device that the photos ended on, and how many
levels of 255 they are off those of the undisturbed run; more than 2 on more than 0.1 % of the values, or a photo
without a result, ends the script with 1. `random-512` stands for GPEN-BFR-512.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from benchmarks.networks import random_checkpoint
from benchmarks.stream import draw
from gpen_ui.engine import Restorer
from gpen_ui.options import BatchSize
from gpen_ui.photo import Pixels

MOST_LEVELS, MOST_SHARE_ABOVE = 2, 0.001
PIECE_BYTES = 64 << 20  # what the other process takes at a time
BATCHES: tuple[BatchSize, ...] = (16, "auto")


def hold(leave_bytes: int, pipe: Connection) -> None:
    """The other process: takes the card's memory until so much is left, and says so."""
    held = []
    while torch.cuda.mem_get_info()[0] > leave_bytes + PIECE_BYTES:
        try:
            held.append(torch.empty(PIECE_BYTES, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            break
    pipe.send(torch.cuda.mem_get_info()[0])
    pipe.recv()  # until it is ended


@contextmanager
def held(leave_gib: float) -> Iterator[float]:
    """Inside, another process holds all of the card but about so many GiB; gives what is really free."""
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    ours, theirs = context.Pipe()
    other = context.Process(target=hold, args=(int(leave_gib * 2**30), theirs), daemon=True)
    other.start()
    theirs.close()  # so that recv ends when the other process does
    try:
        yield ours.recv() / 2**30
    finally:
        other.terminate()
        other.join()


def restored(restorer: Restorer, paths: list[Path]) -> tuple[list[Pixels | None], set[str], set[str]]:
    """The pixels of each photo, None for one that failed; all notes in English, and the devices."""
    results = list(restorer.restore_many(paths))
    notes = {note.sentence("en") for result in results for note in result.notes}
    notes |= {result.error.sentence("en") for result in results if result.error is not None}
    pixels = [result.photo.pixels if result.photo is not None else None for result in results]
    return pixels, notes, {result.device for result in results}


def off(pixels: list[Pixels | None], expected: list[Pixels | None]) -> tuple[int, float]:
    """The largest difference in levels and the share of values above MOST_LEVELS; a missing photo counts as 255, 1."""
    worst, share = 0, 0.0
    for one, other in zip(pixels, expected, strict=True):
        if one is None or other is None or one.shape != other.shape:
            return 255, 1.0
        difference = np.abs(one.astype(np.int16) - other)
        worst = max(worst, int(difference.max()))
        share = max(share, float((difference > MOST_LEVELS).mean()))
    return worst, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leave", type=float, nargs="+", default=[1.5, 0.75, 0.25], help="GiB left free")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--model", default="gpen-lite-512", help="also random-512")
    wishes = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA card here, so there is no card's memory that another process could hold.")
    failed = False
    with tempfile.TemporaryDirectory() as place:
        paths = draw(Path(place), wishes.photos, (1280, 960), 1)
        model = random_checkpoint(Path(place), 512) if wishes.model == "random-512" else wishes.model
        with Restorer.load(model, device="cuda", batch_size=16) as restorer:
            expected, _, devices = restored(restorer, paths)
        print(f"undisturbed: {', '.join(sorted(devices))}, {sum(each is not None for each in expected)} photos")
        for leave in wishes.leave:
            for batch in BATCHES:
                for late in (False, True):  # whether the restorer comes when the memory is gone already
                    early = None if late else Restorer.load(model, device="cuda", batch_size=batch)
                    with held(leave) as free, early or Restorer.load(model, batch_size=batch) as restorer:
                        pixels, notes, devices = restored(restorer, paths)
                        ended = restorer.device_report
                    levels, share = off(pixels, expected)
                    failed |= share > MOST_SHARE_ABOVE
                    print(
                        f"\n{free:.2f} GiB free, batch {batch}, loaded {'after' if late else 'before'}: "
                        f"{', '.join(sorted(devices))}; ended on {ended.device} in {ended.precision}, at most {levels} "
                        f"levels off, {share:.4%} above {MOST_LEVELS}"
                    )
                    print("\n".join(f"  {note}" for note in sorted(notes)), flush=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
