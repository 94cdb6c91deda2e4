"""The number type in which a device runs the network: the quickest one that is proven close enough."""

from __future__ import annotations

import time
from typing import Literal

import torch

Precision = Literal["auto", "float32"]

TRIAL_CHANNELS, TRIAL_SIDE = 256, 64  # a convolution of the network's middle: 5 GFLOP, some 30 ms on two cores
TRIAL_ROUNDS = 3
WORTH_IT = 1.3  # bfloat16 must be this much quicker than float32, or the exact type stays
HALF_FROM_CAPABILITY = (7, 0)  # the first cards with float16 matrix units


def choose_dtype(device: str, precision: Precision = "auto") -> torch.dtype:
    """float16 on cards that are built for it, bfloat16 on processors that are quicker in it, else float32.

    Args:
        precision: "float32" takes that on every device, for whoever compares results bit by bit.
    """
    if precision == "float32":
        return torch.float32
    if device.startswith("cuda"):
        capable = torch.cuda.get_device_capability(device) >= HALF_FROM_CAPABILITY
        return torch.float16 if capable else torch.float32
    if device == "cpu" and trial_seconds(torch.float32) > WORTH_IT * trial_seconds(torch.bfloat16):
        return torch.bfloat16
    return torch.float32


def trial_seconds(dtype: torch.dtype) -> float:
    """Best time of a convolution on the CPU in this type. A processor without the type emulates it, far slower."""
    x = torch.full((1, TRIAL_CHANNELS, TRIAL_SIDE, TRIAL_SIDE), 0.5).to(dtype, memory_format=torch.channels_last)
    weight = torch.full((TRIAL_CHANNELS, TRIAL_CHANNELS, 3, 3), 0.1).to(dtype, memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(TRIAL_ROUNDS):
            start = time.perf_counter()
            torch.nn.functional.conv2d(x, weight, padding=1)
            times.append(time.perf_counter() - start)
    return min(times)
