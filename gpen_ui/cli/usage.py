"""What is wrong with a command as it was typed, in the user's language: typer says it in English alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from gpen_ui.cli.speech import tell
from gpen_ui.errors import UsageError
from gpen_ui.texts import Language, say

_TYPERS_WORDS = (
    (r"^Usage:", "cli.usage.usage"),
    (r"^Options:$", "cli.usage.options"),
    (r"^Arguments:$", "cli.usage.arguments"),
    (r"^Commands:$", "cli.usage.commands"),
    (r"Show this message and exit\.", "cli.usage.show"),
    (r"\[required\]", "cli.usage.required"),
    (r"\[OPTIONS\]", "cli.usage.options_place"),
    (r"COMMAND \[ARGS\]\.\.\.", "cli.usage.command_place"),
)
KINDS = (("integer", "whole"), ("float", "number"), ("number", "number"), ("bool", "truth"), ("path", "path"))


def spoken_group(language: Language) -> type[TyperGroup]:
    """The class of the program's outermost group, whose usage errors speak this language."""

    class Spoken(TyperGroup):
        def get_help(self, ctx: Any) -> str:
            return _in_language(super().get_help(ctx), language)

        def main(
            self,
            args: Sequence[str] | None = None,
            prog_name: str | None = None,
            complete_var: str | None = None,
            standalone_mode: bool = True,
            windows_expand_args: bool = True,
            **extra: Any,
        ) -> Any:
            try:
                code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
            except Exception as error:
                if not standalone_mode or not _is_usage_error(error):
                    raise
                _complain(error, sys.argv[1:] if args is None else args, language)
                sys.exit(2)
            if standalone_mode:
                sys.exit(code if isinstance(code, int) else 0)
            return code

    return Spoken


def spoken_command(language: Language) -> type[TyperCommand]:
    """The class of a command whose help speaks this language, typer's own words included."""

    class Spoken(TyperCommand):
        def get_help(self, ctx: Any) -> str:
            return _in_language(super().get_help(ctx), language)

    return Spoken


def _in_language(help_text: str, language: Language) -> str:
    """The help with typer's own words in the user's language; the rest of it comes from our texts."""
    for english, key in _TYPERS_WORDS:
        help_text = re.sub(english, say(key, language), help_text, flags=re.MULTILINE)
    return help_text


def _is_usage_error(error: Exception) -> bool:
    """Whether it is one of click's, which typer has taken into itself in 0.20: judged by what it has."""
    return getattr(error, "exit_code", None) == 2 and hasattr(error, "format_message") and hasattr(error, "ctx")


def _complain(error: Any, typed: Sequence[str], language: Language) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, which is in the user's language
        tell(error.format_message())
        return
    tell(usage_error(error, typed).sentence(language))
    if error.ctx is not None:
        tell(say("cli.usage.help", language, command=error.ctx.command_path))


def usage_error(error: Any, typed: Sequence[str]) -> UsageError:
    """The error of ours for one of typer's.

    Args:
        typed: the words of the command.
    """
    said = str(error.format_message())
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption":
        similar = ", ".join(sorted(error.possibilities or ()))
        return UsageError("cli_option_similar" if similar else "cli_option_unknown", name=option, similar=similar)
    if option is not None:  # click's BadOptionUsage
        takes_none = "does not take" in said
        return UsageError("cli_option_bare" if takes_none else "cli_option_empty", name=option)
    parameter = getattr(error, "param", None)
    if parameter is not None:
        name = _named(parameter)
        if type(error).__name__ == "MissingParameter":
            return UsageError("cli_missing", name=name)
        return UsageError(f"cli_value_{_kind(said)}", name=name, value=_value(name, typed, said))
    if found := re.search(r"No such command '(.*)'", said):
        known = ", ".join(getattr(error.ctx.command, "commands", {})) if error.ctx is not None else ""
        return UsageError("cli_command_unknown", name=found[1], known=known)
    if found := re.search(r"unexpected extra argument.*\(([^()]*)\)", said):
        return UsageError("cli_too_many", name=found[1])
    return UsageError("cli_usage", reason=said.rstrip("."))


def _named(parameter: Any) -> str:
    """A flag as it is typed, or an argument as the help names it."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.human_readable_name)
    return str(max(parameter.opts, key=len))


def _kind(said: str) -> str:
    return next((kind for word, kind in KINDS if word in said), "other")


def _value(name: str, typed: Sequence[str], said: str) -> str:
    """The value that does not fit: what stands behind its flag."""
    for place, word in enumerate(typed):
        if word == name and place + 1 < len(typed):
            return typed[place + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    found = re.search(r"'([^']*)' is not", said)
    return found[1] if found else "?"
