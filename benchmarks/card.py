"""How quick the network is on a CUDA card in each of its forms, at each batch size, and how much memory it takes.

usage: python -m benchmarks.card [--size 512] [--batches 1 4 8 16] [--profile 8] [--no-search] [--json FILE]

All forms get the same random parameters; each is timed over several rounds in turns, and the medians are printed. Needs
no package but PyTorch and Triton.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import types
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent.parent
if "gpen_ui.engine" not in sys.modules:  # the engine's own door imports the readers of photos, which are not needed
    package = types.ModuleType("gpen_ui.engine")
    package.__path__ = [str(HERE / "gpen_ui" / "engine")]
    sys.modules["gpen_ui.engine"] = package

from benchmarks.networks import SIZES, published_config  # noqa: E402
from gpen_ui.engine.fast import FastGpen  # noqa: E402
from gpen_ui.engine.fused import FusedGpen  # noqa: E402
from gpen_ui.network import Gpen  # noqa: E402

ROUNDS, REPEATS = 7, 10


def graphed(network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], Tensor]:
    """The network on this input as a CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            network(x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = network(x)

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


def milliseconds(run: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(REPEATS):
        run()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / REPEATS


def measure(network: Gpen, exact: Tensor, x: Tensor, names: list[str]) -> dict[str, dict[str, float]]:
    results: dict[str, dict[str, float]] = {}
    runs: dict[str, Callable[[], Tensor]] = {}
    for name in names:
        torch.cuda.empty_cache()
        form = FusedGpen(network, torch.float16) if "fused" in name else FastGpen(network, torch.float16, adds=True)
        form = form.cuda().eval()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        out = form(x)
        torch.cuda.synchronize()
        off = (out - exact).abs() * 127.5
        results[name] = {
            "memory_mib_per_face": (torch.cuda.max_memory_allocated() - before) / len(x) / 2**20,
            "off_levels_max": float(off.max()),
        }
        runs[name] = graphed(form, x) if "graph" in name else (lambda form=form: form(x))
        del out, off
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        milliseconds(runs[name])
    for _ in range(ROUNDS):
        for name in names:
            times[name].append(milliseconds(runs[name]))
    for name in names:
        results[name]["ms_per_face"] = statistics.median(times[name]) / len(x)
    return results


def profile(form: FastGpen, x: Tensor) -> None:
    form(x)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as told:
        for _ in range(3):
            form(x)
        torch.cuda.synchronize()
    kernels = sorted(told.key_averages(), key=lambda row: -row.device_time_total)
    for row in kernels[:40]:
        print(f"{row.device_time_total / 3:9.1f} us {row.count / 3:5.0f}x  {row.key[:110]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=SIZES, default=512)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--forms", nargs="+", default=["fast", "fused", "fused graph"])
    parser.add_argument("--profile", type=int, default=0, help="batch size whose kernels are listed")
    parser.add_argument(
        "--no-search", action="store_true", help="cuDNN takes the algorithms that it expects to be best"
    )
    parser.add_argument("--json", type=Path)
    wishes = parser.parse_args()
    torch.backends.cudnn.benchmark = not wishes.no_search
    torch.backends.cudnn.allow_tf32 = False  # what the short types are compared with is exact
    torch.manual_seed(0)
    network = Gpen(published_config(wishes.size)).eval()
    for name, parameter in network.named_parameters():  # so that every part of the network counts
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.5)
        elif name.endswith("bias") and "modulation" not in name:
            parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {wishes.size} px")
    told: dict[str, dict[str, dict[str, float]]] = {}
    with torch.inference_mode():
        for batch in wishes.batches:
            x = torch.rand(batch, 3, wishes.size, wishes.size, device="cuda") * 2 - 1
            exact = torch.cat([network.cuda()(face[None]) for face in x])
            network.cpu()
            told[str(batch)] = measure(network, exact, x, wishes.forms)
            for name, values in told[str(batch)].items():
                row = "  ".join(f"{key} {value:8.3f}" for key, value in values.items())
                print(f"batch {batch:3}  {name:12} {row}", flush=True)
        if wishes.profile:
            x = torch.rand(wishes.profile, 3, wishes.size, wishes.size, device="cuda") * 2 - 1
            profile(FusedGpen(network, torch.float16).cuda(), x)
    if wishes.json:
        wishes.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
