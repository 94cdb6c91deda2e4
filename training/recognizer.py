"""dlib's face recognition network in torch, so that likeness can be a loss: gradients flow from embedding to pixels.

The network is the one of dlib's example `dnn_face_recognition_ex` (Davis King, 2017; weights CC0): a ResNet with 29
convolutions, affine layers in the place of batch normalisation, 150x150 RGB chips in, 128 numbers out. Two faces with
a Euclidean distance above 0.6 are taken for two people. The weights are read from dlib's own file.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHIP_PX = 150
CHIP_ROWS = slice(140, 420)  # the part of an aligned 512 px crop that becomes the chip: eyes always at the same place
CHIP_COLUMNS = slice(116, 396)
_MEAN_RGB = (122.782, 117.001, 104.298)  # dlib input_rgb_image_sized
_SCALE = 1 / 256
_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))  # width, blocks, first halves
_TENSOR_LAYER = re.compile(rb"(?:(con_4|affine_)|(fc_2)\x01.\x02..)(?=\x01\x02)", re.DOTALL)


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    """dlib's packed integer: low four bits of the first byte count the bytes that follow, the top bit is the sign."""
    head = data[at]
    count = head & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + count], "little")
    return (-value if head & 0x80 else value), at + 1 + count


def read_dlib_tensors(path: Path) -> list[tuple[str, Tensor]]:
    """The layers of a serialised dlib network that hold weights, input side first: (layer name, flat float32)."""
    data = path.read_bytes()
    found = []
    for match in _TENSOR_LAYER.finditer(data):
        version, at = _read_int(data, match.end())
        sizes = []
        for _ in range(4):
            size, at = _read_int(data, at)
            sizes.append(size)
        count = int(np.prod(sizes))
        if version != 2 or not 0 < count < 10_000_000:
            raise ValueError(f"{path.name} is not a network that this reader knows: layer {match.group()!r}.")
        found.append(((match[1] or match[2]).decode(), torch.from_numpy(np.frombuffer(data, "<f4", count, at).copy())))
    return found


class _Affine(nn.Module):
    """A factor and an offset per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma.to(x.dtype)[:, None, None] + self.beta.to(x.dtype)[:, None, None]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a short cut; `halves` strides the first one and averages the short cut."""

    def __init__(self, inputs: int, width: int, halves: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=2 if halves else 1, padding=0 if halves else 1)
        self.affine1 = _Affine(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.affine2 = _Affine(width)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        y = self.affine2(self.conv2(functional.relu(self.affine1(self.conv1(x)))))
        short = functional.avg_pool2d(x, 2) if self.halves else x
        return functional.relu(_add_padded(y, short))


def _add_padded(a: Tensor, b: Tensor) -> Tensor:
    """dlib's add_prev: what one of the two lacks in channels, rows or columns counts as zero."""
    sizes = [max(m, n) for m, n in zip(a.shape[1:], b.shape[1:], strict=True)]

    def fit(x: Tensor) -> Tensor:
        channels, rows, columns = (want - have for want, have in zip(sizes, x.shape[1:], strict=True))
        return functional.pad(x, (0, columns, 0, rows, 0, channels)) if channels or rows or columns else x

    return fit(a) + fit(b)


class Recognizer(nn.Module):
    """Chips (N, 3, 150, 150), RGB in [-1, 1] -> embeddings (N, 128)."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN_RGB)[:, None, None])
        self.conv = nn.Conv2d(3, 32, 7, stride=2)
        self.affine = _Affine(32)
        blocks, inputs = [], 32
        for width, count, halves in _STAGES:
            for number in range(count):
                blocks.append(_Block(inputs, width, halves and number == 0))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(inputs, 128, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        x = ((chips.float() + 1) * 127.5 - self.mean) * _SCALE
        x = functional.max_pool2d(functional.relu(self.affine(self.conv(x))), 3, 2)
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.fc(x.mean(dim=(2, 3)))
        return embedding

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Aligned faces (N, 3, 512, 512), RGB in [-1, 1] -> embeddings (N, 128)."""
        return self(chips_of(faces))


def chips_of(faces: Tensor) -> Tensor:
    """The chips (N, 3, 150, 150) of aligned faces (N, 3, S, S); averages like OpenCV's INTER_AREA, differentiable."""
    side = faces.shape[-1]
    top, bottom, left, right = (
        round(edge * side / 512) for edge in (CHIP_ROWS.start, CHIP_ROWS.stop, CHIP_COLUMNS.start, CHIP_COLUMNS.stop)
    )
    crop = faces[..., top:bottom, left:right]
    rows = _area_matrix(crop.shape[-2], CHIP_PX).to(crop)
    columns = _area_matrix(crop.shape[-1], CHIP_PX).to(crop)
    return rows @ crop @ columns.T


def _area_matrix(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs): each output is the mean of the stretch of inputs that it covers, parts of inputs included."""
    edges = torch.linspace(0, inputs, outputs + 1, dtype=torch.float64)
    pixels = torch.arange(inputs, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * outputs / inputs).float()


def load_recognizer(path: Path) -> Recognizer:
    """Reads dlib's `dlib_face_recognition_resnet_model_v1.dat`, or a state dict (.pth) saved from this class."""
    network = Recognizer()
    if path.suffix == ".pth":
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key: value.float() for key, value in state.items()})
    else:
        _fill(network, read_dlib_tensors(path))
    return network.eval().requires_grad_(False)


def _fill(network: Recognizer, tensors: list[tuple[str, Tensor]]) -> None:
    """Hands dlib's tensors, which follow the order of computation, to the layers of the network."""
    layers: list[nn.Module] = [network.conv, network.affine]
    for block in network.blocks:
        layers += [block.conv1, block.affine1, block.conv2, block.affine2]
    layers.append(network.fc)
    if len(layers) != len(tensors):
        raise ValueError(f"expected {len(layers)} layers with weights, the file has {len(tensors)}.")
    for layer, (name, flat) in zip(layers, tensors, strict=True):
        if isinstance(layer, nn.Linear):
            layer.weight.data = flat.view(layer.in_features, layer.out_features).T.contiguous()
            continue
        first = layer.weight if isinstance(layer, nn.Conv2d) else layer.gamma
        second = layer.bias if isinstance(layer, nn.Conv2d) else layer.beta
        if flat.numel() != first.numel() + second.numel():
            raise ValueError(f"layer {name} holds {flat.numel()} numbers, expected {first.numel() + second.numel()}.")
        first.data = flat[: first.numel()].view_as(first).clone()
        second.data = flat[first.numel() :].view_as(second).clone()
