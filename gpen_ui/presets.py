"""Presets: three that come with the program in `configs/presets`, and those that users save in their own folder."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpen_ui.errors import OptionError, UsageError, brief, reason_of
from gpen_ui.options import BatchSize, Preset, parse_options
from gpen_ui.paths import configs_folder, shown, user_folder, write_whole
from gpen_ui.settings import BATCH_SIZE_MOST, toml_lines
from gpen_ui.texts import LANGUAGES, say

BUILT_IN = ("everyday", "high-quality", "low-end")  # in the order of the page
SUFFIX = ".toml"
NAME_LONGEST = 60  # characters
OWN_MOST = 200  # own presets; every door lists them all, and whoever may open the page may save them
FILE_MOST_BYTES = 65_536
LINE_LONGEST = 500  # characters: `a.a.a.a...` in one line takes the reader of TOML the square of its length
FIELDS = ("name", "batch_size", "options")
# Names of devices on Windows, whatever stands behind a dot; a preset's file may be carried there.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]')


def presets_folder() -> Path:
    """Where own presets lie; it exists after the first one was saved."""
    return user_folder() / "presets"


def preset_names() -> tuple[str, ...]:
    """All presets: those of the program in the order of the page, then own ones by name. Reads no file's content."""
    return (*BUILT_IN, *own_preset_names())


def own_preset_names() -> tuple[str, ...]:
    """The presets that were saved by users of this installation."""
    try:
        files = [path for path in presets_folder().iterdir() if path.suffix == SUFFIX and path.is_file()]
    except OSError:
        return ()
    names = [unicodedata.normalize("NFC", path.stem) for path in files]
    return tuple(sorted((name for name in names if is_file_name(name)), key=str.casefold))


def load_preset(name: str) -> Preset:
    """Reads a preset by its name, letters of either case.

    Raises:
        OptionError: no preset of that name, or a wrong value in its file.
    """
    known = {each.casefold(): each for each in preset_names()}
    found = known.get(unicodedata.normalize("NFC", name).strip().casefold())
    if found is None:
        raise OptionError("preset_unknown", name=name[:200], known=", ".join(preset_names()))
    return read_preset(_file(found), found)


def load_preset_or_file(text: str) -> Preset:
    """A preset by its name or by the path of its file, for whoever may read files here: the command line.

    Raises:
        OptionError: as from `load_preset` and `read_preset`.
    """
    looks_like_path = text.lower().endswith(SUFFIX) or any(sign and sign in text for sign in (os.sep, os.altsep))
    return read_preset(Path(text).expanduser()) if looks_like_path else load_preset(text)


def read_preset(path: Path, name: str | None = None) -> Preset:
    """Reads a preset's file.

    Args:
        name: of the preset; None takes the one in the file, else the file's own name.

    Raises:
        OptionError: it is missing, no TOML, or holds a field or value that is not allowed.
    """
    try:
        if path.stat().st_size > FILE_MOST_BYTES:
            raise OptionError("preset_file_long", name=shown(path.name), most=FILE_MOST_BYTES)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise OptionError("preset_file_broken", name=shown(path.name), reason=reason_of(error)) from error
    preset = parse_preset(text, shown(path.name))
    return Preset(name or preset.name, preset.options, preset.batch_size)


def parse_preset(text: str, file_name: str) -> Preset:
    """A preset from the text of a file.

    Args:
        file_name: for the sentences, and the preset's name where the text has none.

    Raises:
        OptionError: what is wrong with it: the field, its value, and what is allowed.
    """
    if any(len(line) > LINE_LONGEST for line in text.split("\n")):
        raise OptionError("preset_line_long", name=file_name, most=LINE_LONGEST)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError("preset_file_broken", name=file_name, reason=error) from error
    if unknown := [field for field in content if field not in FIELDS]:
        raise OptionError("preset_field_unknown", name=file_name, field=unknown[0][:100], known=", ".join(FIELDS))
    options = content.get("options", {})
    if not isinstance(options, dict):
        raise OptionError("preset_options", name=file_name)
    try:
        parse_options(options)
        batch_size = _batch_size(content)
        name = content.get("name", file_name.removesuffix(SUFFIX))
        own = name if name in BUILT_IN else checked_name(name)
    except UsageError as error:
        raise OptionError("preset_value", name=file_name, reason=error) from error
    return Preset(own, dict(options), batch_size)


