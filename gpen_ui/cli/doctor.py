"""`gpen-ui doctor`: is my card really used, how quick is it, and what to do if not."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gpen_ui import __version__
from gpen_ui.cli.speech import answer, answer_json, spoken_errors
from gpen_ui.cli.usage import spoken_command
from gpen_ui.errors import GpenError
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.engine.device import DeviceInfo
    from gpen_ui.engine.diagnosis import Diagnosis
    from gpen_ui.engine.results import Note

Timings = dict[str, float | GpenError]  # device -> seconds of one face, or why there are none


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    @program.command(cls=spoken_command(language), help=text("cli.doctor.help"))
    def doctor(
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            from gpen_ui.engine import probe_devices
            from gpen_ui.engine.diagnosis import Finding, diagnose

            settings = load_settings({"model": model})
            diagnosis = diagnose()  # before anything is loaded, so that the memory in use is other programs'
            devices = probe_devices()
            tried = {info.device: _time_one_face(settings, info.device) for info in devices if info.trouble is None}
            timings: Timings = {device: timing for device, (timing, _) in tried.items()}
            slower = tuple(Finding("hint", note) for _, note in tried.values() if note is not None)
            diagnosis = replace(diagnosis, findings=diagnosis.findings + slower)
            if as_json:
                answer_json(_record(settings, diagnosis, devices, timings, language))
            else:
                for line in _lines(settings, diagnosis, devices, timings, language):
                    answer(line)
            raise typer.Exit(int(any(finding.level == "problem" for finding in diagnosis.findings)))


def _time_one_face(settings: Settings, device: str) -> "tuple[float | GpenError, Note | None]":
    """Seconds of one face, or why there are none; and why a card computes it without its own kernels."""
    from gpen_ui.engine import Restorer

    try:
        with Restorer.load(settings.model, device=device, models_folder=settings.models_folder) as restorer:
            restorer.warm_up()  # whether the kernels can be compiled shows only now
            return restorer.measure().seconds_per_face or 0.0, restorer.kernel_trouble
    except GpenError as error:
        return error, None


def _lines(
    settings: Settings,
    diagnosis: "Diagnosis",
    devices: "tuple[DeviceInfo, ...]",
    timings: Timings,
    language: Language,
) -> Iterator[str]:
    text = partial(say, language=language)
    build, driver = diagnosis.build, diagnosis.driver
    yield text("cli.doctor.program", version=__version__, python=platform.python_version(), system=platform.platform())
    built_for = f"CUDA {build.cuda}" if build.cuda else f"ROCm {build.hip}" if build.hip else "CPU"
    yield text("cli.doctor.torch", version=build.version, built_for=built_for)
    if build.architectures:
        yield text("cli.doctor.architectures", names=", ".join(build.architectures))
    if driver is None:
        yield text("cli.doctor.no_driver")
    else:
        cuda = ".".join(map(str, driver.cuda)) if driver.cuda else "?"
        yield text("cli.doctor.driver", version=driver.version, cuda=cuda)
        for card in driver.cards:
            capability = ".".join(map(str, card.capability)) if card.capability else "?"
            memory = f"{(card.memory_bytes or 0) / 2**30:.1f}"
            yield text("cli.doctor.card", index=card.index, name=card.name, capability=capability, memory=memory)
    yield text("cli.doctor.devices", model=settings.model)
    for info in devices:
        yield f"  {_device_line(info, timings.get(info.device), language)}"
    if diagnosis.measures_likeness:
        yield text("cli.doctor.likeness")
    yield from _advice(diagnosis, devices, timings, language)


def _device_line(info: "DeviceInfo", timing: float | GpenError | None, language: Language) -> str:
    named = f"{info.device} ({info.name})" if info.name != info.device else info.device
    if info.memory_bytes:
        named += f", {info.memory_bytes / 2**30:.1f} GiB"
    if isinstance(timing, float):
        return say("cli.doctor.works", language, device=named, seconds=f"{timing:.3f}")
    trouble = timing if isinstance(timing, GpenError) else info.trouble
    return say("cli.doctor.fails", language, device=named, reason=trouble.sentence(language) if trouble else "")


def _advice(
    diagnosis: "Diagnosis", devices: "tuple[DeviceInfo, ...]", timings: Timings, language: Language
) -> Iterator[str]:
    working = [info.device for info in devices if isinstance(timings.get(info.device), float)]
    if not working:
        yield say("cli.doctor.nothing_works", language)
    elif working[0] == "cpu":
        yield say("cli.doctor.only_cpu", language)
    else:
        yield say("cli.doctor.card_used", language, device=working[0])
    for finding in diagnosis.findings:
        yield f"{say(f'cli.doctor.{finding.level}', language)} {finding.note.sentence(language)}"


def _record(
    settings: Settings,
    diagnosis: "Diagnosis",
    devices: "tuple[DeviceInfo, ...]",
    timings: Timings,
    language: Language,
) -> dict[str, object]:
    build, driver = diagnosis.build, diagnosis.driver
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "torch": {
            "version": build.version,
            "cuda": build.cuda,
            "hip": build.hip,
            "architectures": list(build.architectures),
            "cuda_available": build.cuda_available,
            "cards": [
                {
                    "device": card.device,
                    "name": card.name,
                    "capability": card.capability,
                    "memory_bytes": card.memory_bytes,
                }
                for card in build.cards
            ],
        },
        "driver": None
        if driver is None
        else {
            "version": driver.version,
            "cuda": driver.cuda,
            "cards": [vars(card) for card in driver.cards],
            "programs": [{"pid": pid, "name": name, "memory_bytes": used} for pid, name, used in driver.programs],
        },
        "model": settings.model,
        "measures_likeness": diagnosis.measures_likeness,
        "devices": [_device_record(info, timings.get(info.device), language) for info in devices],
        "findings": [
            {"level": finding.level, "key": finding.note.key, "sentence": finding.note.sentence(language)}
            for finding in diagnosis.findings
        ],
    }


def _device_record(info: "DeviceInfo", timing: float | GpenError | None, language: Language) -> dict[str, object]:
    trouble = timing if isinstance(timing, GpenError) else info.trouble
    return {
        "device": info.device,
        "name": info.name,
        "memory_bytes": info.memory_bytes,
        "seconds_per_face": timing if isinstance(timing, float) else None,
        "trouble": trouble.sentence(language) if trouble else None,
    }
