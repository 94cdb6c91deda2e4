"""The reference of the command line, from the program's own commands in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docs.site.words import Language, table, word
from gpen_ui.cli.program import build_program

PROGRAM = "gpen-ui"
VALUES = {"str": " TEXT", "int": " N", "float": " N", "path": " PATH"}  # typer's own words are those of Python


def reference(language: Language) -> str:
    """One section a command: what it does, how it is typed, and a table of its arguments and flags."""
    from typer.main import get_command

    program = get_command(build_program(language))
    return "\n\n".join(_section(names, command, language) for names, command in walk(program))


def walk(group: Any, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the names that lead to it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, *before, name)
        else:
            yield (*before, name), command


def _section(names: tuple[str, ...], command: Any, language: Language) -> str:
    context = command.context_class(command, info_name=" ".join((PROGRAM, *names)))
    _, _, usage = command.get_usage(context).partition(": ")
    parts = [f"## {' '.join(names)}", (command.help or "").strip(), f"```\n{' '.join(usage.split())}\n```"]
    records = [(each, each.get_help_record(context)) for each in command.params]
    rows = [_row(record, language) for each, record in records if record and each.name != "help"]
    if rows:
        parts.append(table((word("flag", language), word("meaning", language)), rows))
    return "\n\n".join(parts)


def _row(record: tuple[str, str], language: Language) -> tuple[str, str]:
    """Flag and meaning; kinds of values by the words of the help instead of Python's."""
    typed = re.sub(r" <(\w+)[^>]*>", lambda found: VALUES.get(found[1].lower(), ""), record[0])
    return f"`{typed}`", record[1].replace("[required]", word("required_flag", language))
