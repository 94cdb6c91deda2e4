"""`gpen-ui bench`: how long one face takes in the network, at several batch sizes, on this machine."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gpen_ui.cli.speech import answer, answer_json, spoken_errors, tell
from gpen_ui.options import RestoreOptions
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer

BATCH_SIZES = (1, 2, 4, 8)
ROUNDS = 2  # batches timed at each size; the quicker one counts, the other had to share the machine


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    @program.command(help=text("cli.bench.help"))
    def bench(
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        batch_size: Annotated[list[int] | None, typer.Option(help=text("cli.bench.batch_size"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            for size in batch_size or BATCH_SIZES:
                settings = load_settings({"model": model, "device": device, "batch_size": size})
                used = _time_batch(settings, size, language, as_json)
                if used == "cpu" and not batch_size:
                    tell(text("cli.bench.cpu"))
                    break


def _time_batch(settings: Settings, size: int, language: Language, as_json: bool) -> str:
    """Times one batch size, answers with the result and returns the device."""
    from gpen_ui.engine import Restorer

    with Restorer.load(
        settings.model, device=settings.device, batch_size=size, models_folder=settings.models_folder
    ) as restorer:
        _network_seconds(restorer, size)  # warms the device up at this size
        ms = 1000 / size * min(_network_seconds(restorer, size) for _ in range(ROUNDS))
        name, fitted = restorer.device_report.name, restorer.batch_size == size
        device = restorer.device_report.device
    values = {"batch_size": size, "ms_per_face": round(ms, 2), "device": name}
    if as_json:
        answer_json({**values, "model": settings.model, "fits": fitted})
    else:
        answer(say("cli.bench.line" if fitted else "cli.bench.too_large", language, **values))
    return device


def _network_seconds(restorer: "Restorer", faces: int) -> float:
    """Time that a batch of grey faces spends in the network; what a face shows does not change the time."""
    import numpy as np

    from gpen_ui.photo import photo_from_pixels

    grey = photo_from_pixels(np.full((restorer.size_px, restorer.size_px, 3), 127, np.uint8))
    done = restorer.restore_many([grey] * faces, RestoreOptions(aligned=True))
    return sum(restored.seconds.get("network", 0.0) for restored in done)
