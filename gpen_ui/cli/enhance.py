"""`gpen-ui enhance`: restores photos and folders of photos."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen_ui.choices import FaceChoice, read_choices
from gpen_ui.cli.background import BackgroundLines
from gpen_ui.cli.flags import (
    FACE,
    FORMATS,
    PRESETS,
    options_from_flags,
    usual_options,
    with_option_flags,
    with_output_flags,
)
from gpen_ui.cli.inputs import Source, gather_sources
from gpen_ui.cli.progress import shown_progress
from gpen_ui.cli.report import Report, Written
from gpen_ui.cli.speech import spoken_errors, tell
from gpen_ui.cli.stopping import orderly_stop
from gpen_ui.cli.usage import spoken_command
from gpen_ui.errors import GpenError, UsageError
from gpen_ui.options import Preset, RestoreOptions
from gpen_ui.presets import load_preset_or_file
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.engine import Made, Restorer

WAITING_WRITES = 4  # finished pictures in memory that wait for the disk


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    def enhance(
        inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help=text("cli.enhance.inputs"))],
        output: Annotated[Path | None, typer.Option("--output", "-o", help=text("cli.flag.output"))] = None,
        recursive: Annotated[bool, typer.Option("--recursive", "-r", help=text("cli.flag.recursive"))] = False,
        preset: Annotated[str | None, typer.Option(metavar=PRESETS, help=text("cli.flag.preset"))] = None,
        face: Annotated[list[str] | None, typer.Option(metavar=FACE, help=text("cli.flag.face"))] = None,
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        batch_size: Annotated[str | None, typer.Option(help=text("cli.flag.batch_size"))] = None,
        output_format: Annotated[
            str | None, typer.Option("--format", metavar=FORMATS, help=text("cli.flag.format"))
        ] = None,
        suffix: Annotated[str | None, typer.Option(help=text("cli.flag.suffix"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help=text("cli.flag.quiet"))] = False,
        given_options: dict[str, Any] | None = None,
        given_output: dict[str, Any] | None = None,
    ) -> None:
        with spoken_errors(language):
            chosen = load_preset_or_file(preset) if preset is not None else None
            settings = _settings(chosen, output, model, device, batch_size, output_format, suffix, given_output or {})
            options = options_from_flags(given_options or {}, chosen, usual_options(settings, language))
            report = Report(language, as_json=as_json, quiet=quiet)
            _run(
                _Plan(inputs, recursive, settings, options, read_choices(",".join(face or ())), language, silent=quiet),
                report,
            )
            raise typer.Exit(report.tally.exit_code)

    program.command("enhance", cls=spoken_command(language), help=text("cli.enhance.help"))(
        with_option_flags(with_output_flags(enhance, language), language)
    )


@dataclass(frozen=True)
class _Plan:
    inputs: list[Path]
    recursive: bool
    settings: Settings
    options: RestoreOptions
    faces: tuple[FaceChoice, ...]
    language: Language
    silent: bool


def _settings(
    preset: Preset | None,
    output: Path | None,
    model: str | None,
    device: str | None,
    batch_size: str | None,
    output_format: str | None,
    suffix: str | None,
    given_output: dict[str, Any],
) -> Settings:
    """An explicit flag wins over the preset, the preset over the settings."""
    preset_batch_size = preset.batch_size if preset else None
    return load_settings(
        {
            "outputs_folder": output,
            "model": model,
            "device": device,
            "batch_size": batch_size if batch_size is not None else preset_batch_size,
            "output_format": output_format,
            "suffix": suffix,
            **given_output,
        }
    )


def _run(plan: _Plan, report: Report) -> None:
    """Restores everything; every outcome goes to the report, nothing is raised for a single photo."""
    started = time.monotonic()
    outputs_folder = plan.settings.outputs_folder
    sources, barren = gather_sources(plan.inputs, recursive=plan.recursive, outputs_folder=outputs_folder)
    if plan.faces and len(sources) > 1:
        raise UsageError("face_flag_many", count=len(sources))
    for folder, error in barren:
        report.photo(Written(folder, None, None, error))
    device = ""
    with orderly_stop(lambda: tell(say("cli.stopping", plan.language))) as stop:
        if sources:
            from gpen_ui.engine import Chosen, made, output_of

            restorer = _load(plan)
            device = restorer.device_report.device
            told = BackgroundLines(plan.language, silent=plan.silent)
            try:
                photos = [Chosen(source.path, plan.faces) for source in sources]
                encode = partial(made, output=output_of(plan.settings))
                told.beforehand(restorer, plan.options, [source.path for source in sources])
                results = restorer.stream(photos, plan.options, stop=stop, then=encode, watch=told.tile)
                _write_all(plan, report, sources, results)
            finally:
                restorer.close()
        finished = report.tally.done + report.tally.failed - len(barren)
        report.tally.stopped = stop.is_set() and finished < len(sources)
    if report.tally.stopped:
        tell(say("cli.stopped", plan.language, done=finished, total=len(sources)))
    report.run(time.monotonic() - started, device, plan.settings.model)


def _load(plan: _Plan) -> "Restorer":
    from gpen_ui.engine import Restorer

    settings = plan.settings
    restorer = Restorer.load(
        settings.model,
        device=settings.device,
        batch_size=settings.batch_size,
        models_folder=settings.models_folder,
        max_megapixels=settings.photo_megapixels,
    )
    if not plan.silent:
        facts = restorer.device_report
        values = {"model": restorer.model_name, "device": facts.device, "name": facts.name}
        if facts.seconds_per_face is None:
            tell(say("cli.using", plan.language, **values))
        else:
            tell(say("cli.using_timed", plan.language, **values, seconds=f"{facts.seconds_per_face:.3f}"))
        if facts.why is not None:
            tell(facts.why.sentence(plan.language))
    return restorer


def _write_all(plan: _Plan, report: Report, sources: list[Source], results: "Iterable[Made]") -> None:
    title = say("cli.enhance.progress", plan.language)
    with shown_progress(title, plan.language, hidden=plan.silent) as advance:
        advance(0, len(sources))
        for count, written in enumerate(_written(plan.settings, sources, results), 1):
            report.photo(written)
            advance(count, len(sources))


def _written(settings: Settings, sources: list[Source], results: "Iterable[Made]") -> Iterator[Written]:
    """Writes results in a thread while the next ones are made, and gives them in order."""
    with ThreadPoolExecutor(1, "write") as writer:
        waiting: deque[Future[Written]] = deque()
        for source, result in zip(sources, results, strict=False):  # the results end early when the user stops
            waiting.append(writer.submit(_write, settings, source, result))
            while waiting and (waiting[0].done() or len(waiting) > WAITING_WRITES):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write(settings: Settings, source: Source, result: "Made") -> Written:
    from gpen_ui.engine import output_of, save_made

    restored = result.restored
    try:
        folder = settings.outputs_folder / source.subfolder
        saved = save_made(result, folder, name=source.path.name, output=output_of(settings))
    except GpenError as error:
        return Written(source.path, restored, None, error)
    return Written(source.path, replace(restored, notes=restored.notes + saved.notes), saved.path, None)
