"""Reads the weights of dlib's face recognition network from dlib's own file, as data: nothing in it is executed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from gpen_ui.network.recognizer import Recognizer

# What stands before the numbers of a layer: a 7x7 or 3x3 convolution, an affine layer or the last product.
_LAYER_NAMES = (b"con_4", b"affine_", b"fc_2")
_TENSOR_LAYER = re.compile(rb"(?:(con_4|affine_)|(fc_2)\x01.\x02..)(?=\x01\x02)", re.DOTALL)
_NUMBERS_MOST = 10_000_000  # of one layer


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    """dlib's packed integer: low four bits of the first byte count the bytes that follow, the top bit is the sign."""
    head = data[at]
    count = head & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + count], "little")
    return (-value if head & 0x80 else value), at + 1 + count


def _layers(data: bytes) -> Iterator[re.Match[bytes]]:
    """The layers in order. Looked for by name first: the expression alone takes ten times as long."""
    starts = []
    for name in _LAYER_NAMES:
        at = data.find(name)
        while at >= 0:
            starts.append(at)
            at = data.find(name, at + 1)
    found = (_TENSOR_LAYER.match(data, at) for at in sorted(starts))
    return (match for match in found if match is not None)


def read_dlib_tensors(path: Path) -> list[tuple[str, Tensor]]:
    """The layers of a serialised dlib network that hold weights, input side first: (layer name, flat float32).

    Raises:
        CheckpointError: `error.recognizer_kind`.
    """
    import numpy as np
    import torch

    data = path.read_bytes()
    found = []
    for match in _layers(data):
        try:
            version, at = _read_int(data, match.end())
            sizes = []
            for _ in range(4):
                size, at = _read_int(data, at)
                sizes.append(size)
            count = math.prod(sizes)
            if version != 2 or not 0 < count < _NUMBERS_MOST:
                raise CheckpointError("recognizer_kind", file=path.name)
            numbers = np.frombuffer(data, "<f4", count, at)
        except (IndexError, ValueError) as error:  # the file ends early
            raise CheckpointError("recognizer_kind", file=path.name) from error
        found.append(((match[1] or match[2]).decode(), torch.from_numpy(numbers.copy())))
    return found


def fill_recognizer(network: Recognizer, path: Path) -> None:
    """Hands the tensors of `dlib_face_recognition_resnet_model_v1.dat` to the layers of a fresh network.

    Raises:
        CheckpointError: `error.recognizer_kind`: the file holds another network, or none.
    """
    from torch import nn

    layers, tensors = network.layers(), read_dlib_tensors(path)
    if len(layers) != len(tensors):
        raise CheckpointError("recognizer_kind", file=path.name)
    for layer, (_, flat) in zip(layers, tensors, strict=True):
        # weight and bias, or factor and offset; the last product's weight dlib keeps the other way round
        wanted = [layer.weight.T] if isinstance(layer, nn.Linear) else list(layer.parameters())
        if flat.numel() != sum(each.numel() for each in wanted):
            raise CheckpointError("recognizer_kind", file=path.name)
        at = 0
        for each in wanted:
            each.data.copy_(flat[at : at + each.numel()].view(each.shape))
            at += each.numel()
