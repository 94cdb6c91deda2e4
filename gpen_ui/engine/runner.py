"""Runs batches of crops through the network: layout, out-of-memory, and the check that a picture came out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gpen_ui.engine.device import synchronize
from gpen_ui.engine.fast import FastGpen
from gpen_ui.engine.results import Note
from gpen_ui.errors import FaceRestoreError, GpenError, OutOfMemoryError, Stopped
from gpen_ui.network import Gpen

Crop = NDArray[np.float32]
# Messages of allocators that raise a plain RuntimeError: torch's CPU allocator, MPS, older CUDA builds.
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class FaceRunner:
    """The network on its device.

    Args:
        network: with a `config`, on its device, in evaluation mode: `Gpen`, or its fast form.
        device: torch's name.
        batch_size: the largest batch. A batch that does not fit is halved, and the smaller size stays.
        exact: the same network in float32, where `network` computes in a shorter type; used for the faces that the
            short type could not hold.

    Attributes:
        precision: number type of the convolutions, for example "bfloat16".
        notes: what had to be changed so far, for the user.
    """

    def __init__(self, network: Gpen | FastGpen, device: str, batch_size: int, exact: Gpen | None = None) -> None:
        self.size_px = network.config.size
        self.device = device
        self.batch_size = batch_size
        self.notes: list[Note] = []
        dtype = network.dtype if isinstance(network, FastGpen) else torch.float32
        self.precision = str(dtype).removeprefix("torch.")
        self._network = network
        self._exact = exact

    @property
    def chunk(self) -> int:
        """Faces that go through together: on a CPU one, where a batch costs memory and gains no time."""
        return 1 if self.device == "cpu" else self.batch_size

    def run(self, crops: Sequence[Crop], stop: threading.Event | None = None) -> list[Crop | GpenError]:
        """Restores crops.

        Args:
            crops: (S, S, 3) float32 RGB 0..255 of the network's side.
            stop: looked at between batches.

        Returns:
            For each crop the restored one in the same form, or the error that it failed with.

        Raises:
            Stopped: `stop` was set; what was restored in this call is dropped.
        """
        results: list[Crop | GpenError] = []
        while len(results) < len(crops):
            if stop is not None and stop.is_set():
                raise Stopped("stopped")
            results += self._run_or_halve(crops[len(results) : len(results) + self.chunk])
        return results

    def seconds_per_face(self) -> float:
        """Time of one face alone, after a first one that warms the device up."""
        crop = np.full((self.size_px, self.size_px, 3), 127, np.float32)
        if self.device != "cpu":
            self.run([crop])
        start = time.perf_counter()
        self.run([crop])
        return time.perf_counter() - start

    def _run_or_halve(self, crops: Sequence[Crop]) -> list[Crop | GpenError]:
        try:
            return self._forward(crops)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        self._free()
        if len(crops) == 1:
            return [OutOfMemoryError("face_memory", size=self.size_px, device=self.device)]
        self.batch_size = max(1, len(crops) // 2)
        self.notes.append(Note("batch_halved", {"asked": len(crops), "now": self.batch_size}))
        return self._run_or_halve(crops[: self.batch_size])

    def _forward(self, crops: Sequence[Crop]) -> list[Crop | GpenError]:
        pictures = self._pictures(self._network, crops)
        return [
            picture if np.isfinite(picture).all() else self._redo(crop)
            for crop, picture in zip(crops, pictures, strict=True)
        ]

    def _redo(self, crop: Crop) -> Crop | GpenError:
        """A face that came back as not-a-number, once more in float32."""
        if self._exact is not None:
            picture: Crop = self._pictures(self._exact.to(self.device), [crop])[0]
            if np.isfinite(picture).all():
                self.notes.append(Note("redone_exactly", {"device": self.device}))
                return picture
        return FaceRestoreError("face_not_finite", device=self.device)

    def _pictures(self, network: Gpen | FastGpen, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(N, S, S, 3) float32 RGB 0..255; what is not a number stays so."""
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self.device)  # already channels last
        with torch.inference_mode():
            out = (network(batch / 127.5 - 1).float() + 1) * 127.5
            out = torch.where(out.isfinite(), out.clamp(0, 255), torch.nan)  # an infinity is no white
            pictures = out.permute(0, 2, 3, 1).cpu().numpy()
        synchronize(self.device)
        return np.asarray(pictures, np.float32)

    def _free(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Gives the device's memory back."""
        self._network.to("meta")
        if self._exact is not None:
            self._exact.to("meta")
        self._free()


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(word in str(error).lower() for word in OUT_OF_MEMORY_WORDS)
