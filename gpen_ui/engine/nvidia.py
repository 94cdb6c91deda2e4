"""What NVIDIA's own tool says about the cards of this machine, independent of PyTorch. It only reads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

TOOL = "nvidia-smi"
TOOL_TIMEOUT_S = 20.0  # the first call after a boot wakes the driver up, which takes some seconds
MIB = 1 << 20


@dataclass(frozen=True)
class Card:
    """One card as the driver sees it. None: the driver does not tell.

    Attributes:
        uuid: the same that PyTorch reports, with "GPU-" in front.
        capability: compute capability, major and minor.
        persistence: the driver stays loaded between programs.
        power_limit_w, default_power_limit_w: a limit below its default slows the card down.
        clock_mhz, default_clock_mhz: the application clock and what it is without anyone's change.
    """

    index: int
    uuid: str
    name: str
    memory_bytes: int | None
    memory_used_bytes: int | None
    capability: tuple[int, int] | None
    persistence: bool | None
    power_limit_w: float | None
    default_power_limit_w: float | None
    clock_mhz: float | None
    default_clock_mhz: float | None


@dataclass(frozen=True)
class Driver:
    """The driver and its cards.

    Attributes:
        cuda: the newest CUDA version it supports, or None when it does not say.
        programs: other programs that compute on the cards: process id, name, bytes of memory or None.
    """

    version: str
    cuda: tuple[int, int] | None
    cards: tuple[Card, ...]
    programs: tuple[tuple[int, str, int | None], ...]


def read_driver() -> Driver | None:
    """The NVIDIA driver of this machine, or None when there is none that answers."""
    if shutil.which(TOOL) is None:
        return None
    rows = _query("gpu", "index,uuid,name,driver_version,memory.total,memory.used")
    if not rows:
        return None
    # asked one by one: an older driver refuses a whole question for one field that it does not know
    capabilities = _query("gpu", "compute_cap")
    persistence = _query("gpu", "persistence_mode")
    power = _query("gpu", "power.limit,power.default_limit")
    clocks = _query("gpu", "clocks.applications.graphics,clocks.default_applications.graphics")
    cards = tuple(
        Card(
            index=int(row[0]),
            uuid=row[1],
            name=row[2],
            memory_bytes=_mebibytes(row[4]),
            memory_used_bytes=_mebibytes(row[5]),
            capability=_version(_cell(capabilities, place, 0)),
            persistence={"Enabled": True, "Disabled": False}.get(_cell(persistence, place, 0)),
            power_limit_w=_number(_cell(power, place, 0)),
            default_power_limit_w=_number(_cell(power, place, 1)),
            clock_mhz=_number(_cell(clocks, place, 0)),
            default_clock_mhz=_number(_cell(clocks, place, 1)),
        )
        for place, row in enumerate(rows)
    )
    programs = _query("compute-apps", "pid,process_name,used_memory")
    others = tuple((int(pid), name, _mebibytes(used)) for pid, name, used in programs if int(pid) != os.getpid())
    found = re.search(r"CUDA(?: UMD)? Version\s*:\s*([\d.]+)", _run(TOOL))
    return Driver(rows[0][3], _version(found.group(1)) if found else None, cards, others)


def _run(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def _query(what: str, fields: str) -> list[list[str]]:
    """Rows of cells; empty when the driver does not answer this question."""
    lines = _run(TOOL, f"--query-{what}={fields}", "--format=csv,noheader,nounits").splitlines()
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    return [row for row in rows if len(row) == fields.count(",") + 1]


def _cell(rows: list[list[str]], row: int, column: int) -> str:
    return rows[row][column] if row < len(rows) else ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "[N/A]", "[Not Supported]"
        return None


def _mebibytes(text: str) -> int | None:
    number = _number(text)
    return None if number is None else int(number) * MIB


def _version(text: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None
