"""`gpen-ui models`: which networks there are, and getting, importing and checking their files."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen_ui.catalog import ModelSpec, all_models, model_spec
from gpen_ui.cli.progress import shown_progress
from gpen_ui.cli.speech import answer, answer_json, complain, spoken_errors, tell
from gpen_ui.cli.stopping import orderly_stop
from gpen_ui.cli.usage import spoken_command, spoken_group
from gpen_ui.errors import GpenError, Stopped
from gpen_ui.settings import load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.weights import ModelState


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the group of commands, with its help in one language."""
    models = typer.Typer(
        cls=spoken_group(language), no_args_is_help=True, rich_markup_mode=None, help=say("cli.models.help", language)
    )
    program.add_typer(models, name="models")
    _add_list(models, language)
    _add_download(models, language)
    _add_import(models, language)
    _add_verify(models, language)


def _add_list(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command("list", cls=spoken_command(language), help=text("cli.models.list.help"))
    def list_models(as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False) -> None:
        with spoken_errors(language):
            from gpen_ui.weights import model_state

            folder = load_settings().models_folder
            for spec in all_models().values():
                _show(spec, model_state(spec, folder), language, as_json)


def _add_download(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command(cls=spoken_command(language), help=text("cli.models.download.help"))
    def download(
        names: Annotated[list[str], typer.Argument(metavar="NAME", help=text("cli.models.names"))],
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            specs = [model_spec(name) for name in names]
            with orderly_stop(lambda: tell(text("cli.stopping_download"))) as stop:
                good = [_download(spec, stop, language, as_json) for spec in specs]
            raise typer.Exit(int(not all(good)))


def _download(spec: ModelSpec, stop: threading.Event, language: Language, as_json: bool) -> bool:
    """Downloads one network and says so; a failure is told, the next one is still tried.

    Raises:
        Stopped: by the user.
    """
    from gpen_ui.weights import download_model, model_state

    folder = load_settings().models_folder
    tell(f"{spec.title(language)}: {spec.licence_note(language)}")
    try:
        with shown_progress(spec.file, language, hidden=False, is_bytes=True) as advance:
            download_model(spec, folder, on_progress=lambda done, total, _host: advance(done, total), stop=stop)
    except Stopped:
        raise
    except GpenError as error:
        complain(error, language)
        return False
    _show(spec, model_state(spec, folder), language, as_json)
    return True


def _add_import(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command("import", cls=spoken_command(language), help=text("cli.models.import.help"))
    def import_file(
        file: Annotated[Path, typer.Argument(help=text("cli.models.file"))],
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            from gpen_ui.weights import import_model, model_state

            folder = load_settings().models_folder
            spec = import_model(file, folder)
            if spec is not None:
                _show(spec, model_state(spec, folder), language, as_json)
            elif as_json:
                answer_json({"name": None, "file": str(folder / file.name)})
            else:
                answer(text("cli.models.imported_unknown", file=folder / file.name))


def _add_verify(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command(cls=spoken_command(language), help=text("cli.models.verify.help"))
    def verify(
        names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help=text("cli.models.names"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            specs = [model_spec(name) for name in names] if names else list(all_models().values())
            good = [_verify(spec, bool(names), language, as_json) for spec in specs]
            raise typer.Exit(int(not all(good)))


def _verify(spec: ModelSpec, asked_for: bool, language: Language, as_json: bool) -> bool:
    """Reads one file whole; a network that is not here is a failure only when it was asked for by name."""
    from gpen_ui.weights import ModelState, check_model, model_path, model_state, verify_model

    folder = load_settings().models_folder
    if not asked_for and model_state(spec, folder) is ModelState.MISSING:
        return True
    state = verify_model(spec, folder)
    _show(spec, state, language, as_json)
    if state is ModelState.WRONG:
        try:
            check_model(spec, model_path(spec, folder))
        except GpenError as error:
            complain(error, language)
    return state is ModelState.PRESENT


def _show(spec: ModelSpec, state: "ModelState", language: Language, as_json: bool) -> None:
    from gpen_ui.weights import model_path

    path = model_path(spec, load_settings().models_folder)
    if as_json:
        answer_json(
            {
                "name": spec.name,
                "kind": spec.kind,
                "state": str(state),
                "path": str(path),
                "bytes": spec.bytes,
                "sha256": spec.sha256,
                "licence": spec.licence_note(language),
                "sources": list(spec.sources),
                "embedded": spec.embedded,
            }
        )
    else:
        answer(f"{spec.name:<16} {say(f'cli.state.{state}', language):<12} {spec.title(language)}")
        answer(f"{'':<16} {spec.licence_note(language)}")
