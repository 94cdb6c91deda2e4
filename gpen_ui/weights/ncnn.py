"""The convolutions of an ncnn model: a text file that lists the layers and a binary file with their numbers.

The program reads the files and never runs ncnn. Only what the published networks hold is understood: convolutions in
float16 or float32, and layers without numbers. See ncnn's wiki, "param and model file structure".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpen_ui.errors import CheckpointError, reason_of
from gpen_ui.paths import shown

MAGIC = "7767517"
FLOAT16_TAG, FLOAT32_TAG = 0x01306B47, 0
WITHOUT_NUMBERS = frozenset({"Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp"})
_OUTPUTS, _KERNEL, _HAS_BIAS, _WEIGHTS = 0, 1, 5, 6  # ncnn's numbers of a convolution's parameters


@dataclass(frozen=True, eq=False)
class Convolution:
    """One layer.

    Attributes:
        weight: (out, in, kernel, kernel) float32.
        bias: (out,) float32.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_convolutions(param: Path, binary: Path) -> list[Convolution]:
    """All convolutions in the order of the network.

    Raises:
        CheckpointError: a file is missing or cut off, another format, a layer of an unknown kind, or bytes left over.
    """
    try:
        lines = param.read_text(encoding="ascii", errors="replace").splitlines()
        content = binary.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError("checkpoint_missing", path=shown(Path(str(error.filename)))) from error
    except OSError as error:
        raise CheckpointError("checkpoint_unreadable", name=shown(binary.name), reason=reason_of(error)) from error
    try:
        reader = _Reader(content)
        layers = [reader.convolution(*sizes) for sizes in _convolution_sizes(lines)]
        reader.expect_end()
    except (ValueError, IndexError, KeyError) as error:
        raise CheckpointError("checkpoint_damaged", name=shown(binary.name)) from error
    return layers


def _convolution_sizes(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """Output channels, side of the kernel and count of the weights of each convolution.

    Raises:
        ValueError, IndexError, KeyError: something that is not understood.
    """
    if lines[0].strip() != MAGIC:
        raise ValueError("no ncnn model")
    rows = [line.split() for line in lines[2:] if line.strip()]
    if len(rows) != int(lines[1].split()[0]):
        raise ValueError("layers are missing")
    for kind, _, inputs, outputs, *rest in rows:
        if kind in WITHOUT_NUMBERS:
            continue
        if kind != "Convolution":
            raise ValueError(kind)
        pairs = (word.split("=") for word in rest[int(inputs) + int(outputs) :])
        parameters = {int(name): value for name, value in pairs}
        if parameters[_HAS_BIAS] != "1":
            raise ValueError("a convolution without bias")
        yield int(parameters[_OUTPUTS]), int(parameters[_KERNEL]), int(parameters[_WEIGHTS])


class _Reader:
    """Takes numbers off the front of the binary file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def convolution(self, outputs: int, kernel: int, count: int) -> Convolution:
        weight = self._tagged(count)
        if count % (outputs * kernel * kernel):
            raise ValueError("weights that make no whole channels")
        return Convolution(weight.reshape(outputs, -1, kernel, kernel), self._take("<f4", outputs))

    def expect_end(self) -> None:
        if self._at != len(self._content):
            raise ValueError("bytes left over")

    def _tagged(self, count: int) -> NDArray[np.float32]:
        tag = int(self._take("<u4", 1)[0])
        if tag == FLOAT16_TAG:
            weight = self._take("<f2", count)
            self._at += -self._at % 4
            return weight.astype(np.float32)
        if tag == FLOAT32_TAG:
            return self._take("<f4", count)
        raise ValueError("numbers of an unknown kind")

    def _take(self, dtype: str, count: int) -> NDArray[np.float32]:
        taken = np.frombuffer(self._content, dtype, count, self._at)
        self._at += taken.nbytes
        return np.array(taken)  # of its own: the file's bytes are let go