def save_preset(name: str, options: Mapping[str, Any], batch_size: BatchSize | None, *, overwrite: bool) -> Preset:
    """Keeps a preset under a name in the presets folder; the file appears whole or not at all.

    Raises:
        OptionError: the name cannot be one, or belongs to the program; or it is taken and `overwrite` is False; or a
            value outside its range; or there are `OWN_MOST` already and this would be one more.
        UsageError: the folder cannot be written.
    """
    parse_options(options)
    own = own_name(name)
    before = own_preset_names()
    same = [each for each in before if each.casefold() == own.casefold()]
    if same and not overwrite:
        raise OptionError("preset_taken", name=same[0])
    if not same and len(before) >= OWN_MOST:
        raise OptionError("presets_full", name=own, most=OWN_MOST)
    preset = Preset(own, dict(options), batch_size)
    folder = presets_folder()
    try:
        write_whole(folder / f"{same[0] if same else own}{SUFFIX}", preset_toml(preset))
    except OSError as error:
        raise UsageError("preset_unwritten", folder=shown(folder), reason=reason_of(error)) from error
    return Preset(same[0] if same else own, preset.options, batch_size)


def delete_preset(name: str) -> None:
    """Removes an own preset.

    Raises:
        OptionError: there is none of that name, or it belongs to the program.
        UsageError: the folder cannot be written.
    """
    if name not in own_preset_names():
        raise OptionError("preset_not_own", name=name[:200])
    try:
        _file(name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError("preset_unwritten", folder=shown(presets_folder()), reason=reason_of(error)) from error


def preset_toml(preset: Preset) -> str:
    """The preset as the text of a file that `read_preset` takes, also by hand and on another machine."""
    head: dict[str, object] = {"name": preset.name}
    if preset.batch_size is not None:
        head["batch_size"] = preset.batch_size
    return "\n".join([*toml_lines(head), "", "[options]", *toml_lines(preset.options)]) + "\n"


def own_name(text: object) -> str:
    """A name for an own preset.

    Raises:
        OptionError: as from `checked_name`, or it is a name or title of a preset that comes with the program.
    """
    name = checked_name(text)
    titles = {say(f"preset.{each}", language).casefold() for each in BUILT_IN for language in LANGUAGES}
    if name.casefold() in titles.union(BUILT_IN):
        raise OptionError("preset_of_program", name=name)
    return name


def checked_name(text: object) -> str:
    """A name that can be a file's on every system and cannot lead out of its folder.

    Raises:
        OptionError: what a name may be.
    """
    name = unicodedata.normalize("NFC", text).strip() if isinstance(text, str) else ""
    if not is_file_name(name):
        raise OptionError("preset_name", name=name[:80] if isinstance(text, str) else brief(text), most=NAME_LONGEST)
    return name


def is_file_name(name: str, most: int = NAME_LONGEST) -> bool:
    """Whether a name of at most so many characters can be a file's on every system, and leads nowhere."""
    if not 1 <= len(name) <= most or _NOT_IN_NAMES.search(name) or name != name.strip():
        return False
    return not (name.startswith((".", "-")) or name.endswith(".") or _DEVICES.fullmatch(name))


def _batch_size(content: Mapping[str, Any]) -> BatchSize | None:
    value = content.get("batch_size")
    whole = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= BATCH_SIZE_MOST
    if value is not None and value != "auto" and not whole:
        raise OptionError("batch_size", value=brief(value))
    return value


def _file(name: str) -> Path:
    folder = configs_folder() / "presets" if name in BUILT_IN else presets_folder()
    return folder / f"{name}{SUFFIX}"
