"""Tables of options, presets, models and settings, from the tables that the program itself reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docs.site.words import Language, table, word
from gpen_ui.catalog import all_models
from gpen_ui.options import OptionSpec, flag_name, option_specs, spelled
from gpen_ui.presets import BUILT_IN, load_preset
from gpen_ui.settings import ENVIRONMENT_PREFIX, Settings
from gpen_ui.texts import has, say

CHECKOUT = Path(__file__).resolve().parent.parent.parent
IN_A_FILE_ONLY = ("options",)  # a table
READMES = {"en": "README.md", "zh": "README.zh-CN.md"}


def options(language: Language) -> str:
    """One row for each field of `RestoreOptions`, under every name that it has."""
    head = [word(key, language) for key in ("option", "title", "values", "default", "acts_on", "meaning")]
    rows = [
        (
            f"`{spec.name}`<br>`{flag_name(spec)}`",
            spec.title(language),
            _values(spec, language),
            _value(spec, spec.default, language),
            word(spec.acts_on, language),
            _meaning(spec, language),
        )
        for spec in option_specs()
    ]
    return table(head, rows)


def _values(spec: OptionSpec, language: Language) -> str:
    if spec.kind == "bool":
        return f"{word('on', language)}{word('comma', language)}{word('off', language)}"
    if spec.kind == "choice":
        return word("comma", language).join(f"`{spelled(choice)}`" for choice in spec.choices)
    return f"{spec.low:g} {word('to', language)} {spec.high:g}"


def _value(spec: OptionSpec, value: Any, language: Language) -> str:
    if spec.kind == "bool":
        return word("on" if value else "off", language)
    return spelled(value) if spec.kind == "choice" else f"{value:g}"


def _meaning(spec: OptionSpec, language: Language) -> str:
    keys = [f"option.{spec.name}.{end}" for end in ("low", "high")]
    if not all(has(key) for key in keys):
        return spec.help(language)
    low, high = (say(key, language) for key in keys)
    return say("page.parameters.ends", language, help=spec.help(language), low=low, high=high)


def presets(language: Language) -> str:
    """What each preset sets; an empty cell leaves the default."""
    loaded = [load_preset(name) for name in BUILT_IN]
    touched = [spec for spec in option_specs() if any(spec.name in preset.options for preset in loaded)]
    titles = [f"`{preset.name}`<br>{say(f'preset.{preset.name}', language)}" for preset in loaded]
    head = [word("preset", language), *titles]

    rows = [
        (
            spec.title(language),
            *(
                _value(spec, preset.options[spec.name], language)
                if spec.name in preset.options
                else word("as_default", language)
                for preset in loaded
            ),
        )
        for spec in touched
    ]
    return table(
        head,
        [
            *rows,
            (
                word("batch_size", language),
                *(str(preset.batch_size or word("as_default", language)) for preset in loaded),
            ),
        ],
    )


def models(language: Language) -> str:
    """The catalogue with sizes, licences and the places where files come from, in the order in which they are tried."""
    head = [word(key, language) for key in ("name", "title", "file", "size", "checked", "where", "licence")]
    rows = [
        (
            f"`{spec.name}`",
            spec.title(language),
            f"`{spec.file}`",
            f"{spec.bytes / 1e6:.0f} MB" if spec.bytes else word("unknown", language),
            word("yes" if spec.sha256 else "no", language),
            word("comma", language).join(dict.fromkeys(source.split("/")[2] for source in spec.sources))
            or word("embedded", language),
            spec.licence_note(language),
        )
        for spec in all_models().values()
    ]
    return table(head, rows)


def settings(language: Language) -> str:
    """Every setting with its variable; the words are those of the README's table, which a test keeps complete."""
    text = (CHECKOUT / READMES[language]).read_text(encoding="utf-8")
    rows = []
    for names, default, meaning in re.findall(r"^\| (`[a-z_`, 、]+`) \|([^|]*)\|([^|]*)\|$", text, re.MULTILINE):
        named = [name for name in re.findall(r"`(\w+)`", names) if name in Settings.model_fields]
        if named:
            variables = [f"`{ENVIRONMENT_PREFIX}{name.upper()}`" for name in named if name not in IN_A_FILE_ONLY]
            joined = word("comma", language).join(variables) or "–"
            rows.append((names, joined, default.strip(), meaning.strip()))
    return table([word(key, language) for key in ("setting", "variable", "default", "meaning")], rows)
