"""Is the card really used? Puts together what PyTorch, the driver and a real face on each device say."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gpen_ui.engine.nvidia import Card, Driver, read_driver
from gpen_ui.engine.results import Note
from gpen_ui.faces.likeness import recognizer_file

MEMORY_SHARE_SEEN = 0.9  # the driver keeps a few percent for itself; less than this is a wrong or shared card
MEMORY_SHARE_USED = 0.15  # a desktop takes some; more than this is missing for batches
POWER_SHARE = 0.95  # limits are set in whole watts


@dataclass(frozen=True)
class TorchCard:
    """One card as PyTorch sees it."""

    device: str
    name: str
    uuid: str | None
    capability: tuple[int, int]
    memory_bytes: int


@dataclass(frozen=True)
class TorchBuild:
    """The installed PyTorch.

    Attributes:
        cuda: the CUDA version it was built for, None for a build without CUDA.
        hip: the same for AMD's ROCm.
        architectures: what it holds machine code for, "sm_90" and the like.
        cuda_available: PyTorch's own word; what a device is worth only a computation shows.
    """

    version: str
    cuda: str | None
    hip: str | None
    architectures: tuple[str, ...]
    cuda_available: bool
    cards: tuple[TorchCard, ...]


@dataclass(frozen=True)
class Finding:
    """Something that the user should know.

    Attributes:
        level: "problem" keeps the card from being used; "hint" only slows it down.
    """

    level: Literal["problem", "hint"]
    note: Note


@dataclass(frozen=True)
class Diagnosis:
    """All that was found out without loading a network.

    Attributes:
        measures_likeness: what likeness is measured with is installed.
    """

    build: TorchBuild
    driver: Driver | None
    findings: tuple[Finding, ...]
    measures_likeness: bool = False


def diagnose() -> Diagnosis:
    """Looks at PyTorch, the driver and the optional packages of this machine."""
    driver = read_driver()  # before PyTorch takes memory on the card itself
    build = read_torch_build()
    findings = find_card_problems(build, driver)
    if importlib.util.find_spec("basicsr") is None:
        findings.append(Finding("hint", Note("doctor_no_basicsr")))
    likeness = recognizer_file() is not None
    if not likeness:
        findings.append(Finding("hint", Note("doctor_no_likeness")))
    return Diagnosis(build, driver, tuple(findings), likeness)


def find_card_problems(build: TorchBuild, driver: Driver | None) -> list[Finding]:
    """What follows from build, driver and cards together, the gravest first."""
    return [*_about_the_card(build, driver), *_hints(driver)]


def read_torch_build() -> TorchBuild:
    """What PyTorch says about itself and the cards it sees."""
    import torch

    available = torch.cuda.is_available()
    cards = []
    for number in range(torch.cuda.device_count() if available else 0):
        facts = torch.cuda.get_device_properties(number)
        uuid = getattr(facts, "uuid", None)
        cards.append(
            TorchCard(
                device=f"cuda:{number}",
                name=facts.name,
                uuid=str(uuid) if uuid is not None else None,
                capability=(facts.major, facts.minor),
                memory_bytes=facts.total_memory,
            )
        )
    architectures = tuple(torch.cuda.get_arch_list()) if torch.version.cuda else ()
    return TorchBuild(torch.__version__, torch.version.cuda, torch.version.hip, architectures, available, tuple(cards))


def holds_code_for(architectures: tuple[str, ...], capability: tuple[int, int]) -> bool:
    """Whether a build's code runs on a card.

    Machine code ("sm_86") runs on cards of the same major and the same or a higher minor capability; code that is
    compiled on the card ("compute_90") on any newer card. CUDA C++ Programming Guide, sections on binary and PTX
    compatibility. A letter behind the number binds it to that very capability.
    """
    for architecture in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
        if found is None:
            continue
        kind, built = found.group(1), (int(found.group(2)), int(found.group(3)))
        if found.group(4):
            fits = built == capability
        elif kind == "sm":
            fits = built[0] == capability[0] and built[1] <= capability[1]
        else:
            fits = built <= capability
        if fits:
            return True
    return False


def _about_the_card(build: TorchBuild, driver: Driver | None) -> Iterator[Finding]:
    """Whether the card that the driver lists can be used by the installed PyTorch at all."""
    if build.hip is not None:
        return
    if driver is None:
        if build.cuda is not None and not build.cuda_available:
            yield Finding("hint", Note("doctor_no_driver", {"torch": build.version}))
        return
    names = ", ".join(card.name for card in driver.cards)
    if build.cuda is None:
        yield Finding("problem", Note("doctor_cpu_build", {"torch": build.version, "cards": names}))
        return
    if driver.cuda is not None and driver.cuda[0] < int(build.cuda.split(".")[0]):
        supports = f"{driver.cuda[0]}.{driver.cuda[1]}"
        old: dict[str, object] = {"driver": driver.version, "supports": supports}
        yield Finding("problem", Note("doctor_old_driver", {**old, "torch": build.version, "cuda": build.cuda}))
    elif not build.cuda_available:
        yield Finding("problem", Note("doctor_card_hidden", {"cards": names, "torch": build.version}))
    for seen in build.cards:
        yield from _about_one_card(build, seen, driver)


def _about_one_card(build: TorchBuild, seen: TorchCard, driver: Driver) -> Iterator[Finding]:
    if not holds_code_for(build.architectures, seen.capability):
        capability = f"{seen.capability[0]}.{seen.capability[1]}"
        built = ", ".join(build.architectures)
        values: dict[str, object] = {"card": seen.name, "capability": capability, "built": built}
        yield Finding("problem", Note("doctor_not_built_for", values))
    card = _same_card(seen, driver.cards)
    if card is not None and card.memory_bytes and seen.memory_bytes < MEMORY_SHARE_SEEN * card.memory_bytes:
        memory: dict[str, object] = {"seen": _gib(seen.memory_bytes), "real": _gib(card.memory_bytes)}
        yield Finding("hint", Note("doctor_less_memory", {"card": seen.name, **memory}))


def _same_card(seen: TorchCard, cards: tuple[Card, ...]) -> Card | None:
    """Cards are counted differently by the two, so only the identity counts."""
    return next((card for card in cards if seen.uuid is not None and card.uuid.endswith(seen.uuid)), None)


def _hints(driver: Driver | None) -> Iterator[Finding]:
    """What slows a card down, with the command that mends it."""
    if driver is None:
        return
    for pid, name, used_bytes in driver.programs:
        values: dict[str, object] = {"pid": pid, "name": name, "used": _gib(used_bytes) if used_bytes else "?"}
        yield Finding("hint", Note("doctor_other_program", values))
    for card in driver.cards:
        here: dict[str, object] = {"card": card.name, "index": card.index}
        used, whole = card.memory_used_bytes or 0, card.memory_bytes
        if not driver.programs and whole and used > MEMORY_SHARE_USED * whole:
            yield Finding("hint", Note("doctor_memory_taken", {**here, "used": _gib(used), "whole": _gib(whole)}))
        if card.persistence is False:
            yield Finding("hint", Note("doctor_persistence", here))
        limit, usual = card.power_limit_w, card.default_power_limit_w
        if limit and usual and limit < POWER_SHARE * usual:
            yield Finding("hint", Note("doctor_power", {**here, "limit": f"{limit:.0f}", "usual": f"{usual:.0f}"}))
        clock, usual = card.clock_mhz, card.default_clock_mhz
        if clock and usual and clock < usual:
            yield Finding("hint", Note("doctor_clock", {**here, "clock": f"{clock:.0f}", "usual": f"{usual:.0f}"}))


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f}"
