"""How this installation runs: folders, device, model, batch size, host. Defaults < file < environment < command line.

The file is `configs/default.toml`, with what was made a default from the page over it, or the one named by
`GPEN_UI_CONFIG` alone; an environment variable is the field's name in capitals behind `GPEN_UI_`, for example
`GPEN_UI_BATCH_SIZE=4`.
"""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gpen_ui.errors import SettingsError, reason_of
from gpen_ui.paths import configs_folder, home_folder, user_folder, write_whole
from gpen_ui.reasons import Reason
from gpen_ui.texts import Language, pick_language

log = logging.getLogger(__name__)
ENVIRONMENT_PREFIX = "GPEN_UI_"
OutputFormat = Literal["same", "png", "jpeg", "webp", "tiff", "avif", "heic"]
OUTPUT_FORMATS: tuple[str, ...] = get_args(OutputFormat)
Metadata = Literal["keep", "no-gps", "none"]
BATCH_SIZE_MOST = 256  # faces
DEVICES = "auto, cpu, cuda, cuda:1, mps, xpu, xpu:1"  # as said to a user; any number may stand behind the colon
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class Settings(BaseModel):
    """The settings of one run of the program.

    Attributes:
        model: a name of the catalogue or the path of a checkpoint.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu".
        batch_size: faces that go through the network together; "auto" is measured on the device.
        output_format: "same" keeps the format of each photo.
        metadata: what goes from a photo into its result: everything, everything but coordinates, or nothing but
            colour profile and resolution.
        ai_note: a restored photo carries a note in its XMP that says so, with model and options.
        keep_time: a result gets the time of its photo's last change.
        suffix: what is added to the name of a result.
        auth: "user:password" for the page; demanded when `host` is not this machine alone.
        allowed_folders: folders on the server that the page may read batches from; None stands for the home folder
            when only this machine is served, else for none.
        language: of the command line; None follows the system's locale.
        api_token: what REST demands of every request; without one REST serves this machine only.
        queue_limit: runs and photos of REST that may wait or be worked on at once; the next one is refused.
        upload_mb, photo_megapixels: the largest file and picture that are accepted.
        submission_mb: the largest sum of the files that are sent to page or REST in one request.
        temporary_mb: what the page's temporary files may take, and likewise the uploads that are kept for runs; the
            oldest go first.
        options: what holds for options that are not given: name -> value. Stands in a file alone, as `[options]`; see
            `gpen_ui.options.salvaged`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "gpen-lite-512"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$")
    batch_size: Literal["auto"] | Annotated[int, Field(ge=1, le=BATCH_SIZE_MOST)] = "auto"
    output_format: OutputFormat = "same"
    metadata: Metadata = "keep"
    ai_note: bool = True
    keep_time: bool = True
    suffix: str = Field("_gpen", pattern=r"^[^/\\\x00-\x1f]*$", max_length=60)
    models_folder: Path = Field(default_factory=lambda: home_folder() / "models")
    outputs_folder: Path = Field(default_factory=lambda: home_folder() / "outputs")
    host: str = "127.0.0.1"
    port: int = Field(7860, ge=0, le=65535)
    auth: str | None = None
    allowed_folders: tuple[Path, ...] | None = None
    language: Language | None = None
    api_token: str | None = Field(None, pattern=r"^[!-~]{16,}$")
    queue_limit: int = Field(64, ge=1, le=1000)
    upload_mb: int = Field(100, ge=1)
    submission_mb: int = Field(2000, ge=1)
    temporary_mb: int = Field(20_000, ge=1)
    photo_megapixels: int = Field(150, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("models_folder", "outputs_folder")
    @classmethod
    def _expand(cls, folder: Path) -> Path:
        return folder.expanduser()

    @property
    def serves_only_this_machine(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    @property
    def readable_folders(self) -> tuple[Path, ...]:
        """Folders from which the page may read batches."""
        if self.allowed_folders is not None:
            return tuple(folder.expanduser().resolve() for folder in self.allowed_folders)
        return (Path.home().resolve(),) if self.serves_only_this_machine else ()

    def spoken_language(self) -> Language:
        """The language for the command line: the setting, else the locale's, else English."""
        if self.language is not None:
            return self.language
        return pick_language(os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG"))


def load_settings(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Puts the settings together.

    Args:
        given: from the command line; None values mean "not given".
        environment: `os.environ` unless a test gives its own.

    Raises:
        SettingsError: a file that cannot be read, an unknown name, or a value outside its range.
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, Any] = _from_file(environment.get(f"{ENVIRONMENT_PREFIX}CONFIG"))
    for name in Settings.model_fields:
        value = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if value is not None and name != "options":  # a table, which only a file holds
            merged[name] = value.split(os.pathsep) if name == "allowed_folders" else value
    merged.update({name: value for name, value in (given or {}).items() if value is not None})
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise _settings_error(error) from error


def with_changes(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings with other values for some.

    Raises:
        SettingsError: as from `load_settings`.
    """
    try:
        return Settings(**{**settings.model_dump(), **given})
    except ValidationError as error:
        raise _settings_error(error) from error


def _settings_error(error: ValidationError) -> SettingsError:
    """What is wrong with the first setting, in a sentence that says what is allowed."""
    first = error.errors()[0]
    name, value = str(first["loc"][0]), first["input"]
    if first["type"] == "extra_forbidden":
        return SettingsError("setting_unknown", name=name, known=", ".join(Settings.model_fields))
    if name == "batch_size":
        return SettingsError("batch_size", value=value)
    if name == "api_token":  # a secret, which no sentence repeats
        return SettingsError("api_token_form")
    if name == "device":
        return SettingsError("option_choice", name=name, value=value, choices=DEVICES)
    if first["type"] == "literal_error":
        choices = str(first["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
        return SettingsError("option_choice", name=name, value=value, choices=choices)
    rules = Settings.model_fields[name].metadata
    bounds = {side: getattr(rule, side) for rule in rules for side in ("ge", "le") if hasattr(rule, side)}
    if len(bounds) == 2:
        return SettingsError("option_range", name=name, value=value, low=bounds["ge"], high=bounds["le"])
    return SettingsError("setting_value", name=name, value=value, reason=Reason(first))


def _from_file(path_text: str | None) -> dict[str, Any]:
    """What the files say: `configs/default.toml` and over it what was kept from the page, or the named file alone."""
    if path_text:
        path = Path(path_text).expanduser()
        if not path.is_file():
            raise SettingsError("settings_file_missing", path=path)
        return _read(path)
    path = configs_folder() / "default.toml"
    return {**(_read(path) if path.is_file() else {}), **_kept()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError("settings_file_broken", path=path, reason=error) from error


# ---- defaults that were set from the page ---------------------------------------------------------------------------

KEPT = ("model", "device", "batch_size", "output_format", "options")  # what the page may set


def kept_file() -> Path:
    """The file with the defaults that were set from the page; missing while nobody did."""
    return user_folder() / "defaults.toml"


def _kept() -> dict[str, Any]:
    """What stands in `kept_file`, less what this version does not allow: no page made that, and nobody should have to
    find the file before the program starts again."""
    path = kept_file()
    if not path.is_file():
        return {}
    try:
        content = _read(path)
    except SettingsError as error:
        log.warning("%s", error)
        return {}
    good = {}
    for name, value in content.items():
        try:
            if name not in KEPT:
                raise SettingsError("setting_unknown", name=name, known=", ".join(KEPT))
            with_changes(Settings(), {name: value})
        except SettingsError as error:
            log.warning("%s: %s", path, error)
        else:
            good[name] = value
    return good


def keep_defaults(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Makes these values the defaults of this installation, from the next start on for every door.

    Args:
        given: values for some of `KEPT`.

    Returns:
        The settings with these values.

    Raises:
        SettingsError: a value outside its range; the file cannot be written; or GPEN_UI_CONFIG names the file that
            holds here, which no page changes.
    """
    _refuse_named_file()
    changed = with_changes(settings, given)
    values = {name: value for name, value in given.items() if name != "options"}
    lines = ["# The defaults of this installation, set from the page.", *toml_lines(values)]
    lines += ["", "[options]", *toml_lines(given.get("options", {}))]
    path = kept_file()
    try:
        write_whole(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise SettingsError("settings_unwritten", path=path, reason=reason_of(error)) from error
    return changed


def forget_defaults() -> None:
    """Back to the defaults of the program and of `configs/default.toml`, from the next start on.

    Raises:
        SettingsError: the file cannot be removed.
    """
    _refuse_named_file()
    try:
        kept_file().unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError("settings_unwritten", path=kept_file(), reason=reason_of(error)) from error


def _refuse_named_file() -> None:
    named = os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
    if named:
        raise SettingsError("settings_named_file", path=named)


def toml_lines(values: Mapping[str, object]) -> list[str]:
    """Texts, numbers and truth values by their name as lines of TOML. JSON's texts are TOML's basic strings."""
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f") for name, value in values.items()
    ]
