"""`gpen-ui bench`: what the network, the stages, the options, batches and long edges cost on this machine."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen_ui.cli.speech import answer, answer_json, spoken_errors, tell
from gpen_ui.cli.stopping import orderly_stop
from gpen_ui.cli.usage import spoken_command
from gpen_ui.errors import UsageError
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.measure.report import Measurements

TO_STDOUT = "-"


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    @program.command(cls=spoken_command(language), help=text("cli.bench.help"))
    def bench(
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        batch_size: Annotated[list[int] | None, typer.Option(help=text("cli.bench.batch_size"))] = None,
        quick: Annotated[bool, typer.Option("--quick", help=text("cli.bench.quick"))] = False,
        json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help=text("cli.bench.json"))] = None,
        plot: Annotated[Path | None, typer.Option(metavar="FILE", help=text("cli.bench.plot"))] = None,
    ) -> None:
        with spoken_errors(language):
            for file in (plot, Path(json_file) if json_file not in (None, TO_STDOUT) else None):
                _check_place(file)
            # the batch sizes are checked as the setting of that name is
            sizes = [load_settings({"batch_size": size}).batch_size for size in batch_size or ()]
            settings = load_settings({"model": model, "device": device})
            measured = _measure(settings, [size for size in sizes if isinstance(size, int)], quick, language)
            if json_file == TO_STDOUT:
                answer_json(measured.record())
            else:
                _show(measured, language)
            if plot is not None:
                from gpen_ui.measure.plot import save_report

                save_report(measured, plot, language)
            if json_file not in (None, TO_STDOUT):
                _write(Path(json_file), json.dumps(measured.record(), indent=2, ensure_ascii=False) + "\n")


def _check_place(file: Path | None) -> None:
    """Minutes of measuring are not to end at a folder that is not there.

    Raises:
        UsageError: the file cannot be written.
    """
    if file is None:
        return
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UsageError("measure_file", path=file, reason=os.strerror(2))
    if file.is_dir():
        raise UsageError("measure_file", path=file, reason=os.strerror(21))
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise UsageError("measure_file", path=file, reason=os.strerror(13))


def _measure(settings: Settings, batch_sizes: list[int], quick: bool, language: Language) -> "Measurements":
    from gpen_ui.engine import Restorer
    from gpen_ui.measure.report import measure_everything
    from gpen_ui.measure.tables import BATCH_SIZES

    with (
        orderly_stop(lambda: tell(say("cli.bench.stopping", language))) as stop,
        Restorer.load(settings.model, device=settings.device, models_folder=settings.models_folder) as restorer,
    ):
        return measure_everything(
            restorer,
            quick=quick,
            batch_sizes=batch_sizes or BATCH_SIZES,
            stop=stop,
            tell=lambda part: tell(say(f"cli.bench.part.{part}", language)),
        )


def _show(measured: "Measurements", language: Language) -> None:
    from gpen_ui.measure.report import tables

    for block in tables(measured, language):
        answer(block + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError("measure_file", path=path, reason=error.strerror or error) from error
