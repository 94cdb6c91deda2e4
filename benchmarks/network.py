"""How much quicker the network is than the published formulation, on this machine's processor.

usage: python -m benchmarks.network [--size 512] [--rounds 7] [--threads 2]

All forms get the same random parameters and input and run in turns in one process, so that a noisy machine slows all
alike; the median of each form and the median ratio are printed, beside the rate of a plain matrix product, which
bounds what float32 can reach. The published formulation is `tests/reference.py`.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from gpen_ui.engine.device import device_name
from gpen_ui.engine.fast import FastGpen
from gpen_ui.network import Gpen, GpenConfig
from tests import recipe
from tests.reference import Reference

CONFIGS = {256: (1, 0.5), 512: (2, 1.0), 1024: (2, 1.0), 2048: (2, 1.0)}


def seconds(run: Callable[..., object], *given: Tensor) -> float:
    start = time.perf_counter()
    run(*given)
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
    forms: dict[str, Callable[[Tensor], Tensor]] = {
        "published": reference,
        "Gpen": network,
        "fast form, float32": FastGpen(network),
        "fast form, bfloat16": FastGpen(network, torch.bfloat16),
    }
    x = recipe.input_tensor(config.size, "A")
    print(f"{device_name('cpu')}, {wishes.threads} threads, torch {torch.__version__}, {platform.system()}")
    print(f"float32 matrix product: {product_rate():.0f} GFLOP/s; one face at 512 px is 276 GFLOP")
    with torch.inference_mode():
        expected = reference(x)
        errors = {name: float((form(x) - expected).norm() / expected.norm()) for name, form in forms.items()}
        rounds = [{name: seconds(form, x) for name, form in forms.items()} for _ in range(wishes.rounds)]
    for name in forms:
        median = statistics.median(times[name] for times in rounds)
        ratio = statistics.median(times["published"] / times[name] for times in rounds)
        print(f"{name:20} {median:6.3f} s   {ratio:5.2f} times   relative L2 {errors[name]:.1e}")


def product_rate(side: int = 3072) -> float:
    """GFLOP/s of a square float32 matrix product, the best of three."""
    matrix = torch.rand(side, side)
    best = min(seconds(torch.matmul, matrix, matrix) for _ in range(3))
    return 2 * side**3 / best / 1e9


if __name__ == "__main__":
    main()
