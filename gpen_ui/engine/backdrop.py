"""Enlarges or cleans whole photos with Real-ESRGAN: tiles on the device, memory that is short, the time it takes."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpen_ui.engine.device import device_name, free_bytes
from gpen_ui.engine.memory import is_out_of_memory
from gpen_ui.engine.precision import choose_dtype
from gpen_ui.engine.results import Note
from gpen_ui.engine.rrdb import BYTES_PER_PIXEL, forward
from gpen_ui.errors import OutOfMemoryError, Stopped
from gpen_ui.look import enlarge
from gpen_ui.look.tiles import Halves, Piece, TilePlan, cut_in_halves, draw_in_tiles, plan_tiles
from gpen_ui.photo import Pixels

if TYPE_CHECKING:
    from torch.nn import Module

    from gpen_ui.network.rrdbnet import RrdbConfig
    from gpen_ui.weights.upscaler import UpscalerFile

# What lies farther away moves no pixel by half a level of 255 (docs/background.md). In pixels of the trunk: a
# network that folds 2 x 2 pixels into one needs twice as many. With the 10 px that are usual for this network, seams
# differ by up to 18 levels.
MARGIN_PX = 96
BLEND_PX = 16  # of the photo
LARGEST_TILE_PX = 1024  # of the trunk, with margins; larger ones gain little: a third of them is margin already
LATEST_BYTES = 1 << 28  # of a background that is kept for the next time
SHARE_OF_FREE = 0.4  # of the memory that is free when a photo begins; others go on asking for some
TRIAL_PX = {"cpu": 64}  # side of the picture that is timed before the first tile was: 0.8 s on two cores
TRIAL_ELSEWHERE_PX = 256
TELLING_PX = 176  # side of pieces whose time holds for larger ones, too

Check = Callable[[], None]


def smallest_tile_px(multiple: int = 1) -> int:
    """Side of the smallest tile, with its margins, for a network that folds `multiple` pixels of a side into one."""
    return 2 * MARGIN_PX * multiple + 3 * BLEND_PX


@dataclass(frozen=True)
class TileProgress:
    """Where the work on one photo's background stands.

    Attributes:
        name: of the photo.
        done, total: tiles.
        left_s: estimated.
    """

    name: str
    done: int
    total: int
    left_s: float


@dataclass(eq=False)
class _Loaded:
    """A network on its device."""

    file: UpscalerFile
    network: Module
    config: RrdbConfig
    device: str
    dtype: torch.dtype


class Backdrop:
    """What makes the background of a photo. The network is loaded with the first photo that wants it.

    When memory runs short, the tile that failed is cut in two and done again from its input, and so are those that
    follow; when the smallest does not fit, the processor goes on. Each step is a note. Not for several threads at
    once: it shares the device with the face network, so the stream calls it where it calls that.

    Args:
        find: gives the network for an output scale; raises `ModelError` when there is none.
        device: torch's name.

    Attributes:
        notes: what had to be changed so far, for the user.
    """

    def __init__(self, find: Callable[[int], UpscalerFile], device: str) -> None:
        self.notes: list[Note] = []
        self._find = find
        self._device = device
        self._loaded: _Loaded | None = None
        self._seconds_per_pixel: float | None = None
        self._most_pixels: int | None = None  # of a piece, after an out-of-memory
        self._latest: tuple[bytes, Pixels] | None = None  # what was drawn last, by what it was drawn from

    def draw(
        self, pixels: Pixels, scale: int, stop: threading.Event | None = None, name: str = ""
    ) -> Generator[TileProgress, None, Pixels]:
        """Enlarges a photo; at 1 cleans it.

        Args:
            pixels: (H, W, 3) RGB.
            scale: 1, 2 or 4.
            stop: looked at before each tile and many times in it.
            name: of the photo, for the progress.

        Yields:
            Before the first tile and after each where the work stands.

        Returns:
            (H * scale, W * scale, 3) in the photo's depth; gray stays gray.

        Raises:
            ModelError: there is no network, or it cannot be loaded.
            OutOfMemoryError: not even the smallest tile fits on the processor.
            Stopped: `stop` was set.
        """
        loaded = self._load(scale)
        plan = self._plan(loaded, pixels.shape[1], pixels.shape[0])
        drawn_scale = loaded.config.scale
        kept_scale = min(scale, drawn_scale)

        def check() -> None:
            if stop is not None and stop.is_set():
                raise Stopped("stopped")

        def draw(piece: Piece) -> Piece:
            check()
            return self._piece(piece, check)

        check()
        yield TileProgress(name, 0, len(plan), plan.read_pixels * self._pixel_seconds())
        start = time.perf_counter()
        tiles = draw_in_tiles(pixels, plan, draw, drawn_scale=drawn_scale, scale=kept_scale)
        while True:
            try:
                done = next(tiles)
            except StopIteration as end:
                result: Pixels = enlarge(end.value, scale // kept_scale)  # a network that doubles, where none for 4x is
                self._latest = (self._key(pixels, scale), result) if result.nbytes <= LATEST_BYTES else None
                return result
            left_s = (time.perf_counter() - start) / done * (len(plan) - done)
            yield TileProgress(name, done, len(plan), left_s)

    def recall(self, pixels: Pixels, scale: int) -> Pixels | None:
        """What was drawn last, when it was drawn from just these pixels: other strengths of faces need no network."""
        if self._latest is None:
            return None
        key, result = self._latest
        return result if key == self._key(pixels, scale) else None

    def _key(self, pixels: Pixels, scale: int) -> bytes:
        told = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16)
        told.update(repr((pixels.shape, pixels.dtype.str, scale, self._find(scale).name)).encode())
        return told.digest()

    def name(self, scale: int) -> str:
        """Of the network for an output scale.

        Raises:
            ModelError: there is none.
        """
        return self._find(scale).name

    def estimate_seconds(self, sizes_wh: Iterable[tuple[int, int]], scale: int) -> float:
        """How long photos of these sizes will take on the device, from a timed trial or the photos before.

        Raises:
            ModelError: there is no network, or it cannot be loaded.
        """
        loaded = self._load(scale)
        pixels = sum(self._plan(loaded, width, height).read_pixels for width, height in sizes_wh)
        return pixels * self._pixel_seconds()

    def close(self) -> None:
        """Gives the device's memory back; the next photo loads the network again."""
        self._loaded = self._latest = None
        self._free()

    def _load(self, scale: int) -> _Loaded:
        file = self._find(scale)
        if self._loaded is None or self._loaded.file.name != file.name:
            self._loaded = None
            self._free()
            self._seconds_per_pixel = None
            network, config = file.load()
            self._loaded = _Loaded(file, network, config, "cpu", torch.float32)
            self._place(self._loaded, self._device)
        return self._loaded

    def _place(self, loaded: _Loaded, device: str) -> None:
        """float16 where a card is quicker in it; else float32: bfloat16 moves pixels near a seam by several levels."""
        dtype = choose_dtype(device) if device.startswith("cuda") else torch.float32
        try:
            loaded.network.to(device, dtype).to(memory_format=torch.channels_last)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or device == "cpu":
                raise
            self._move_to_processor(loaded)
            return
        loaded.device, loaded.dtype = device, dtype

    def _move_to_processor(self, loaded: _Loaded) -> None:
        network, _ = loaded.file.load()  # afresh, in float32
        loaded.network = network.to(memory_format=torch.channels_last)
        before, loaded.device, loaded.dtype = self._device, "cpu", torch.float32
        self._device, self._most_pixels, self._seconds_per_pixel = "cpu", None, None
        self._free()
        self.notes.append(Note("background_moved", {"before": before, "device": device_name("cpu")}))

    def _plan(self, loaded: _Loaded, width: int, height: int) -> TilePlan:
        multiple = loaded.config.multiple
        margin_px, tile_px = MARGIN_PX * multiple, self._tile_px(loaded)
        return plan_tiles((width, height), tile_px=tile_px, margin_px=margin_px, blend_px=BLEND_PX, multiple=multiple)

    def _tile_px(self, loaded: _Loaded) -> int:
        """Side of the largest tile that the free memory has room for."""
        largest = LARGEST_TILE_PX * loaded.config.multiple
        free = free_bytes(loaded.device)
        if free is None:
            return largest // 2
        pixels = SHARE_OF_FREE * free / self._pixel_bytes(loaded)
        return max(smallest_tile_px(loaded.config.multiple), min(largest, int(math.sqrt(pixels)) // 16 * 16))

    def _pixel_bytes(self, loaded: _Loaded) -> int:
        return BYTES_PER_PIXEL * loaded.config.features // 64 * loaded.dtype.itemsize // 4 // loaded.config.multiple**2

    def _piece(self, piece: Piece, check: Check = lambda: None) -> Piece:
        """One piece through the network, whole or in parts that fit; `check` raises when nobody wants it any more."""
        assert self._loaded is not None
        height, width = piece.shape[:2]
        halves = cut_in_halves(piece, MARGIN_PX * self._loaded.config.multiple)
        if halves is not None and self._most_pixels is not None and height * width > self._most_pixels:
            return self._in_halves(halves, check)
        try:
            start = time.perf_counter()
            drawn = self._forward(self._loaded, piece, check)
            self._learn((time.perf_counter() - start) / (height * width), height * width)
            return drawn
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._free()
        if halves is not None:
            self._most_pixels = max(half.shape[0] * half.shape[1] for half in (halves.first, halves.second))
            now = math.isqrt(self._most_pixels)
            if self.notes and self.notes[-1].key == "background_tiles":
                self.notes.pop()  # one note about all steps
            self.notes.append(Note("background_tiles", {"device": self._loaded.device, "now": now}))
            return self._in_halves(halves, check)
        if self._loaded.device == "cpu":
            raise OutOfMemoryError("background_memory", device="cpu")
        self._move_to_processor(self._loaded)
        return self._piece(piece, check)

    def _in_halves(self, halves: Halves, check: Check) -> Piece:
        assert self._loaded is not None
        drawn = self._piece(halves.first, check), self._piece(halves.second, check)
        return halves.joined(*drawn, self._loaded.config.scale)

    def _forward(self, loaded: _Loaded, piece: Piece, check: Check) -> Piece:
        height, width = piece.shape[:2]
        if loaded.device == "cpu":
            free = free_bytes("cpu")
            if free is not None and height * width * self._pixel_bytes(loaded) > free:
                raise MemoryError  # before the system ends the program
        multiple = loaded.config.multiple
        padded = np.pad(piece, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "symmetric")
        with torch.inference_mode():
            x = torch.from_numpy(padded).to(loaded.device).permute(2, 0, 1)[None].to(loaded.dtype)
            drawn = forward(loaded.network, loaded.config, x, check)[0].permute(1, 2, 0)
        scale = loaded.config.scale
        return np.asarray(drawn[: height * scale, : width * scale].numpy(), np.float32)

    def _learn(self, seconds_per_pixel: float, pixels: int) -> None:
        """Large pieces tell best; small ones count where there is nothing better."""
        if self._seconds_per_pixel is None or pixels >= TELLING_PX**2:
            self._seconds_per_pixel = seconds_per_pixel

    def _pixel_seconds(self) -> float:
        """Measured with the tiles before, else in a trial now."""
        assert self._loaded is not None
        if self._seconds_per_pixel is not None:
            return self._seconds_per_pixel
        side = TRIAL_PX.get(self._loaded.device, TRIAL_ELSEWHERE_PX)
        piece = np.full((side, side, 3), 0.5, np.float32)
        self._piece(piece[: side // 2, : side // 2])  # warms up
        start = time.perf_counter()
        self._piece(piece)
        self._seconds_per_pixel = (time.perf_counter() - start) / side**2
        return self._seconds_per_pixel

    def _free(self) -> None:
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
