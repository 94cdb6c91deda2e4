"""How the commands speak: results on stdout, everything else on stderr, errors as one sentence with an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from gpen_ui.errors import GpenError
from gpen_ui.texts import Language

DEBUG_VARIABLE = "GPEN_UI_DEBUG"


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


@contextmanager
def spoken_errors(language: Language) -> Iterator[None]:
    """Turns an error of ours into its sentence on stderr and its exit code."""
    try:
        yield
    except GpenError as error:
        if debugging():
            traceback.print_exception(error)
        complain(error, language)
        raise typer.Exit(error.exit_code) from error


def complain(error: GpenError, language: Language, about: str | None = None) -> None:
    """Writes one error to stderr, behind the name that it is about when its own sentence does not carry it."""
    sentence = error.sentence(language)
    tell(f"{about}: {sentence}" if about and about not in sentence else sentence)


def tell(line: str) -> None:
    """A line for the user that is not a result."""
    typer.echo(line, err=True)


def answer(line: str) -> None:
    """A line of the result."""
    typer.echo(line)


def answer_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line, in UTF-8 as JSON demands where the terminal allows it."""
    plain = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") != "utf8"
    # a name that is not valid Unicode goes out as the escape of its lone surrogate, which JSON allows
    text = json.dumps(value, ensure_ascii=plain, default=str)
    typer.echo(text if plain else text.encode("utf-8", "backslashreplace").decode("utf-8"))
