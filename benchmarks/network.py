"""How much quicker the network is than the published formulation, on this machine.

usage: python -m benchmarks.network [--size 512] [--rounds 7] [--threads 2]

Both forms get the same random parameters and input and run in turns in one process, so that a noisy machine slows
both alike; the ratio of each round and the median are printed. The reference is `tests/reference.py`.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch

from gpen_ui.engine.device import device_name
from gpen_ui.network import Gpen, GpenConfig
from tests import recipe
from tests.reference import Reference

CONFIGS = {256: (1, 0.5), 512: (2, 1.0), 1024: (2, 1.0), 2048: (2, 1.0)}


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=CONFIGS, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    config = GpenConfig(wishes.size, *CONFIGS[wishes.size])
    network = recipe.fill(Gpen(config))
    reference = Reference(config, network.state_dict())
    x = recipe.input_tensor(config.size, "A")
    print(f"{device_name('cpu')}, {wishes.threads} threads, torch {torch.__version__}, {platform.system()}")
    with torch.inference_mode():
        difference = float((network(x) - reference(x)).norm() / reference(x).norm())
        pairs = [(seconds(lambda: reference(x)), seconds(lambda: network(x))) for _ in range(wishes.rounds)]
    for published, ours in pairs:
        print(f"published {published:6.3f} s   network {ours:6.3f} s   ratio {published / ours:5.2f}")
    published, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(published / ours for published, ours in pairs)
    print(f"median: published {published:.3f} s, network {ours:.3f} s, ratio {ratio:.2f}; relative L2 {difference:.1e}")


if __name__ == "__main__":
    main()
