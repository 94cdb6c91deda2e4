"""How much memory a piece of work takes: a card's, or this process's own."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import torch


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
        elif self._device == "cpu" and _reset_peak():
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
