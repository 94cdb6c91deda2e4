"""How much quicker are two actors than one? Runs over the same photos on Ray, with one and with two actors in turns.

usage: python -m benchmarks.ray_gpus [--photos 400] [--rounds 3] [--actors 1 2] [--model NAME] [--device auto]
       [--batch-size 8] [--cores 0] [--address ADDRESS]

On a machine with two GPUs each actor gets one. Draws the photos, all of them different, of one to three faces. Prints
the rate of each round, the medians and their ratio. What is measured is the time between the ends of photos: the first
fifth, in which the actors get ready, and the last tenth, in which they run dry, are left out. Ray must be installed
(requirements-ray.txt). docs/ray.md says what was measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image

from gpen_ui.jobs import Runs, RunSettings, RunStore, plan_run
from gpen_ui.jobs.location import Location
from tests import pictures

READY_SHARE, DRY_SHARE = 0.2, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="gpen-lite-512")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--cores", type=int, default=0)
    parser.add_argument("--address", default="")
    given = parser.parse_args()
    settings = RunSettings(
        model=given.model,
        device=given.device,
        batch_size=given.batch_size,
        keep_crops=False,
        reserve_mb=0,
        again=True,
        engine="ray",
        ray_address=given.address,
        ray_cores=given.cores,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw(folder / "photos", given.photos)
        rates: dict[int, list[float]] = {actors: [] for actors in given.actors}
        for number in range(given.rounds):
            for actors in given.actors:
                rate, device = measure(folder, f"{number}-{actors}", replace(settings, ray_actors=actors))
                rates[actors].append(rate)
                print(f"round {number + 1}: {actors} actors, {rate:6.2f} photos/s   {device}", flush=True)
    medians = {actors: statistics.median(each) for actors, each in rates.items()}
    first, *others = given.actors
    for actors in others:
        print(f"{actors} actors against {first}: {medians[actors] / medians[first]:.2f} times")


def draw(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        pixels = pictures.crowd(1 + number % 3, 1, face_px=200)
        noisy = np.clip(pixels + chance.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05}.jpg", quality=92)


def measure(folder: Path, name: str, settings: RunSettings) -> tuple[float, str]:
    """Photos a second of one run, and what it ran on."""
    (folder / f"store-{name}").mkdir()
    store = RunStore(Location(folder / f"store-{name}"))
    runs = Runs(store, not_here)
    run = runs.create(plan_run([folder / "photos"], folder / f"results-{name}", settings=settings))
    runs.start(run)
    runs.wait(run)
    progress = runs.progress(run)
    assert progress.done == progress.planned, progress
    ends = [event.time_s for event in runs.events(run, limit=10**9) if event.kind == "photo"]
    first, last = round(len(ends) * READY_SHARE), round(len(ends) * (1 - DRY_SHARE)) - 1
    device = store.run(run).device
    store.close()
    return (last - first) / (ends[last] - ends[first]), device


def not_here(*_: object) -> NoReturn:
    raise AssertionError("the restorer of this process is not asked")


if __name__ == "__main__":
    main()
