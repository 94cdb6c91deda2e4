"""Every sentence that a person reads, by key, in English and Chinese.

The tables are the TOML files beside this one; each key holds both languages, so that a translation cannot be
forgotten. Keys look like `error.photo_unreadable`; the part before the first dot is not tied to the file's name.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from gpen_ui.texts.numbers import Writer

Language = Literal["en", "zh"]


@runtime_checkable
class Spoken(Protocol):
    """Something with a sentence for the user: errors and notes."""

    def sentence(self, language: Language) -> str:
        """The sentence in that language."""
        ...


LANGUAGES: tuple[Language, ...] = get_args(Language)
_WRITER = Writer()


def say(key: str, language: Language = "en", **values: object) -> str:
    """The text for a key, with `{name}` places filled in; see `gpen_ui.texts.numbers` for `{count:face|faces}`.

    A value that can speak for itself (an error or a note inside a sentence) does so in the same language.

    Raises:
        KeyError: no such key, or a place without a value; both are mistakes of ours that a test catches.
    """
    spoken = {name: value.sentence(language) if isinstance(value, Spoken) else value for name, value in values.items()}
    return _WRITER.vformat(table()[key][language], (), spoken)


def has(key: str) -> bool:
    """Whether the table knows this key."""
    return key in table()


def pick_language(accept_language: str | None) -> Language:
    """The language of a browser's Accept-Language header or a locale name such as `zh_CN.UTF-8`."""
    wishes = []
    for place, part in enumerate((accept_language or "").replace("_", "-").split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), place, name.lower()))
        except ValueError:
            continue
    for _, _, name in sorted(wishes):
        for language in LANGUAGES:
            if name == language or name.startswith(f"{language}-"):
                return language
    return "en"


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, str]]:
    """All texts: key -> language -> text. Read at the first use."""
    texts: dict[str, dict[str, str]] = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            _collect(tomllib.loads(file.read_text(encoding="utf-8")), "", texts)
    return texts


def _collect(branch: dict[str, Any], prefix: str, into: dict[str, dict[str, str]]) -> None:
    texts = {name: value for name, value in branch.items() if isinstance(value, str)}
    if texts:
        into[prefix] = texts
    for name, value in branch.items():
        if isinstance(value, dict):
            _collect(value, f"{prefix}.{name}" if prefix else name, into)
