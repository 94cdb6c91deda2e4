"""What a client may ask for besides its photos: one flat list of fields, the same in a form and in JSON.

The fields are those of `RestoreOptions`, a few of the settings, and those of a run. Their ranges come from where they
are checked, so the OpenAPI document cannot drift.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import Request

from gpen_ui.api.parts import Chosen
from gpen_ui.choices import TYPED_PATTERN, FaceChoice, read_choices
from gpen_ui.errors import OptionError, UsageError
from gpen_ui.jobs import RunSettings, run_settings_of
from gpen_ui.jobs.names import LONGEST
from gpen_ui.options import Preset, RestoreOptions, parse_options
from gpen_ui.presets import NAME_LONGEST, load_preset, preset_names
from gpen_ui.settings import Settings, with_changes
from gpen_ui.texts import Language, has, say

JSON_BYTES_MOST = 65_536
OF_SETTINGS = ("output_format", "suffix", "metadata", "ai_note", "keep_time")
_LETTER = r'[^/\\:*?"<>|{}\x00-\x1f]'
_NUMBER = r"\{n(?::0?\d{1,2}d?)?\}"
# As `check_template` judges: something that tells photos apart, the extension only at the end, no dot at the start.
_TEMPLATE = (
    rf"^(?:(?:[^.{_LETTER[2:]}|\{{suffix\}})(?:{_LETTER}|\{{suffix\}})*)?(?:\{{name\}}|{_NUMBER})"
    rf"(?:{_LETTER}|\{{suffix\}}|\{{name\}}|{_NUMBER})*(?:\{{ext\}})?$"
)
OF_RUNS: dict[str, dict[str, Any]] = {
    "template": {"type": "string", "maxLength": LONGEST, "pattern": _TEMPLATE},
    "recursive": {"type": "boolean"},
    "watch": {"type": "boolean"},
    "again": {"type": "boolean"},
}
FACES_LONGEST = 20_000  # characters of what is asked of single faces
_TEXT = {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": r"^[^\x00-\x1f]+$"}
PHOTO_FIELDS = ("preset", *OF_SETTINGS)
NOW_FIELDS = (*PHOTO_FIELDS, "faces")
UPLOAD_FIELDS = (*PHOTO_FIELDS, "batch_size", "template", "output")
FOLDER_FIELDS = ("folder", *UPLOAD_FIELDS, "recursive", "watch", "again")
FACES_FIELDS = ("faces",)  # alone, without options
RESUME_FIELDS = (*PHOTO_FIELDS, "batch_size", "template")
_WORDS = {"true": True, "false": False}
_UNTYPED = re.compile(r"[\x00-\x1f\ud800-\udfff]")  # nobody types them: control characters, halves of letters
_NUMERAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Asked:
    """The fields that were given, each where it belongs.

    Attributes:
        texts: folder, output and faces.
    """

    preset: Preset | None = None
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def restore_options(self, before: RestoreOptions) -> RestoreOptions:
        """The options; those of `before` stand where nothing was given: the installation's defaults, or a run's own.

        Raises:
            OptionError: a value outside its range.
        """
        return parse_options(self.options, self.preset, before)

    @property
    def _batch_size(self) -> dict[str, Any]:
        """What the preset says about it; nothing in many of users' own."""
        known = self.preset is not None and self.preset.batch_size is not None
        return {"batch_size": self.preset.batch_size} if known and self.preset is not None else {}

    def face_choices(self) -> tuple[FaceChoice, ...]:
        """What is asked of single faces.

        Raises:
            OptionError: it is none of the form that `read_choices` takes.
        """
        return read_choices(self.texts.get("faces", ""))

    def changed(self, settings: Settings) -> Settings:
        """The settings of this installation with what was asked for.

        Raises:
            SettingsError: a value outside its range.
        """
        return with_changes(settings, {**self._batch_size, **self.settings})

    def run_settings(self, settings: Settings, chosen: Chosen) -> RunSettings:
        """How a new run works, with the model and on the device that the server has.

        Raises:
            SettingsError: a value outside its range.
        """
        wanted = self.changed(settings.model_copy(update={"batch_size": chosen.batch_size}))
        return run_settings_of(wanted, model=chosen.model, device=chosen.device, **self.run)

    def changed_run(self, before: RunSettings, settings: Settings) -> RunSettings:
        """The settings of a run that goes on, with what was asked for."""
        wanted = self.changed(settings)
        given = [*self.settings, *self._batch_size]
        return replace(before, **{name: getattr(wanted, name) for name in given}, **self.run)


