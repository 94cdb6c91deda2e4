"""`gpen-ui warmup`: compiles and measures ahead what would otherwise be done during the first photos."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import time
from functools import partial
from typing import Annotated

import typer

from gpen_ui.cli.speech import answer, answer_json, spoken_errors
from gpen_ui.cli.usage import spoken_command
from gpen_ui.settings import load_settings
from gpen_ui.texts import Language, say


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    @program.command(cls=spoken_command(language), help=text("cli.warmup.help"))
    def warmup(
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            from gpen_ui.engine import Restorer

            settings = load_settings({"model": model, "device": device})
            start = time.perf_counter()
            with Restorer.load(
                settings.model, device=settings.device, models_folder=settings.models_folder
            ) as restorer:
                curve = restorer.tune()
                report, trouble = restorer.device_report, restorer.kernel_trouble
            seconds = time.perf_counter() - start
            if as_json:
                answer_json(
                    {
                        "model": settings.model,
                        "device": report.device,
                        "device_name": report.name,
                        "precision": report.precision,
                        "seconds": round(seconds, 1),
                        "batch_size": curve.knee,
                        "samples": [vars(sample) for sample in curve.samples],
                        "out_of_memory_at": curve.out_of_memory_at,
                        "kernel_trouble": trouble.sentence(language) if trouble else None,
                    }
                )
                return
            for sample in curve.samples:
                key = "cli.warmup.line" if sample.memory_bytes is None else "cli.warmup.line_memory"
                memory = round((sample.memory_bytes or 0) / 2**20)
                answer(text(key, faces=sample.faces, ms=f"{1000 * sample.seconds_per_face:.1f}", memory=memory))
            if curve.out_of_memory_at is not None:
                answer(text("cli.warmup.no_room", faces=curve.out_of_memory_at))
            if trouble is not None:
                answer(trouble.sentence(language))
            answer(text("cli.warmup.ready", device=report.name, batch_size=curve.knee, seconds=f"{seconds:.0f}"))
