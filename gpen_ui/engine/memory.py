"""Memory: how much a piece of work takes, on a card or in this process, and what the process keeps of it."""

from __future__ import annotations

import ctypes
import functools
import platform
from pathlib import Path
from types import TracebackType

import torch

KEPT_BYTES = 1 << 30
# Messages of allocators that raise a plain RuntimeError: torch's CPU allocator, MPS, older CUDA builds.
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # malloc.h


class PeakMemory:
    """Measures the work inside `with`.

    Attributes:
        peak_bytes: the most that was in use beyond what was in use before; None where the system does not tell.
    """

    def __init__(self, device: str) -> None:
        self.peak_bytes: int | None = None
        self._device = device
        self._before: int | None = None

    def __enter__(self) -> PeakMemory:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        elif self._device == "cpu":
            give_back_freed_memory()  # else work that uses it again would seem to take none
            if _reset_peak():
                self._before = _status_bytes("VmRSS")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None or error is not None:
            return
        if self._device == "cpu":
            peak = _status_bytes("VmHWM")
            self.peak_bytes = None if peak is None else max(0, peak - self._before)
        else:
            self.peak_bytes = torch.cuda.max_memory_allocated(self._device) - self._before


def available_bytes() -> int | None:
    """Memory of the machine that programs can still have; None where the system does not tell."""
    return _lookup(Path("/proc/meminfo"), "MemAvailable")


def _reset_peak() -> bool:
    """Starts the process's high-water mark anew; Linux only."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status_bytes(name: str) -> int | None:
    return _lookup(Path("/proc/self/status"), name)


def _lookup(path: Path, name: str) -> int | None:
    """A row "name:  12345 kB" in bytes."""
    try:
        rows = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith(f"{name}:")), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short, in any of the ways in which torch says so."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(word in str(error).lower() for word in OUT_OF_MEMORY_WORDS)


def keep_freed_memory() -> None:
    """Lets this process use memory again that it has freed, instead of asking the system for new pages each time.

    The tensors of a face and the pixels of a photo are freed and asked for again all the time. By default glibc gives
    such large pieces back to the system at once, and the system clears each page anew: a fifth of the network's time
    on a processor, and more with many threads (benchmarks/README.md). Up to `KEPT_BYTES` stay with the process. Only
    with glibc; elsewhere nothing is done. See mallopt(3).
    """
    allocator = _glibc()
    if allocator is None:
        return
    settings = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: KEPT_BYTES, _TOP_PAD: 1 << 26}
    for name, value in settings.items():
        allocator.mallopt(name, value)


def give_back_freed_memory() -> None:
    """Gives what `keep_freed_memory` kept back to the system."""
    allocator = _glibc()
    if allocator is not None:
        allocator.malloc_trim(0)


@functools.lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None
