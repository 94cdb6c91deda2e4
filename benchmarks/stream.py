"""How many photos a minute go from file to file, and which stage bounds them.

usage: python -m benchmarks.stream [--photos 200] [--size 1920 1440] [--device auto] [--model NAME|FILE|random-512]
           [--faces 1] [--scale 1] [--batch-size auto] [--threads N] [--float32] [--alone]

Draws the photos (the astronaut on a noisy ground, each face elsewhere and of another size), writes them as JPEG, then
restores all of them into another folder: read, find, align, restore, paste, encode, write. `random-512` stands for
GPEN-BFR-512 with random weights, which takes the same time. `--float32` keeps the network from shorter number types.
`--threads` asks for another number of threads a stage than the program takes.
`--alone` restores each photo in a call of its own, so that no stage runs beside another: what one photo takes that
somebody waits for.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

from benchmarks.networks import random_checkpoint
from benchmarks.soak import resident_mb
from gpen_ui.engine import Restorer, stream
from gpen_ui.engine.bottleneck import bottleneck
from gpen_ui.engine.memory import PeakMemory
from gpen_ui.engine.output import Output, made, save_made
from gpen_ui.engine.precision import Precision
from gpen_ui.options import RestoreOptions

ASTRONAUT = Path(__file__).resolve().parent.parent / "docs" / "samples" / "astronaut-old.jpg"
DIFFERENT = 20  # pictures that are drawn; each is written under several names


def draw(folder: Path, count: int, size_wh: tuple[int, int], faces: int) -> list[Path]:
    """Writes the photos and gives their paths."""
    chance = np.random.default_rng(0)
    astronaut = Image.open(ASTRONAUT).convert("RGB")
    paths = []
    for number in range(count):
        path = folder / f"{number:04}.jpg"
        if number >= DIFFERENT:
            path.write_bytes(paths[number % DIFFERENT].read_bytes())
        else:
            ground = chance.normal(128, 12, (size_wh[1] // 4, size_wh[0] // 4, 3)).clip(0, 255).astype(np.uint8)
            photo = Image.fromarray(ground).resize(size_wh, Image.Resampling.BICUBIC)
            columns = int(np.ceil(np.sqrt(faces * size_wh[0] / size_wh[1])))
            rows = -(-faces // columns)
            cell = min(size_wh[0] // columns, size_wh[1] // rows)
            for face in range(faces):
                side = int(cell * chance.uniform(0.7, 1.0))
                place = (face % columns * cell + (cell - side) // 2, face // columns * cell + (cell - side) // 2)
                photo.paste(astronaut.resize((side, side), Image.Resampling.BICUBIC), place)
            photo.save(path, quality=92)
        paths.append(path)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1440))
    parser.add_argument("--faces", type=int, default=1)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", default="random-512")
    parser.add_argument("--batch-size", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--alone", action="store_true")
    wishes = parser.parse_args()
    if wishes.threads is not None:
        stream.workers_beside = lambda device: wishes.threads
    with tempfile.TemporaryDirectory() as place:
        photos, results = Path(place) / "in", Path(place) / "out"
        photos.mkdir()
        paths = draw(photos, wishes.photos, tuple(wishes.size), wishes.faces)
        model = wishes.model
        if model.startswith("random-"):
            model = random_checkpoint(Path(place), int(model.removeprefix("random-")))
        batch_size = "auto" if wishes.batch_size == "auto" else int(wishes.batch_size)
        precision: Precision = "float32" if wishes.float32 else "auto"
        with Restorer.load(model, device=wishes.device, batch_size=batch_size, precision=precision) as restorer:
            loaded_mb = resident_mb()
            with PeakMemory("cpu") as memory:
                print(measure(restorer, paths, results, RestoreOptions(output_scale=wishes.scale), alone=wishes.alone))
    if memory.peak_bytes is not None:
        print(f"memory of the process: {loaded_mb / 1024:.2f} GiB, at most {memory.peak_bytes / 2**30:.2f} GiB more")


def measure(restorer: Restorer, paths: list[Path], results: Path, options: RestoreOptions, *, alone: bool) -> str:
    output = Output(format="jpeg")
    if restorer.device_report.device != "cpu":
        restorer.tune()
    list(restorer.restore_many(paths[:4], options))
    seconds: dict[str, float] = {}
    faces = 0
    start = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF) if resource is not None else None
    calls = [[path] for path in paths] if alone else [paths]
    results_of = (restorer.stream(call, options, then=partial(made, output=output)) for call in calls)
    for result in itertools.chain.from_iterable(results_of):
        restored, write = result.restored, time.perf_counter()
        save_made(result, results, name=restored.name, output=output)
        restored.seconds["write"] = time.perf_counter() - write
        faces += restored.restored_count
        for stage, spent in restored.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    wall = time.perf_counter() - start
    report = restorer.device_report
    stages = "  ".join(f"{stage} {1000 * spent / len(paths):.1f}" for stage, spent in seconds.items())
    return "\n".join(
        (
            f"{report.name}, {report.precision}, batch {restorer.batch_size}, "
            f"{stream.workers_beside(report.device)} threads a stage",
            f"{len(paths)} photos, {faces} faces: {len(paths) / wall:.1f} photos/s, {1000 * wall / len(paths):.1f} ms "
            f"a photo; bound by {bottleneck(seconds, report.device)}",
            f"ms a photo of each stage: {stages}",
            f"network's share of the time: {seconds.get('network', 0) / wall:.0%}",
            *([] if used is None else [spent_since(used, len(paths))]),
        )
    )


def spent_since(before: resource.struct_rusage, photos: int) -> str:
    """What the process has taken of the processor and of the system since then, a photo."""
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    waits, faults = after.ru_nvcsw - before.ru_nvcsw, after.ru_minflt - before.ru_minflt
    return (
        f"a photo: {1000 * user / photos:.1f} ms of processors and {1000 * system / photos:.1f} ms in the system, "
        f"{waits / photos:.0f} waits of a thread, {faults / photos:.0f} page faults"
    )


if __name__ == "__main__":
    main()
