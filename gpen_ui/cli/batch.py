"""`gpen-ui batch`: folders of photos as a run that is kept on disk, and goes on where it was after anything."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen_ui.cli.batch_view import BatchView, show_plan
from gpen_ui.cli.flags import FORMATS, PRESETS, options_from_flags, usual_options, with_option_flags, with_output_flags
from gpen_ui.cli.speech import spoken_errors, tell
from gpen_ui.cli.stopping import orderly_stop
from gpen_ui.cli.usage import spoken_command
from gpen_ui.errors import UsageError
from gpen_ui.options import Preset, RestoreOptions
from gpen_ui.paths import findable
from gpen_ui.presets import load_preset_or_file
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:  # jobs brings numpy and Pillow, which must not slow `--help` down
    from gpen_ui.engine import Restorer
    from gpen_ui.jobs import Plan, RunRecord, Runs, RunSettings

LISTEN_S = 0.2  # how often events and Ctrl-C are looked at
ENGINES = ("local", "ray")
RAY_MOST = 1024  # actors, and cores of each


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    def batch(
        inputs: Annotated[
            list[Path] | None, typer.Argument(metavar="[INPUT]...", help=text("cli.batch.inputs"))
        ] = None,
        output: Annotated[Path | None, typer.Option("--output", "-o", help=text("cli.flag.output"))] = None,
        resume: Annotated[bool, typer.Option("--resume", help=text("cli.batch.resume"))] = False,
        retry_failed: Annotated[bool, typer.Option("--retry-failed", help=text("cli.batch.retry_failed"))] = False,
        recursive: Annotated[bool, typer.Option("--recursive", "-r", help=text("cli.flag.recursive"))] = False,
        watch: Annotated[bool, typer.Option("--watch", help=text("cli.batch.watch"))] = False,
        stable: Annotated[float | None, typer.Option(metavar="SECONDS", help=text("cli.batch.stable"))] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help=text("cli.batch.dry_run"))] = False,
        again: Annotated[bool, typer.Option("--again", help=text("cli.batch.again"))] = False,
        engine: Annotated[str | None, typer.Option(metavar="|".join(ENGINES), help=text("cli.batch.engine"))] = None,
        ray_address: Annotated[str | None, typer.Option(metavar="ADDRESS", help=text("cli.batch.ray_address"))] = None,
        ray_actors: Annotated[int | None, typer.Option(metavar="N", help=text("cli.batch.ray_actors"))] = None,
        ray_cores: Annotated[int | None, typer.Option(metavar="N", help=text("cli.batch.ray_cores"))] = None,
        preset: Annotated[str | None, typer.Option(metavar=PRESETS, help=text("cli.flag.preset"))] = None,
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        batch_size: Annotated[str | None, typer.Option(help=text("cli.flag.batch_size"))] = None,
        output_format: Annotated[
            str | None, typer.Option("--format", metavar=FORMATS, help=text("cli.flag.format"))
        ] = None,
        suffix: Annotated[str | None, typer.Option(help=text("cli.flag.suffix"))] = None,
        template: Annotated[
            str | None, typer.Option("--name", metavar="TEMPLATE", help=text("cli.batch.template"))
        ] = None,
        time_limit: Annotated[float | None, typer.Option(metavar="SECONDS", help=text("cli.batch.time_limit"))] = None,
        reserve: Annotated[int | None, typer.Option(metavar="MB", help=text("cli.batch.reserve"))] = None,
        keep_crops: Annotated[
            bool | None, typer.Option("--keep-crops/--no-keep-crops", help=text("cli.batch.keep_crops"))
        ] = None,
        crops_mb: Annotated[int | None, typer.Option(metavar="MB", help=text("cli.batch.crops_mb"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help=text("cli.flag.quiet"))] = False,
        given_options: dict[str, Any] | None = None,
        given_output: dict[str, Any] | None = None,
    ) -> None:
        with spoken_errors(language):
            chosen = load_preset_or_file(preset) if preset is not None else None
            _check_engine(engine, {"--ray-actors": ray_actors, "--ray-cores": ray_cores})
            flags = {
                "engine": engine,
                "ray_address": ray_address,
                "ray_actors": ray_actors,
                "ray_cores": ray_cores,
                "model": model,
                "device": device,
                "batch_size": batch_size if batch_size is not None or chosen is None else chosen.batch_size,
                "output_format": output_format,
                "suffix": suffix,
                **(given_output or {}),
                "template": template,
                "time_limit_s": time_limit,
                "reserve_mb": reserve,
                "keep_crops": keep_crops,
                "crops_mb": crops_mb,
                "stable_s": stable,
                # switches that are not given leave a resumed run as it was
                "recursive": recursive or None,
                "watch": watch or None,
                "again": again or None,
            }
            asked = _Asked(
                inputs or [], output, resume, retry_failed, dry_run, chosen, given_options or {}, flags, language
            )
            raise typer.Exit(_batch(asked, BatchView(language, as_json=as_json, quiet=quiet), language))

    program.command("batch", cls=spoken_command(language), help=text("cli.batch.help"))(
        with_option_flags(with_output_flags(batch, language), language)
    )


@dataclass(frozen=True)
class _Asked:
    """What the user typed; None in `flags` and `options` means "not given"."""

    inputs: list[Path]
    output: Path | None
    resume: bool
    retry_failed: bool
    dry_run: bool
    preset: Preset | None
    options: dict[str, Any]
    flags: dict[str, Any]
    language: Language

    @property
    def goes_on(self) -> bool:
        return self.resume or self.retry_failed


def _check_engine(engine: str | None, numbers: dict[str, int | None]) -> None:
    """Sees before anything is made that the engine is one, is installed, and is asked for possible numbers."""
    if engine is not None and engine not in ENGINES:
        raise UsageError("option_choice", name="--engine", value=engine, choices=", ".join(ENGINES))
    for name, number in numbers.items():
        if number is not None and not 1 <= number <= RAY_MOST:
            raise UsageError("option_range", name=name, value=number, low=1, high=RAY_MOST)
    if engine == "ray":
        from gpen_ui.jobs.cluster import require_ray

        require_ray()


def _batch(asked: _Asked, view: BatchView, language: Language) -> int:
    """Does what was asked; the exit code."""
    settings = _settings(asked)
    if asked.dry_run:
        show_plan(_plan(asked, settings, _known_results(settings)), view)
        return 0
    from gpen_ui.jobs import Runs, RunStore

    store = RunStore.open(load_settings().outputs_folder)
    try:
        if store.why is not None and not view.quiet:
            tell(store.why.sentence(language))
        runs = Runs(store, _Engine(view, language))
        code = _run(asked, settings, runs, view)
        if runs.hangs:  # threads that never come back would keep the process
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code
    finally:
        store.close()


def _run(asked: _Asked, settings: Settings, runs: "Runs", view: BatchView) -> int:
    run = _run_to_go_on_with(asked, settings, runs)
    with orderly_stop(view.stopping) as stop:
        if run is None:
            plan = _plan(asked, settings, runs.store.ledger.is_result)
            if not plan.photos and not plan.settings.watch:
                raise UsageError("run_no_photos", ignored=len(plan.ignored))
            run = runs.run(runs.create(plan))
            after = 0
            view.begins(run, len(plan.photos), len(plan.ignored))
            runs.start(run.id)
        else:
            after = runs.store.last_event(run.id)
            view.goes_on(run)
            changed = _changed_options(asked, run), _changed_settings(asked, run)
            if asked.retry_failed:
                runs.store.change(run.id, *changed)
                runs.retry_failed(run.id)
            else:
                runs.resume(run.id, options=changed[0], settings=changed[1])
        _look_on(runs, run, after, stop, view)
    return view.ends(runs, runs.run(run.id), stopped=stop.is_set())


def _look_on(runs: "Runs", run: "RunRecord", after: int, stop: threading.Event, view: BatchView) -> None:
    """Shows what happens until the work ends; the first Ctrl-C pauses the run."""
    asked_to_pause = False
    with view.progress(runs, run) as show:
        while True:
            ended = runs.wait(run.id, LISTEN_S)
            if stop.is_set() and not asked_to_pause:
                asked_to_pause = True
                runs.pause(run.id)
            while events := runs.events(run.id, after):
                after = events[-1].seq
                for event in events:
                    view.event(runs, event)
            show()
            if ended:
                return


def _run_to_go_on_with(asked: _Asked, settings: Settings, runs: "Runs") -> "RunRecord | None":
    """The run that --resume or --retry-failed means; None for a new one.

    It is the one that was named, the latest one with these inputs and this output folder, or the latest of all.
    """
    if not asked.goes_on:
        return None
    if not asked.inputs:
        latest = runs.runs(1)
        if not latest:
            raise UsageError("run_resume_nothing")
        return latest[0]
    if len(asked.inputs) == 1 and not asked.inputs[0].exists() and asked.inputs[0].name == str(asked.inputs[0]):
        return runs.run(str(asked.inputs[0]))
    return runs.latest_of(_plan(asked, settings, lambda path: False))


def _plan(asked: _Asked, settings: Settings, is_result: Any) -> "Plan":
    from gpen_ui.jobs import plan_run

    options = options_from_flags(asked.options, asked.preset, usual_options(settings, asked.language))
    output = asked.output or settings.outputs_folder
    return plan_run(asked.inputs, output, options, _run_settings(asked, settings), is_result=is_result)


def _known_results(settings: Settings) -> Any:
    """Tells results of earlier runs, without making a store where there is none: a plan changes nothing."""
    from gpen_ui.jobs.database import FILE_NAME
    from gpen_ui.jobs.location import HIDDEN_FOLDER

    if not (settings.outputs_folder / HIDDEN_FOLDER / FILE_NAME).is_file():
        return lambda path: False
    from gpen_ui.jobs import RunStore

    return RunStore.open(settings.outputs_folder).ledger.is_result


def _settings(asked: _Asked) -> Settings:
    names = ("model", "device", "batch_size", "output_format", "suffix", "metadata", "ai_note", "keep_time")
    return load_settings({name: asked.flags[name] for name in names})


def _run_settings(asked: _Asked, settings: Settings) -> "RunSettings":
    from gpen_ui.jobs import run_settings_of

    given = {name: value for name, value in _given(asked).items() if name not in Settings.model_fields}
    return run_settings_of(settings, model=findable(settings.model), **given)


def _changed_settings(asked: _Asked, run: "RunRecord") -> "RunSettings":
    from gpen_ui.jobs.names import check_template

    changed = replace(run.settings, **_given(asked))
    check_template(changed.template)
    return changed


def _changed_options(asked: _Asked, run: "RunRecord") -> RestoreOptions | None:
    """The run's options with what was given now; None when nothing was."""
    if asked.preset is None and all(value is None for value in asked.options.values()):
        return None
    preset = asked.preset or Preset("", {})
    return options_from_flags(asked.options, replace(preset, options={**run.options.model_dump(), **preset.options}))


def _given(asked: _Asked) -> dict[str, Any]:
    given = {name: value for name, value in asked.flags.items() if value is not None}
    if "model" in given:
        given["model"] = findable(given["model"])
    return given


class _Engine:
    """Loads the restorer at the first turn and keeps it for the next ones: this process has one run only."""

    def __init__(self, view: BatchView, language: Language) -> None:
        self._view = view
        self._language = language
        self._restorer: Restorer | None = None

    @contextmanager
    def __call__(self, run: "RunRecord", stop: threading.Event) -> Iterator["Restorer"]:
        if self._restorer is None:
            from gpen_ui.engine import Restorer

            settings = load_settings()
            self._restorer = Restorer.load(
                run.settings.model,
                device=run.settings.device,
                batch_size=run.settings.batch_size,
                models_folder=settings.models_folder,
                max_megapixels=settings.photo_megapixels,
            )
            self._view.uses(self._restorer, run.options)
        yield self._restorer
