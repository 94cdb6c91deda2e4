"""`gpen-ui models`: which networks there are, and getting, importing and checking their files."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen_ui.catalog import ModelSpec, all_models, model_spec
from gpen_ui.cli.progress import shown_progress
from gpen_ui.cli.speech import answer, answer_json, complain, spoken_errors, tell
from gpen_ui.cli.stopping import orderly_stop
from gpen_ui.errors import GpenError
from gpen_ui.settings import load_settings
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from gpen_ui.weights import ModelState


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the group of commands, with its help in one language."""
    models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=say("cli.models.help", language))
    program.add_typer(models, name="models")
    _add_list(models, language)
    _add_download(models, language)
    _add_import(models, language)
    _add_verify(models, language)


def _add_list(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command("list", help=text("cli.models.list.help"))
    def list_models(as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False) -> None:
        with spoken_errors(language):
            from gpen_ui.weights import model_state

            folder = load_settings().models_folder
            for spec in all_models().values():
                _show(spec, model_state(spec, folder), language, as_json)


def _add_download(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command(help=text("cli.models.download.help"))
    def download(
        names: Annotated[list[str], typer.Argument(metavar="NAME", help=text("cli.models.names"))],
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            specs = [model_spec(name) for name in names]
            failed = False
            with orderly_stop(lambda: tell(text("cli.stopping_download"))) as stop:
                for spec in specs:
                    failed |= not _download(spec, stop, language, as_json)
                    if stop.is_set():
                        raise typer.Exit(130)
            raise typer.Exit(int(failed))


def _add_import(models: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @models.command("import", help=text("cli.models.import.help"))
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

    @models.command(help=text("cli.models.verify.help"))
    def verify(
        names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help=text("cli.models.names"))] = None,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language):
            from gpen_ui.weights import model_state, verify_model

            folder = load_settings().models_folder
            failed = False
            for spec in [model_spec(name) for name in names] if names else all_models().values():
                if not names and model_state(spec, folder) == "missing":
                    continue
                state = verify_model(spec, folder)
                failed |= state in ("broken", "missing")
                _show(spec, state, language, as_json)
            raise typer.Exit(int(failed))
