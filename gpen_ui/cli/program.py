"""The program as a whole: which commands there are, in whose language, and how an error reaches the user."""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from gpen_ui.errors import GpenError
from gpen_ui.texts import Language, pick_language, say

if TYPE_CHECKING:
    import typer

OVERVIEW_FLAGS = ("--help", "--version")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs one command and ends the process with its exit code: 0 done, 1 some failed, 2 usage, 130 stopped.

    No argument, or a flag in the place of the command, means `serve`: whoever starts the program without a wish
    wants the page.
    """
    _make_every_name_printable()
    warnings.filterwarnings("ignore", module="PIL")  # a photo's odd tags are nothing to the terminal
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0].startswith("-") and given[0] not in OVERVIEW_FLAGS):
        given = ["serve", *given]
    language = _language()
    try:
        build_program(language)(args=given, prog_name="gpen-ui")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _report_mistake_of_ours(error, language)
    sys.exit(0)


def build_program(language: Language) -> typer.Typer:
    """The commands with their help texts in one language."""
    import typer

    from gpen_ui.cli import batch, bench, doctor, enhance, models, runs, serve, warmup
    from gpen_ui.cli.usage import spoken_group

    # no rich markup: its tables cut long flags off, and it takes square brackets for styles
    program = typer.Typer(
        cls=spoken_group(language),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    program.callback(help=say("cli.help", language))(_overview(language))
    for command in (enhance, batch, runs, serve, models, doctor, warmup, bench):
        command.add_to(program, language)
    return program


def _overview(language: Language) -> Callable[..., None]:
    """What the program does before any command: nothing but `--version`."""
    import typer

    def show_version(wanted: bool) -> None:
        if wanted:
            from gpen_ui import __version__

            typer.echo(f"gpen-ui {__version__}")
            raise typer.Exit

    def overview(
        version: bool = typer.Option(
            False, "--version", callback=show_version, is_eager=True, help=say("cli.flag.version", language)
        ),
    ) -> None: ...

    return overview


def _language() -> Language:
    """The language to speak. A broken settings file must not keep `--help` from working; commands report it."""
    from gpen_ui.settings import load_settings

    try:
        return load_settings().spoken_language()
    except GpenError:
        return pick_language(os.environ.get("LC_ALL") or os.environ.get("LANG"))


def _make_every_name_printable() -> None:
    """A file name that the terminal's encoding cannot show is shown escaped instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report_mistake_of_ours(error: Exception, language: Language) -> NoReturn:
    from gpen_ui.cli.speech import debugging

    if debugging():
        traceback.print_exception(error)
    else:
        print(say("cli.unexpected", language, kind=type(error).__name__, reason=error), file=sys.stderr)  # noqa: T201
    sys.exit(1)
