"""Runs batches of crops through the network: memory that is short, and the check that a picture came out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from gpen_ui.engine.device import device_name
from gpen_ui.engine.memory import PeakMemory, available_bytes, is_out_of_memory
from gpen_ui.engine.placement import Network, place_lower
from gpen_ui.engine.results import Note
from gpen_ui.engine.tuning import Sample
from gpen_ui.errors import FaceRestoreError, GpenError, OutOfMemoryError, Stopped
from gpen_ui.network import Gpen

Crop = NDArray[np.float32]
COMPILE_FROM_FACES = 8  # a few portraits are done before kernels are compiled
TUNE_FROM_FACES = 32  # whoever restores so many gains from a measured batch size
TOP_LEVELS = 4  # what a face needs on a processor at most, in activations of the network's largest level; measured
TIMED_ROUNDS = 3  # batches timed at each size; the quickest counts, the others had to share the machine


class FaceRunner:
    """The network on its device.

    When memory runs short, the batch is halved; one face alone goes on in a shorter number type and then on the
    processor (`placement.next_step`). What worked is kept for what comes next, and each step is a note.

    Args:
        network: on its device, see `placement.place`.
        device: torch's name.
        batch_size: the largest batch.
        reload: gives the network in float32 on the processor, for faces that the short type could not hold and for the
            steps above; None: there is no such step.

    Attributes:
        device_shown: what a person calls the device, with torch's name where there can be several.
        notes: what had to be changed so far, for the user.
        tune: called once, between two batches, when so many faces came that it is worth to measure the batch size.
    """

    def __init__(
        self, network: Network, device: str, batch_size: int, reload: Callable[[], Gpen] | None = None
    ) -> None:
        self.size_px = network.config.size
        self._go_to(device)
        self.batch_size = batch_size
        self.notes: list[Note] = []
        self.tune: Callable[[], object] | None = None
        self._network = network
        self._reload = reload
        self._exact: Gpen | None = None
        self._faces_seen = 0
        self._compiling: threading.Thread | None = None
        self._pinned: dict[str, torch.Tensor] = {}

    @property
    def precision(self) -> str:
        """Number type of the convolutions, for example "bfloat16"."""
        return str(self._network.dtype).removeprefix("torch.")

    @property
    def trouble(self) -> Note | None:
        """Why the device's own kernels are not used, None where they are or where there are none."""
        trouble: Note | None = getattr(self._network, "trouble", None)
        return trouble

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
            results += self._run_or_step_down(crops[len(results) : len(results) + self.batch_size])
        self._faces_seen += len(crops)
        if self._faces_seen >= COMPILE_FROM_FACES:
            self.compile()
        if self.tune is not None and self._faces_seen >= TUNE_FROM_FACES and not self.is_compiling:
            tune, self.tune = self.tune, None
            tune()
        return results

    @property
    def is_compiling(self) -> bool:
        return self._compiling is not None and self._compiling.is_alive()

    def compile(self, *, wait: bool = False) -> None:
        """Compiles the device's own kernels in the background, where it has any; the plain form serves meanwhile."""
        work: Callable[[], None] | None = getattr(self._network, "compile", None)
        if work is not None and self._compiling is None:
            self._compiling = threading.Thread(target=work, name="compile", daemon=True)
            self._compiling.start()
        if wait and self._compiling is not None:
            self._compiling.join()

    def seconds_per_face(self) -> float:
        """Time of one face alone, after a first one that warms the device up."""
        crop = np.full((self.size_px, self.size_px, 3), 127, np.float32)
        self.run([crop])  # on a processor, too, the first one takes several times as long
        start = time.perf_counter()
        self.run([crop])
        return time.perf_counter() - start

    def sample(self, faces: int) -> Sample:
        """Time and memory of a batch of this size, measured.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        crops = [np.full((self.size_px, self.size_px, 3), 127, np.float32)] * faces
        try:
            with PeakMemory(self.device) as memory:
                start = time.perf_counter()
                self._forward(crops)
                times = [time.perf_counter() - start]
            for _ in range(1 if self.device == "cpu" else TIMED_ROUNDS):
                start = time.perf_counter()
                self._forward(crops)
                times.append(time.perf_counter() - start)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._free()
            raise OutOfMemoryError("batch_memory", faces=faces, device=self.device) from error
        return Sample(faces, min(times) / faces, memory.peak_bytes)

    def _run_or_step_down(self, crops: Sequence[Crop], asked: int | None = None) -> list[Crop | GpenError]:
        """Runs a batch, or as much of it as fits; `asked` is its size before it was halved, for one note about all."""
        try:
            return self._forward(crops)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._free()
        if len(crops) > 1:
            if asked is not None:
                self.notes.pop()
            asked = asked or len(crops)
            self.batch_size = max(1, len(crops) // 2)
            self.notes.append(Note("batch_halved", {"asked": asked, "now": self.batch_size}))
            return self._run_or_step_down(crops[: self.batch_size], asked)
        if self._step_down():
            return self._run_or_step_down(crops)
        return [OutOfMemoryError("face_memory", size=self.size_px, device=self.device)]

    def _step_down(self) -> bool:
        """Puts the network where it needs less of the memory that is short; False when there is no such place."""
        lower = place_lower(self._reload, self.device, self._network.dtype) if self._reload is not None else None
        if lower is None:
            return False
        before = self.device
        self.close()
        self._network, device = lower
        self._go_to(device)
        self.batch_size = 1
        if before == self.device:
            self.notes.append(Note("precision_lowered", {"device": self.device, "precision": self.precision}))
        else:
            self.notes.append(Note("moved_to_cpu", {"before": before, "device": self.device}))
        return True

    def _go_to(self, device: str) -> None:
        self.device = device
        name = device_name(device)
        self.device_shown = name if device == "cpu" else f"{name} ({device})"

    def _check_room(self, faces: int) -> None:
        """Keeps a batch from the processor that the machine has no memory for: the system would end the program.

        Raises:
            MemoryError: there is too little.
        """
        if self.device != "cpu" or faces == 1:
            return
        config, free = self._network.config, available_bytes()
        top = 2 * config.channels(config.size) * config.size**2 * self._network.dtype.itemsize
        if free is not None and faces * TOP_LEVELS * top > free:
            raise MemoryError

    def _forward(self, crops: Sequence[Crop]) -> list[Crop | GpenError]:
        self._check_room(len(crops))
        pictures, finite = self._pictures(self._network, crops)
        return [
            picture if whole else self._redo(crop) for crop, picture, whole in zip(crops, pictures, finite, strict=True)
        ]

    def _redo(self, crop: Crop) -> Crop | GpenError:
        """A face that came back as not-a-number, once more in float32."""
        if self._network.dtype != torch.float32 and self._reload is not None:
            if self._exact is None:
                self._exact = self._reload().eval().to(self.device)
            pictures, finite = self._pictures(self._exact, [crop])
            if finite[0]:
                self.notes.append(Note("redone_exactly", {"device": self.device}))
                picture: Crop = pictures[0]
                return picture
        return FaceRestoreError("face_not_finite", device=self.device)

    def _pictures(self, network: Network | Gpen, crops: Sequence[Crop]) -> tuple[NDArray[np.float32], list[bool]]:
        """(N, S, S, 3) float32 RGB 0..255, and for each picture whether it holds nothing but numbers."""
        with torch.inference_mode(), self._on_device():
            faces = torch.from_numpy(np.stack(crops, out=self._staging("in", len(crops))))
            batch = faces.to(self.device, non_blocking=True).permute(0, 3, 1, 2)  # already channels last
            out = network(batch / 127.5 - 1).float()
            finite = out.flatten(1).isfinite().all(dim=1)
            pictures = ((out + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).contiguous()
            if self.device.startswith("cuda"):
                staged = torch.from_numpy(self._staging("out", len(crops)))
                staged.copy_(pictures, non_blocking=True)
                whole: list[bool] = finite.tolist()  # waits for the card; the copy before it is done then, too
                return staged.numpy().copy(), whole
            return np.asarray(pictures.cpu().numpy(), np.float32), finite.tolist()

    def _staging(self, name: str, faces: int) -> NDArray[np.float32]:
        """Memory of the host that a card reads and writes without a detour (page-locked), kept between batches."""
        shape = (faces, self.size_px, self.size_px, 3)
        if not self.device.startswith("cuda"):
            return np.empty(shape, np.float32)
        kept = self._pinned.get(name)
        if kept is None or len(kept) < faces:
            kept = self._pinned[name] = torch.empty(shape, dtype=torch.float32, pin_memory=True)
        return kept[:faces].numpy()

    def _on_device(self) -> AbstractContextManager[object]:
        """Kernels of ours, and cuDNN's search for its quickest algorithms, go by the current card."""
        return torch.cuda.device(self.device) if self.device.startswith("cuda") else nullcontext()

    def _free(self) -> None:
        """Gives back what is only kept for speed."""
        forget: Callable[[], None] | None = getattr(self._network, "forget", None)
        if forget is not None:
            forget()
        self._pinned.clear()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Gives the device's memory back."""
        if self._compiling is not None:
            self._compiling.join()
            self._compiling = None
        self._network.close()
        self._exact = None
        self._free()
