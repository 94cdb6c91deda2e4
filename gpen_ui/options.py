"""What a user asks of a restoration: frozen, range-checked, and the one table for page, command line, REST and docs.

A field carries its default, range and the room it acts on; its name, help and the words at both ends of its slider
stand in the texts under `option.<field>`. Add a field here and every door shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpen_ui.errors import OptionError, brief
from gpen_ui.texts import Language, has, say

ActsOn = Literal["face", "photo", "input"]
Mode = Literal["natural", "strong", "detail"]
LikenessGuard = Literal["off", "mark", "lower"]
KeepOccluded = Literal["auto", "on", "off"]
OutputScale = Literal[1, 2, 4]
Background = Literal["lanczos", "realesrgan"]
LongEdge = Literal[0, 2560, 1920, 1280]
WhichFaces = Literal["all", "largest", "centre"]
SecondLook = Literal["off", "auto", "always"]
SHORT_NAMES = {  # of the flags of the command line
    "detail_enhancement": "detail",
    "output_scale": "scale",
    "smallest_face_px": "smallest-face",
    "most_turned_deg": "most-turned",
    "most_blur_percent": "most-blur",
}
OFF = "off"  # how a choice of 0 is typed
ANY_BLUR_PERCENT = 50  # the end of the range of `most_blur_percent`, where blur is not even measured
CARD_BATCH = 4  # of a card whose best one is not measured yet
BatchSize = int | Literal["auto"]  # faces that go through the network together; "auto" is measured on the device


def _acts_on(where: ActsOn) -> dict[str, Any]:
    return {"acts_on": where}


class RestoreOptions(BaseModel):
    """How photos are restored. Raises `OptionError` through `parse_options`; built directly, pydantic's own error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    strength: int = Field(80, ge=0, le=100, json_schema_extra=_acts_on("face"))
    mode: Mode = Field("natural", json_schema_extra=_acts_on("face"))
    skin_protection: bool = Field(True, json_schema_extra=_acts_on("face"))
    detail_enhancement: bool = Field(False, json_schema_extra=_acts_on("face"))
    match_look: bool = Field(True, json_schema_extra=_acts_on("face"))
    keep_occluded: KeepOccluded = Field("auto", json_schema_extra=_acts_on("face"))
    likeness_guard: LikenessGuard = Field("lower", json_schema_extra=_acts_on("face"))
    least_likeness: int = Field(50, ge=0, le=100, json_schema_extra=_acts_on("face"))
    denoise: int = Field(0, ge=0, le=100, json_schema_extra=_acts_on("photo"))
    sharpen: int = Field(0, ge=0, le=100, json_schema_extra=_acts_on("photo"))
    contrast: int = Field(0, ge=-100, le=100, json_schema_extra=_acts_on("photo"))
    brightness: int = Field(0, ge=-100, le=100, json_schema_extra=_acts_on("photo"))
    output_scale: OutputScale = Field(1, json_schema_extra=_acts_on("photo"))
    background: Background = Field("lanczos", json_schema_extra=_acts_on("photo"))
    long_edge: LongEdge = Field(0, json_schema_extra=_acts_on("input"))
    which_faces: WhichFaces = Field("all", json_schema_extra=_acts_on("input"))
    smallest_face_px: int = Field(24, ge=8, le=512, json_schema_extra=_acts_on("input"))
    most_turned_deg: int = Field(90, ge=5, le=90, json_schema_extra=_acts_on("input"))
    most_blur_percent: int = Field(7, ge=1, le=ANY_BLUR_PERCENT, json_schema_extra=_acts_on("input"))
    second_look: SecondLook = Field("auto", json_schema_extra=_acts_on("input"))
    detector_threshold: float = Field(0.7, ge=0.0, le=1.0, json_schema_extra=_acts_on("input"))
    aligned: bool = Field(False, json_schema_extra=_acts_on("input"))

    @property
    def draws_background(self) -> bool:
        """Whether a network makes the whole photo, which takes minutes on a processor."""
        return self.background == "realesrgan" and not self.aligned


@dataclass(frozen=True)
class OptionSpec:
    """One row of the table, as the doors read it.

    Attributes:
        kind: "int", "float", "bool" or "choice".
        low, high: inclusive range of a number, else None.
        choices: the allowed values of a choice, else empty.
    """

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Any
    low: float | None
    high: float | None
    choices: tuple[Any, ...]
    acts_on: ActsOn

    def title(self, language: Language) -> str:
        return say(f"option.{self.name}", language)

    def help(self, language: Language) -> str:
        return say(f"option.{self.name}.help", language)

    def choice_title(self, value: object, language: Language) -> str:
        return say(f"option.{self.name}.{value}", language)


