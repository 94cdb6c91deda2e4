"""Puts the network onto a device in a number type, and says what to try next when memory is short there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from gpen_ui.engine.fast import FastGpen
from gpen_ui.engine.memory import is_out_of_memory
from gpen_ui.engine.precision import choose_dtype
from gpen_ui.engine.processor import ProcessorGpen, can_fuse
from gpen_ui.network import Gpen, GpenConfig

log = logging.getLogger(__name__)

PROCESSOR_PIXELS = 2 * 512**2  # of the faces that a processor takes at once: what comes between stays in its cache


class Network(Protocol):
    """What restores a batch: (N, 3, size, size) RGB in [-1, 1] -> the same shape in float32."""

    config: GpenConfig
    dtype: torch.dtype

    def __call__(self, x: Tensor) -> Tensor: ...

    def close(self) -> None:
        """Gives the device's memory back."""
        ...


class PlainNetwork:
    """The fast form as it is, without kernels of ours.

    Args:
        network: in its place.
        at_once: faces of a batch that go through the network together; None for all of them.
    """

    def __init__(self, network: FastGpen, at_once: int | None = None) -> None:
        self.config = network.config
        self.dtype = network.dtype
        self._network = network
        self._at_once = at_once

    def __call__(self, x: Tensor) -> Tensor:
        if self._at_once is None or len(x) <= self._at_once:
            picture: Tensor = self._network(x)
            return picture
        return torch.cat([self._network(part) for part in torch.split(x, self._at_once)])

    def close(self) -> None:
        self._network.to("meta")


def place(network: Gpen, device: str, dtype: torch.dtype) -> Network:
    """The quickest form of the network that the device can run.

    Raises:
        torch.OutOfMemoryError: not even the parameters fit.
    """
    if device.startswith("cuda") and torch.version.hip is None:
        try:
            from gpen_ui.engine.fused import FusedGpen
            from gpen_ui.engine.graphs import GraphedNetwork
        except ImportError:  # PyTorch comes without Triton on Windows
            log.info("Triton is not installed: the card runs the network without fused kernels")
        else:
            return GraphedNetwork(FusedGpen(network, dtype).to(device).eval(), device)
    if device != "cpu":
        return PlainNetwork(FastGpen(network, dtype, adds=True).to(device).eval())
    fast = ProcessorGpen(network, dtype) if can_fuse(dtype) else FastGpen(network, dtype)
    return PlainNetwork(fast.eval(), max(1, PROCESSOR_PIXELS // network.config.size**2))


def place_lower(reload: Callable[[], Gpen], device: str, dtype: torch.dtype) -> tuple[Network, str] | None:
    """The network at the first lower step on which its parameters fit, with that device; None where there is none.

    Args:
        reload: gives the network in float32 on the processor.
        device, dtype: where memory was short.
    """
    step = next_step(device, dtype)
    while step is not None:
        try:
            return place(reload(), *step), step[0]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        step = next_step(*step)
    return None


def next_step(device: str, dtype: torch.dtype) -> tuple[str, torch.dtype] | None:
    """Where to go when one face alone does not fit: a shorter number type, then the processor, then nowhere."""
    if device != "cpu":
        return (device, torch.float16) if dtype == torch.float32 else ("cpu", choose_dtype("cpu"))
    return ("cpu", torch.bfloat16) if dtype == torch.float32 else None
