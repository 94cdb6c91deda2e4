"""RetinaFace as a torch network: the larger body from its checkpoint, the small one from its ONNX file, on any device.

A card searches a photo in a fraction of the time that a processor takes for it, and the processor is then free for what
only it can do.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

log = logging.getLogger(__name__)
RECORDED_MOST = 4  # sizes: a photo is looked at in two, and photos stand upright or lie

RawOutputs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
# (H, W, 3) RGB uint8 -> offsets of the boxes (A, 4), scores (A,), offsets of the points (A, 10).
Run = Callable[[NDArray[np.uint8]], RawOutputs]

# Where the ONNX file's layers are in facexlib's network, by the first part of their path.
_HEADS = {"class_head": "ClassHead", "bbox_head": "BboxHead", "landmark_head": "LandmarkHead"}


def network_of_onnx(weights: bytes) -> Module:
    """facexlib's RetinaFace with the MobileNet 0.25 body, with the parameters of an ONNX export of the same network.

    The export has its batch norms folded into the convolutions, so they are taken out here, too.

    Raises:
        ImportError: facexlib or onnx is missing.
        ValueError: the file holds another network.
    """
    import onnx
    import torch
    from facexlib.detection.retinaface import RetinaFace
    from onnx import numpy_helper

    graph = onnx.load_from_string(weights).graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    network = RetinaFace(network_name="mobile0.25", device="cpu")
    convolutions = {name: part for name, part in network.named_modules() if isinstance(part, torch.nn.Conv2d)}
    filled = set()
    for node in graph.node:
        if node.op_type != "Conv" or not all(name in values for name in node.input[1:]):
            continue  # a layer that is used twice is there twice, the second time without values of its own
        place = _place_of(node.name)
        convolution = convolutions.get(place)
        weight, bias = (torch.from_numpy(values[name].copy()) for name in node.input[1:])
        if convolution is None or convolution.weight.shape != weight.shape:
            raise ValueError(f"{node.name} does not fit {place}")
        convolution.weight, convolution.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
        filled.add(place)
        _take_out_norm(network, place)
    if filled != set(convolutions):
        raise ValueError(f"without parameters: {', '.join(sorted(set(convolutions) - filled))}")
    network.eval().requires_grad_(False)
    return network  # type: ignore[no-any-return]  # facexlib has no annotations


def _place_of(node_name: str) -> str:
    """Where facexlib has a layer of the file: '/fx/stage1/stage1.0/stage1.0.0/Conv' is 'body.stage1.0.0'."""
    first, *_, last, _ = node_name.removeprefix("/").split("/")
    if first in _HEADS:
        return f"{_HEADS[first]}.{last.rpartition('.')[2]}.conv1x1"
    if first != "fx":
        return f"{first}.{last}"
    stage, block, *inner = last.split(".")
    if len(inner) == 2:  # depthwise, then pointwise: two groups of three layers there, six in a row here
        inner = [str(3 * int(inner[0]) + int(inner[1]))]
    return ".".join(("body", stage, block, *inner))


def _take_out_norm(network: Module, place: str) -> None:
    """Replaces the batch norm behind a convolution, if there is one, by nothing."""
    import torch

    above, _, number = place.rpartition(".")
    block = network.get_submodule(above)
    behind = str(int(number) + 1) if number.isdigit() else ""
    if isinstance(getattr(block, behind, None), torch.nn.BatchNorm2d):
        setattr(block, behind, torch.nn.Identity())


class TorchRun:
    """A RetinaFace network on a torch device; calls from several threads take turns, so one photo's memory is enough.

    On a card, sizes that come again are recorded as CUDA graphs: one call instead of some two hundred, for each of
    which the thread would have to wait for Python's lock.

    Args:
        network: facexlib's.
        device: torch's name.
        mean_bgr: what is subtracted from the 0..255 pixels.
    """

    def __init__(self, network: Module, device: str, mean_bgr: tuple[float, float, float]) -> None:
        import torch

        self._device = device
        self._network = network.to(device)
        self._mean = torch.tensor(mean_bgr, device=device)[:, None, None]
        self._turn = threading.Lock()
        self._seen: deque[tuple[int, ...]] = deque(maxlen=2 * RECORDED_MOST)  # shapes, the latest last
        self._recorded: OrderedDict[tuple[int, ...], _Recorded] = OrderedDict()
        # Of its own: searching the next photos shall not wait for the faces of these.
        self._stream = torch.cuda.Stream(device) if device.startswith("cuda") else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if self._stream is not None else None

    def __call__(self, pixels: NDArray[np.uint8]) -> RawOutputs:
        import torch

        given = torch.from_numpy(np.ascontiguousarray(pixels))
        # float32 in full: rounded to tf32, points move by tenths of a pixel, and a photo's faces with them.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False)
        own = nullcontext() if self._stream is None else torch.cuda.stream(self._stream)
        with self._turn, exact, torch.inference_mode(), own:
            recorded = self._recording_of(pixels.shape)
            if recorded is None:
                found = self._search(given.to(self._device))
            else:
                recorded.given.copy_(given)
                recorded.graph.replay()
                found = recorded.found
            out = found.cpu().numpy()
        return out[:, :4], out[:, 4], out[:, 5:]

    def _search(self, given: Tensor) -> Tensor:
        """(H, W, 3) RGB bytes on the device -> (A, 15) box, score, points."""
        import torch

        bgr = given.permute(2, 0, 1).flip(0).float() - self._mean
        boxes, scores, points = self._network(bgr[None])
        return torch.cat((boxes[0], scores[0, :, 1:], points[0]), dim=1)

    def _recording_of(self, shape: tuple[int, ...]) -> _Recorded | None:
        """The recorded search of pictures of this shape, from the second one on; the latest shapes are kept."""
        if self._pool is None:
            return None
        if shape not in self._recorded and shape in self._seen:
            self._record(shape)
        self._seen.append(shape)
        if shape in self._recorded:
            self._recorded.move_to_end(shape)
        return self._recorded.get(shape)

    def _record(self, shape: tuple[int, ...]) -> None:
        import torch

        given = torch.zeros(shape, dtype=torch.uint8, device=self._device)
        self._search(given)  # outside of the graph: libraries set themselves up
        while len(self._recorded) >= RECORDED_MOST:
            self._recorded.popitem(last=False)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                found = self._search(given)
        except RuntimeError as error:  # the driver refuses, or memory is short: searched as before
            log.warning("the search for faces is not recorded as a CUDA graph: %s", str(error).partition("\n")[0])
            self._pool = None
            self._recorded.clear()
            return
        self._recorded[shape] = _Recorded(graph, given, found)


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A CUDA graph of one size; recordings share their memory, so `found` holds until the next replay of any."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    found: Tensor


def with_reserve(run: Run, reserve: Run) -> Run:
    """`run` as long as it works, and `reserve` for each photo that it fails on; out of memory counts as failing."""

    def either(pixels: NDArray[np.uint8]) -> RawOutputs:
        try:
            return run(pixels)
        except RuntimeError as error:  # torch's, memory that is short among them
            log.warning("a photo is searched on the processor: %s", str(error).partition("\n")[0])
            return reserve(pixels)

    return either
