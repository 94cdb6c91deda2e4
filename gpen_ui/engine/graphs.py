"""A fused network on a CUDA card, replayed as CUDA graphs: one call instead of some hundred for a batch."""

from __future__ import annotations

import logging
import threading

import torch
from torch import Tensor

from gpen_ui.engine.fused import FusedGpen
from gpen_ui.engine.results import Note

log = logging.getLogger(__name__)
BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # batch sizes that a graph is recorded for
CLOSE_ENOUGH = 2e-2  # relative L2 between the kernels' picture and the plain one, in a short number type


def bucket_of(faces: int) -> int:
    """The smallest recorded batch size that holds so many faces."""
    return next((size for size in BUCKETS if size >= faces), faces)


class GraphedNetwork:
    """Calls like the network that it is made of.

    Until `compile` has ended, and for good when it failed, the network's plain form serves. Calls come from one thread;
    `compile` may run in another.

    Attributes:
        trouble: why the kernels cannot be used on this machine; None while they can, or have not been tried.
    """

    def __init__(self, network: FusedGpen, device: str) -> None:
        self.config = network.config
        self.dtype = network.dtype
        self.trouble: Note | None = None
        self._network = network
        self._device = device
        self._compiled = False
        self._compiling = threading.Lock()
        self._inputs: dict[int, Tensor] = {}
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor] | None] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def compile(self) -> None:
        """Compiles the kernels, or reads them from Triton's cache on disk, and proves them on this very card.

        A failure leaves its reason in `trouble`.
        """
        with self._compiling:
            if self._compiled or self.trouble is not None:
                return
            try:
                self._prove()
            except Exception as error:  # a compiler that is missing, a card that Triton does not know, ...
                log.warning("the card's kernels cannot be compiled", exc_info=error)
                reason = str(error).strip().splitlines() or [type(error).__name__]
                self.trouble = Note("kernels_fail", {"reason": reason[0]})

    def _prove(self) -> None:
        size = self.config.size
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.inference_mode(), torch.cuda.device(self._device), torch.cuda.stream(stream):
            ramp = torch.linspace(-1, 1, size, device=self._device)
            down, across = ramp[:, None].expand(size, size), ramp.expand(size, size)
            x = torch.stack((across, down, -across))
            got, expected = self._network(x[None]), self._network.plain(x[None])
            off = float((got - expected).norm() / expected.norm())
        if off < CLOSE_ENOUGH:
            self._compiled = True
        else:
            self.trouble = Note("kernels_wrong", {"off": f"{off:.1e}"})

    def __call__(self, x: Tensor) -> Tensor:
        """(N, 3, size, size) RGB in [-1, 1] -> the same shape in float32."""
        if not self._compiled:
            return self._network.plain(x)
        bucket = bucket_of(len(x))
        if bucket not in self._graphs:
            self._graphs[bucket] = self._record(bucket)
        recorded = self._graphs[bucket]
        if recorded is None:
            picture: Tensor = self._network(x)
            return picture
        graph, out = recorded
        self._inputs[bucket][: len(x)].copy_(x)
        graph.replay()
        return out[: len(x)].clone()  # another graph may use the same memory next

    def _record(self, faces: int) -> tuple[torch.cuda.CUDAGraph, Tensor] | None:
        """Records a batch size; None where the driver refuses, which costs some speed and no picture.

        Raises:
            torch.OutOfMemoryError: a batch of this size does not fit.
        """
        side = self.config.size
        x = torch.zeros(faces, 3, side, side, device=self._device)
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            self._network(x)  # outside of the graph: libraries set themselves up, and memory that is short shows here
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()  # the graph has memory of its own
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
                out = self._network(x)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.warning("a batch of %d is not recorded as a CUDA graph", faces, exc_info=error)
            return None
        self._inputs[faces] = x
        return graph, out

    def forget(self) -> None:
        """Drops the recorded graphs and gives their memory back."""
        self._graphs.clear()
        self._inputs.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def close(self) -> None:
        """Gives the card's memory back; waits for a compilation under way."""
        with self._compiling:
            self.forget()
            self._network.to("meta")
