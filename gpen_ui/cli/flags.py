"""Command-line flags made from the one table of options, so that page, presets, documents and flags cannot drift."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args

import typer

from gpen_ui.cli.speech import complain
from gpen_ui.errors import OptionError
from gpen_ui.options import (
    OptionSpec,
    Preset,
    RestoreOptions,
    flag_name,
    option_specs,
    parse_options,
    salvaged,
    spelled,
)
from gpen_ui.presets import BUILT_IN
from gpen_ui.settings import OUTPUT_FORMATS, Metadata, Settings
from gpen_ui.texts import Language, has, say

FACE = "FACE=off|on|STRENGTH[@MODEL]"  # of `--face`
FORMATS = "|".join(OUTPUT_FORMATS)  # of `--format`
PRESETS = f"{'|'.join(BUILT_IN)}|NAME|FILE"  # of `--preset`


def with_option_flags(command: Callable[..., None], language: Language) -> Callable[..., None]:
    """Adds one flag per option to a typer command.

    Args:
        command: takes the keyword `given_options`: option name -> what the user typed, None for "not given".
    """
    specs = option_specs()
    own = [
        parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "given_options"
    ]

    @functools.wraps(command)
    def with_flags(**values: Any) -> None:
        given = {spec.name: values.pop(spec.name) for spec in specs}
        command(**values, given_options=given)

    flags = [_flag(spec, language) for spec in specs]
    with_flags.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *flags)}
    return with_flags


def with_output_flags(command: Callable[..., None], language: Language) -> Callable[..., None]:
    """Adds the flags that say what goes into the results' files, which every command that writes photos has.

    Args:
        command: takes the keyword `given_output`: setting's name -> what the user typed, None for "not given".
    """
    own = [
        parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "given_output"
    ]
    kinds: dict[str, Any] = {"metadata": str | None, "ai_note": bool | None, "keep_time": bool | None}
    declared = {
        "metadata": "--metadata",
        "ai_note": "--ai-note/--no-ai-note",
        "keep_time": "--keep-time/--no-keep-time",
    }

    @functools.wraps(command)
    def with_flags(**values: Any) -> None:
        given = {name: values.pop(name) for name in kinds}
        command(**values, given_output=given)

    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(
                None,
                declared[name],
                help=say(f"cli.flag.{name}", language),
                metavar="|".join(get_args(Metadata)) if name == "metadata" else None,
            ),
            annotation=kind,
        )
        for name, kind in kinds.items()
    ]
    # before the flags of the options, which are keyword-only, too
    firm = [parameter for parameter in own if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    loose = [parameter for parameter in own if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    with_flags.__signature__ = inspect.Signature([*firm, *flags, *loose])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in (*firm, *flags, *loose)}
    return with_flags


def options_from_flags(
    given_options: dict[str, Any], preset: Preset | None, usual: RestoreOptions | None = None
) -> RestoreOptions:
    """The options that the user asked for.

    Args:
        usual: the defaults of this installation.

    Raises:
        OptionError: a value outside its range, told in the words of the command line.
    """
    specs = {spec.name: spec for spec in option_specs()}
    values = {name: _typed(specs[name], value) for name, value in given_options.items()}
    try:
        return parse_options(values, preset, usual)
    except OptionError as error:
        raise _in_words_of_the_command_line(error, specs) from error


def usual_options(settings: Settings, language: Language) -> RestoreOptions:
    """The defaults of this installation; what this version does not allow any more is told and left out."""
    usual, dropped = salvaged(settings.options)
    for error in dropped:
        complain(error, language)
    return usual


def _flag(spec: OptionSpec, language: Language) -> inspect.Parameter:
    name = flag_name(spec)
    declared = f"{name}/--no-{name.removeprefix('--')}" if spec.kind == "bool" else name
    kinds: dict[str, Any] = {"int": int | None, "float": float | None, "bool": bool | None, "choice": str | None}
    option = typer.Option(
        None,
        declared,
        help=f"{_help(spec, language)} {say('cli.default', language, value=_shown_default(spec))}",
        metavar=_metavar(spec),
    )
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kinds[spec.kind])


def _help(spec: OptionSpec, language: Language) -> str:
    ends = [say(f"option.{spec.name}.{end}", language) for end in ("low", "high") if has(f"option.{spec.name}.{end}")]
    return f"{spec.help(language)} ({', '.join(ends)})" if ends else spec.help(language)


def _metavar(spec: OptionSpec) -> str | None:
    if spec.kind == "bool":
        return None
    if spec.kind == "choice":
        return "|".join(spelled(choice) for choice in spec.choices)
    return f"{spec.low:g}..{spec.high:g}"


def _shown_default(spec: OptionSpec) -> str:
    if spec.kind == "bool":
        return "on" if spec.default else "off"
    return spelled(spec.default) if spec.kind == "choice" else f"{spec.default:g}"


def _typed(spec: OptionSpec, value: Any) -> Any:
    """The choice behind its spelling; anything else is left for the range check to refuse."""
    if spec.kind != "choice" or value is None:
        return value
    return next((choice for choice in spec.choices if str(value).lower() in (spelled(choice), str(choice))), value)


def _in_words_of_the_command_line(error: OptionError, specs: dict[str, OptionSpec]) -> OptionError:
    spec = specs.get(str(error.values.get("name")))
    if spec is None:
        return error
    values = {**error.values, "name": flag_name(spec)}
    if spec.kind == "choice":
        values["choices"] = ", ".join(spelled(choice) for choice in spec.choices)
    return OptionError(error.key.removeprefix("error."), **values)
