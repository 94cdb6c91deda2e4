"""Which device really computes. A device counts as usable only after a real computation on it gave the right result."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.engine.results import Note
from gpen_ui.errors import DeviceError

TRIAL_SIDE = 64  # of the picture that a device must filter correctly before it is trusted
TRIAL_TOLERANCE = 1e-2  # relative; wide enough for TF32, far below what a broken build gives


@dataclass(frozen=True)
class DeviceReport:
    """What the network runs on.

    Attributes:
        asked: what the user asked for, "auto", "cuda", ...
        device: torch's name of the device in use, "cpu", "cuda:0", "mps", "xpu:0".
        name: what a person calls it.
        seconds_per_face: of one face alone, measured on the device after loading; None before it was measured.
        memory_bytes: of the card, None where there is none of its own.
        cuda_available: CUDA passed the same trial.
        precision: number type of the convolutions, "float32", "bfloat16" or "float16".
        why: set when the device is not what the user may expect, with what to do.
    """

    asked: str
    device: str
    name: str
    seconds_per_face: float | None
    memory_bytes: int | None
    cuda_available: bool
    precision: str = "float32"
    why: Note | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """One device of this machine.

    Attributes:
        trouble: None when a trial computation gave the right result, else why it cannot be used and what to do.
    """

    device: str
    name: str
    memory_bytes: int | None
    trouble: Note | None


def probe_devices() -> tuple[DeviceInfo, ...]:
    """Every device torch knows of, tried out, the CPU last; "cuda" is listed with its trouble when there is none."""
    names = [name for kind in ("cuda", "xpu", "mps") for name in _listed(kind)]
    if not any(name.startswith("cuda") for name in names):
        names.insert(0, "cuda")
    return tuple(DeviceInfo(name, device_name(name), memory_bytes(name), trial(name)) for name in (*names, "cpu"))


def choose_device(asked: str) -> tuple[str, Note | None]:
    """The device to use and, when "auto" had to pass over a card, why.

    Raises:
        DeviceError: the user named a device that cannot be used.
    """
    if asked == "auto":
        trouble: Note | None = None
        for kind in ("cuda", "xpu", "mps"):
            for name in _listed(kind):
                trouble = trial(name)
                if trouble is None:
                    return name, None
        return "cpu", trouble or _silent_card()
    name = asked if asked == "cpu" or ":" in asked or asked == "mps" else f"{asked}:0"
    trouble = trial(name)
    if trouble is not None:
        raise DeviceError("device_unusable", device=asked, reason=trouble)
    return name, None


def trial(device: str) -> Note | None:
    """None when a small convolution on the device equals the CPU's, else what is wrong."""
    import torch

    kind = device.partition(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        return Note(
            "torch_without_cuda" if torch.version.cuda is None else "cuda_without_driver", {"torch": torch.__version__}
        )
    if kind != "cpu" and device not in _listed(kind):
        return Note("no_such_device", {"device": device, "known": ", ".join([*_listed(kind), "cpu"])})
    from gpen_ui.engine.memory import is_out_of_memory

    picture = torch.linspace(-1, 1, 3 * TRIAL_SIDE**2).view(1, 3, TRIAL_SIDE, TRIAL_SIDE)
    weight = torch.linspace(-1, 1, 8 * 3 * 9).view(8, 3, 3, 3)
    expected = torch.nn.functional.conv2d(picture, weight)
    try:
        got = torch.nn.functional.conv2d(picture.to(device), weight.to(device)).cpu()
    except (RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            return _full(device)
        return Note("device_fails", {"device": device, "reason": str(error).strip().splitlines()[0]})
    if float((got - expected).norm() / expected.norm()) > TRIAL_TOLERANCE:
        return Note("device_wrong", {"device": device})
    return None


def _full(device: str) -> Note:
    """The card's memory is taken, and by whom."""
    from gpen_ui.engine.nvidia import read_driver

    driver = read_driver() if device.startswith("cuda") else None
    users = [f"{name} ({pid})" for pid, name, _ in driver.programs] if driver else []
    return Note("device_full_by" if users else "device_full", {"device": device, "programs": ", ".join(users)})


def device_name(device: str) -> str:
    """What a person calls the device."""
    import torch

    kind, _, number = device.partition(":")
    if kind == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name(int(number or 0))
    if kind == "xpu" and _listed("xpu"):
        return str(torch.xpu.get_device_name(int(number or 0)))
    if kind == "mps":
        return "Apple GPU"
    return _processor_name() if kind == "cpu" else device


def memory_bytes(device: str) -> int | None:
    """The card's memory, None where it has none of its own."""
    import torch

    kind, _, number = device.partition(":")
    if kind == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(int(number or 0)).total_memory)
    return None


def free_bytes(device: str) -> int | None:
    """Memory that the device can still give: a card's own, or the machine's; None where the system does not tell."""
    import torch

    from gpen_ui.engine.memory import available_bytes

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes() if device == "cpu" else None


def _listed(kind: str) -> list[str]:
    import torch

    if kind == "cuda" and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if kind == "xpu" and torch.xpu.is_available():
        return [f"xpu:{number}" for number in range(torch.xpu.device_count())]
    if kind == "mps" and torch.backends.mps.is_available():
        return ["mps"]
    return []


def _silent_card() -> Note | None:
    """An NVIDIA driver is loaded, yet torch sees no card: the trap in which the CPU works unnoticed."""
    if not Path("/proc/driver/nvidia/version").exists():
        return None
    return trial("cuda")


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