def read_fields(values: Mapping[str, Any], known: Iterable[str], *, from_text: bool = True) -> Asked:
    """Sorts the fields of a request.

    Args:
        known: the fields that this route takes, besides the options.
        from_text: text, as forms have it, becomes numbers and truth values where those belong.

    Raises:
        UsageError: an unknown field, or text that cannot be one.
        OptionError: there is no such preset.
    """
    schemas = field_schemas(known)
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in schemas:
            raise UsageError("api_field_unknown_here", name=name[:100], known=", ".join(schemas))
        if value is not None:
            given[name] = _typed(name, value, schemas[name], from_text)
    chosen = given.pop("preset", None)
    return Asked(
        load_preset(chosen) if chosen is not None else None,
        {name: value for name, value in given.items() if name in RestoreOptions.model_fields},
        {name: value for name, value in given.items() if name in (*OF_SETTINGS, "batch_size")},
        {name: value for name, value in given.items() if name in OF_RUNS},
        {name: value for name, value in given.items() if name in ("folder", "output", "faces")},
    )


async def read_json(request: Request, known: Iterable[str], *, may_be_empty: bool = False) -> Asked:
    """The fields of a JSON object.

    Raises:
        UsageError: it is none, too long, or as from `read_fields`.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_BYTES_MOST:
            raise UsageError("api_json_long", most=JSON_BYTES_MOST)
    if may_be_empty and not body:
        return Asked()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UsageError("api_not_json")
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("api_json_broken", reason=error) from error
    if not isinstance(values, dict):
        raise UsageError("api_json_broken", reason=f"{type(values).__name__}, not an object")
    return read_fields(values, known, from_text=False)


def field_schemas(known: Iterable[str]) -> dict[str, dict[str, Any]]:
    """JSON schemas of the options, except beside `FACES_FIELDS`, and of these other fields."""
    options = RestoreOptions.model_json_schema()["properties"]
    settings = Settings.model_json_schema()["properties"]
    others = {
        **{name: settings[name] for name in (*OF_SETTINGS, "batch_size")},
        **OF_RUNS,
        "preset": {"type": "string", "minLength": 1, "maxLength": NAME_LONGEST, "enum": list(preset_names())},
        "folder": _TEXT,
        "output": _TEXT,
        "faces": {"type": "string", "maxLength": FACES_LONGEST, "pattern": TYPED_PATTERN},
    }
    found = {**({} if known == FACES_FIELDS else options), **{name: others[name] for name in known}}
    return {name: _bare(schema) for name, schema in found.items()}


def form_body(known: Iterable[str], file_field: str, *, many: bool, language: Language) -> dict[str, Any]:
    """What the OpenAPI document says of a form with files."""
    file = {"type": "string", "format": "binary"}
    files = {"type": "array", "items": file, "minItems": 1} if many else file
    described = {**files, "description": say(f"api.field.{file_field}", language)}
    properties = {file_field: described, **_described(field_schemas(known), language)}
    schema = {"type": "object", "properties": properties, "required": [file_field], "additionalProperties": False}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def json_body(known: Iterable[str], required: list[str], language: Language) -> dict[str, Any]:
    """What the OpenAPI document says of a JSON object of fields."""
    properties = {
        name: schema if name in required else _or_null(schema)
        for name, schema in _described(field_schemas(known), language).items()
    }
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _typed(name: str, value: Any, schema: dict[str, Any], from_text: bool) -> Any:
    """The value behind its spelling; what fits nothing is left for the range check to refuse."""
    words = [each["const"] for each in schema.get("anyOf", ()) if "const" in each]  # "auto" in the place of a number
    kind = schema.get("type", "integer")
    if value in words:
        return value
    if isinstance(value, float) and value.is_integer() and (kind == "integer" or value in schema.get("enum", ())):
        return int(value)
    if kind == "string":
        low, high = schema.get("minLength", 0), schema.get("maxLength", LONGEST)
        if not isinstance(value, str) or not low <= len(value) <= high or _UNTYPED.search(value):
            raise UsageError("api_field_text", name=name, low=low, high=high)
        return value
    if not isinstance(value, str) or not from_text:
        if isinstance(value, str) or isinstance(value, bool) != (kind == "boolean"):  # to Python true is the number 1
            raise UsageError("api_field_kind", name=name, kind=kind, value=value)
        return value
    if kind == "boolean":
        if value not in _WORDS:
            raise OptionError("option_choice", name=name, value=value, choices=", ".join(_WORDS))
        return _WORDS[value]
    if not _NUMERAL.fullmatch(value):
        return value
    return int(value) if kind == "integer" and value.lstrip("-").isdecimal() else float(value)


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """Without what is said elsewhere: a default is that of the preset or the settings, not of the field."""
    return {key: value for key, value in schema.items() if key not in ("default", "title", "acts_on")}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [bare, {"type": "null"}], "description": schema["description"]}


def _described(schemas: dict[str, dict[str, Any]], language: Language) -> dict[str, dict[str, Any]]:
    return {name: {**schema, "description": _description(name, language)} for name, schema in schemas.items()}


def _description(name: str, language: Language) -> str:
    if has(f"option.{name}.help"):
        return say(f"option.{name}.help", language)
    return say(f"api.field.{name}", language)
