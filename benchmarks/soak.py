"""Does a long run keep its memory flat? Thousands of small photos through a small network, with the memory as it goes.

usage: python -m benchmarks.soak [--photos 2000] [--faces-of 4] [--folder DIR]

Draws the photos, all of them different, one of `--faces-of` with a face; works on them as one run, resumes it once with
another strength, and prints resident memory, threads and open files after every tenth. Linux only. docs/runs.md holds
what was measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gpen_ui.engine import Restorer
from gpen_ui.jobs import RunRecord, Runs, RunSettings, RunStore, plan_run
from gpen_ui.jobs.location import Location
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from tests import pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--faces-of", type=int, default=4)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        soak(given.folder or Path(temporary), given.photos, given.faces_of)


def soak(folder: Path, count: int, faces_of: int) -> None:
    draw(folder / "photos", count, faces_of)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), folder / "tiny.pth")
    restorer = Restorer.load(folder / "tiny.pth", device="cpu")

    @contextmanager
    def load(run: RunRecord, stop: threading.Event) -> Iterator[Restorer]:
        yield restorer

    (folder / "store").mkdir()
    store = RunStore(Location(folder / "store"))
    runs = Runs(store, load)
    run = runs.create(plan_run([folder / "photos"], folder / "results", settings=RunSettings(reserve_mb=0)))
    print(f"{'photos':>7} {'seconds':>8} {'RSS MB':>7} {'threads':>8} {'files':>6}")
    runs.start(run)
    watch(runs, run, count)
    print("the same with another strength, without the network:")
    runs.resume(run, options=RestoreOptions(strength=50))
    watch(runs, run, count)
    sizes = {path.name: path.stat().st_size >> 20 for path in (folder / "store").iterdir() if path.is_file()}
    print(f"results {len(list((folder / 'results').iterdir()))}, store in MB {sizes}")
    store.close()


def draw(folder: Path, count: int, faces_of: int) -> None:
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        pixels = pictures.crowd(1, 1) if number % faces_of == 0 else pictures.landscape()
        noisy = np.clip(pixels + chance.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05}.jpg", quality=85)


def watch(runs: Runs, run: str, count: int) -> None:
    """Prints a line whenever another tenth of the photos is through."""
    begun = time.monotonic()
    told = 0
    while not runs.wait(run, 0.5) or told == 0:
        progress = runs.progress(run)
        assert progress.planned == progress.done + progress.failed + progress.skipped + progress.left == count
        through = count - progress.left
        if through >= told + count // 10:
            told = through
            files = len(list(Path("/proc/self/fd").iterdir()))
            threads = threading.active_count()
            print(f"{through:7} {time.monotonic() - begun:8.1f} {resident_mb():7.0f} {threads:8} {files:6}", flush=True)
    progress = runs.progress(run)
    print(f"{progress.done} done, {progress.failed} failed in {time.monotonic() - begun:.1f} s, {resident_mb():.0f} MB")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


if __name__ == "__main__":
    main()
