"""Parameters and inputs of the golden data, as its README describes them: pseudo-random, the same on every machine."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor

from gpen_ui.network import Gpen


def _unit(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Mean 0, variance 1; NumPy keeps this legacy stream frozen."""
    stream = np.random.RandomState(zlib.crc32(key.encode("utf-8")))
    return (2 * stream.random_sample(shape) - 1) * math.sqrt(3)


def _value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    x = _unit(key, shape)
    if key.startswith("generator.style."):
        return x * (100 if key.endswith(".weight") else 10)
    if key.endswith(".noise.weight"):
        return 0.5 + 0.25 * x
    if ".to_rgb" in key and key.endswith(".conv.weight"):
        return 0.15 * x
    if key.endswith(".modulation.bias"):
        return 1 + 0.1 * x
    return 0.1 * x if key.endswith("bias") else x


def helper_value(key: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """The parameters of the helper networks without norms (aux-* of the README)."""
    x = _unit(key, shape)
    scale = math.sqrt(gain / math.prod(shape[1:])) if len(shape) == 4 else 0.1
    return (x * scale).astype(np.float32)


def fill(network: Gpen) -> Gpen:
    """Gives a network the golden parameters; the FIR kernels stay as built."""
    state = network.state_dict()
    for key, tensor in state.items():
        if not key.endswith(".kernel"):
            state[key] = torch.from_numpy(_value(key, tuple(tensor.shape)).astype(np.float32))
    network.load_state_dict(state)
    return network.eval()


def input_tensor(size: int, tag: str) -> Tensor:
    """(1, 3, size, size) RGB in [-1, 1]; tag is "A" or "B"."""
    coarse = np.random.RandomState(zlib.crc32(f"coarse-{tag}".encode())).randint(0, 192, (8, 8, 3))
    fine = np.random.RandomState(zlib.crc32(f"fine-{tag}-{size}".encode())).randint(0, 64, (size, size, 3))
    times = size // 8
    image_bgr = (np.repeat(np.repeat(coarse, times, 0), times, 1) + fine).astype(np.uint8)
    image_rgb = np.ascontiguousarray(image_bgr[:, :, ::-1])
    return torch.from_numpy(image_rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
