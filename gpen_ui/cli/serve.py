"""`gpen-ui serve`: the page."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gpen_ui.cli.flags import FORMATS, with_output_flags
from gpen_ui.cli.speech import answer, spoken_errors, tell
from gpen_ui.cli.usage import spoken_command
from gpen_ui.settings import load_settings
from gpen_ui.texts import Language, say


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the command, with its help in one language."""
    text = partial(say, language=language)

    def serve(
        host: Annotated[str | None, typer.Option(help=text("cli.flag.host"))] = None,
        port: Annotated[int | None, typer.Option(help=text("cli.flag.port"))] = None,
        auth: Annotated[str | None, typer.Option(metavar="USER:PASSWORD", help=text("cli.flag.auth"))] = None,
        api_token: Annotated[str | None, typer.Option(metavar="TOKEN", help=text("cli.flag.api_token"))] = None,
        model: Annotated[str | None, typer.Option(help=text("cli.flag.model"))] = None,
        device: Annotated[str | None, typer.Option(help=text("cli.flag.device"))] = None,
        batch_size: Annotated[int | None, typer.Option(help=text("cli.flag.batch_size"))] = None,
        output: Annotated[Path | None, typer.Option("--output", "-o", help=text("cli.flag.output"))] = None,
        output_format: Annotated[
            str | None, typer.Option("--format", metavar=FORMATS, help=text("cli.flag.format"))
        ] = None,
        allowed_folder: Annotated[list[Path] | None, typer.Option(help=text("cli.flag.allowed_folder"))] = None,
        spoken: Annotated[
            str | None, typer.Option("--language", metavar="en|zh", help=text("cli.flag.language"))
        ] = None,
        given_output: dict[str, Any] | None = None,
    ) -> None:
        with spoken_errors(language):
            settings = load_settings(
                {
                    "host": host,
                    "port": port,
                    "auth": auth,
                    "api_token": api_token,
                    "model": model,
                    "device": device,
                    "batch_size": batch_size,
                    "outputs_folder": output,
                    "output_format": output_format,
                    "allowed_folders": tuple(allowed_folder) if allowed_folder else None,
                    "language": spoken,
                    **(given_output or {}),
                }
            )
            heard = settings.spoken_language()
            tell(say("cli.serve.starting", heard))
            from gpen_ui.ui import serve as serve_page

            serve_page(settings, on_ready=lambda url: answer(_ready(url, heard)))

    program.command("serve", cls=spoken_command(language), help=text("cli.serve.help"))(
        with_output_flags(serve, language)
    )


def _ready(url: str, language: Language) -> str:
    """Where the page is. The address that stands for all of this machine's is none that a browser can open."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        if everywhere in url:
            return say("cli.serve.ready_all", language, url=url.replace(everywhere, "//127.0.0.1:"))
    return say("cli.serve.ready", language, url=url)
