"""How much quicker the network is than the published formulation, on this machine's processor.

usage: python -m benchmarks.network [--size 512] [--rounds 7] [--threads 2]

All forms get the same random parameters and input and run in turns, so that a noisy machine slows all alike; the median
of each form and the median ratio are printed, beside the rate of a plain matrix product, which bounds what float32 can
reach. The published formulation is `tests/reference.py`. It runs twice: in a process as Python starts it, and in one
with the program's setting of the allocator (`gpen_ui.engine.memory.keep_freed_memory`), as all forms of ours run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.networks import SIZES, published_config
from gpen_ui.engine.device import device_name
from gpen_ui.engine.memory import keep_freed_memory
from gpen_ui.engine.placement import place
from gpen_ui.network import Gpen
from tests import recipe
from tests.reference import Reference

PUBLISHED = "published, as it comes"
FORMS = (
    PUBLISHED,
    "published, freed memory kept",
    "Gpen",
    "as the program runs it, float32",
    "as the program runs it, bfloat16",
)


def worker(pipe: Connection, size: int, threads: int, keeps: bool) -> None:
    """A process of its own that runs a form whenever its name comes, and answers with the seconds and the picture.

    Args:
        keeps: with the program's setting of the allocator, see `keep_freed_memory`.
    """
    torch.set_num_threads(threads)
    if keeps:
        keep_freed_memory()
    config = published_config(size)
    network = recipe.fill(Gpen(config))
    forms: dict[str, Callable[[Tensor], Tensor]] = {}
    for name in FORMS:
        if name.startswith("published"):
            forms[name] = Reference(config, network.state_dict())
        elif name == "Gpen":
            forms[name] = network
        else:
            forms[name] = place(network, "cpu", torch.bfloat16 if "bfloat16" in name else torch.float32)
    x = recipe.input_tensor(config.size, "A")
    with torch.inference_mode():
        while name := pipe.recv():
            start = time.perf_counter()
            picture = forms[name](x)
            pipe.send((time.perf_counter() - start, picture.numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=SIZES, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    print(f"{device_name('cpu')}, {wishes.threads} threads, torch {torch.__version__}, {platform.system()}")
    print(f"float32 matrix product: {product_rate():.0f} GFLOP/s; one face at 512 px is 276 GFLOP")
    processes = multiprocessing.get_context("spawn")
    pipes = {}
    for keeps in (False, True):
        pipes[keeps], far_end = processes.Pipe()
        given = (far_end, wishes.size, wishes.threads, keeps)
        processes.Process(target=worker, args=given, daemon=True).start()

    def run(name: str) -> tuple[float, NDArray[np.float32]]:
        pipe = pipes[name != PUBLISHED]
        pipe.send(name)
        spent, picture = pipe.recv()
        return spent, picture

    pictures = {name: run(name)[1] for name in FORMS}
    rounds = [{name: run(name)[0] for name in FORMS} for _ in range(wishes.rounds)]
    for pipe in pipes.values():
        pipe.send("")
    expected = pictures[PUBLISHED]
    for name in FORMS:
        median = statistics.median(times[name] for times in rounds)
        ratio = statistics.median(times[PUBLISHED] / times[name] for times in rounds)
        error = float(np.linalg.norm(pictures[name] - expected) / np.linalg.norm(expected))
        print(f"{name:32} {median:6.3f} s   {ratio:5.2f} times   relative L2 {error:.1e}")


def product_rate(side: int = 3072) -> float:
    """GFLOP/s of a square float32 matrix product, the best of three."""
    matrix = torch.rand(side, side)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        torch.matmul(matrix, matrix)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times) / 1e9


if __name__ == "__main__":
    main()
