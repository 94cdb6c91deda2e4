"""dlib's face recognition network in plain torch: chips of faces in, embeddings out. No file, no device choice.

The network is the one of dlib's example `dnn_face_recognition_ex` (Davis King, 2017; weights CC0): a ResNet with 29
convolutions, affine layers in the place of batch normalisation, 150x150 RGB chips in, 128 numbers out. Two faces with
a Euclidean distance above 0.6 are taken for two people. In torch it is five times as quick on a processor as in dlib's
own wheel, leaves Python's lock to other threads meanwhile, and can be a loss: gradients flow from embedding to pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHIP_PX = 150
EMBEDDING_WIDTH = 128
_MEAN_RGB = (122.782, 117.001, 104.298)  # dlib input_rgb_image_sized
SCALE = 1 / 256
_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))  # width, blocks, first halves


class Affine(nn.Module):
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
        self.affine1: nn.Module = Affine(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.affine2: nn.Module = Affine(width)
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
        self.affine: nn.Module = Affine(32)
        blocks, inputs = [], 32
        for width, count, halves in _STAGES:
            for number in range(count):
                blocks.append(_Block(inputs, width, halves and number == 0))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(inputs, EMBEDDING_WIDTH, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        x = ((chips.float() + 1) * 127.5 - self.mean) * SCALE
        x = functional.max_pool2d(functional.relu(self.affine(self.conv(x))), 3, 2)
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.fc(x.mean(dim=(2, 3)))
        return embedding

    def layers(self) -> list[nn.Module]:
        """Everything that holds weights, in the order of computation."""
        layers: list[nn.Module] = [self.conv, self.affine]
        for block in self.blocks:
            assert isinstance(block, _Block)
            layers += [block.conv1, block.affine1, block.conv2, block.affine2]
        return [*layers, self.fc]

    def fold(self) -> None:
        """Puts every affine layer into the convolution before it: the same function, a fifth quicker. For good."""
        _fold(self.conv, self.affine)
        self.affine = nn.Identity()
        for block in self.blocks:
            assert isinstance(block, _Block)
            _fold(block.conv1, block.affine1)
            _fold(block.conv2, block.affine2)
            block.affine1, block.affine2 = nn.Identity(), nn.Identity()


def _fold(conv: nn.Conv2d, affine: nn.Module) -> None:
    assert isinstance(affine, Affine) and conv.bias is not None
    with torch.no_grad():
        conv.weight.mul_(affine.gamma[:, None, None, None])
        conv.bias.mul_(affine.gamma).add_(affine.beta)