def option_specs() -> tuple[OptionSpec, ...]:
    """The table of options in the order of the fields."""
    return tuple(_spec(name) for name in RestoreOptions.model_fields)


def _spec(name: str) -> OptionSpec:
    field = RestoreOptions.model_fields[name]
    extra = field.json_schema_extra
    acts_on: Any = extra["acts_on"] if isinstance(extra, dict) else "photo"
    bounds = {type(bound).__name__: bound for bound in field.metadata}
    low, high = getattr(bounds.get("Ge"), "ge", None), getattr(bounds.get("Le"), "le", None)
    choices = get_args(field.annotation)
    if choices:
        return OptionSpec(name, "choice", field.default, None, None, choices, acts_on)
    kinds: dict[Any, Literal["int", "float", "bool"]] = {int: "int", float: "float", bool: "bool"}
    return OptionSpec(name, kinds[field.annotation], field.default, low, high, (), acts_on)


def flag_name(spec: OptionSpec) -> str:
    """The flag of an option on the command line, for example `--strength`."""
    return f"--{SHORT_NAMES.get(spec.name, spec.name.replace('_', '-'))}"


def spelled(choice: object) -> str:
    """How a choice is typed on the command line."""
    return OFF if choice == 0 else str(choice)


def as_flags(options: RestoreOptions, usual: RestoreOptions) -> list[str]:
    """The arguments of the command line for what is not at its default, or whose default is another one there.

    Args:
        usual: the defaults of the installation.
    """
    words: list[str] = []
    for spec in option_specs():
        value, flag = getattr(options, spec.name), flag_name(spec)
        if value == getattr(usual, spec.name) == spec.default:
            continue
        if spec.kind == "bool":
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            words += [flag, spelled(value) if spec.kind == "choice" else str(value)]
    return words


def parse_options(
    values: Mapping[str, Any], preset: Preset | None = None, usual: RestoreOptions | None = None
) -> RestoreOptions:
    """Options from what a user gave: an explicit value wins over the preset, the preset over the default.

    Args:
        values: option name -> value; None means "not given".
        usual: the defaults of this installation; None for those of the program.

    Raises:
        OptionError: an unknown name, or a value outside its range.
    """
    given = {name: value for name, value in values.items() if value is not None}
    merged = {**(usual.model_dump() if usual else {}), **(preset.options if preset else {}), **given}
    try:
        return RestoreOptions(**merged)
    except ValidationError as error:
        raise _option_error(error) from error


def _option_error(error: ValidationError) -> OptionError:
    first = error.errors()[0]
    name = str((first["loc"] or (first["input"],))[0])  # a name that is no text has no place
    value = brief(first["input"])
    if name not in RestoreOptions.model_fields:
        return OptionError("option_unknown", name=brief(name), known=", ".join(RestoreOptions.model_fields))
    spec = _spec(name)
    if spec.kind == "choice":
        return OptionError("option_choice", name=name, value=value, choices=", ".join(map(str, spec.choices)))
    if spec.kind == "bool":
        return OptionError("option_choice", name=name, value=value, choices="true, false")
    return OptionError("option_range", name=name, value=value, low=spec.low, high=spec.high)


def salvaged(
    values: Mapping[str, Any], usual: RestoreOptions | None = None
) -> tuple[RestoreOptions, tuple[OptionError, ...]]:
    """Options out of values that an older version, another door or a hand may have kept: what is unknown or outside its
    range today is left out, and told.

    Args:
        usual: stands for what is not given, as in `parse_options`.
    """
    good: dict[str, Any] = {}
    dropped = []
    for name, value in values.items():
        try:
            parse_options({name: value})
        except OptionError as error:
            dropped.append(error)
        else:
            good[name] = value
    return parse_options(good, usual=usual), tuple(dropped)


def differences(options: RestoreOptions, usual: RestoreOptions) -> dict[str, Any]:
    """The options that are not the usual ones: name -> value."""
    before = usual.model_dump()
    return {name: value for name, value in options.model_dump().items() if value != before[name]}


@dataclass(frozen=True)
class Preset:
    """A named set of option values and the batch size that goes with it.

    Attributes:
        batch_size: None leaves the batch size as it is.
    """

    name: str
    options: dict[str, Any]
    batch_size: BatchSize | None = None

    def title(self, language: Language) -> str:
        """What a user reads: the text `preset.<name>` of one that comes with the program, else the name itself."""
        key = f"preset.{self.name}"
        return say(key, language) if has(key) else self.name
