"""What a user asks of single faces of one photo, beside the options that hold for all: on or off, an own strength, an
own model, a face that the detector missed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gpen_ui.errors import OptionError
from gpen_ui.reasons import Reason

SAME_FACE = 0.3  # intersection over union from which two boxes stand for one face
FACES_MOST = 1000  # choices of one photo; more is no photo of people but an attack

Box = tuple[float, float, float, float]

_BOX = r"(?P<width>[1-9][0-9]{0,4})x(?P<height>[1-9][0-9]{0,4})\+(?P<left>[0-9]{1,5})\+(?P<top>[0-9]{1,5})"
_WHAT = r"(?P<what>on|off|100|[1-9]?[0-9])(?:@(?P<model>[A-Za-z0-9._-]{1,100}))?"
_FORM = re.compile(rf"(?:(?P<number>[1-9][0-9]{{0,2}})|{_BOX})={_WHAT}", re.IGNORECASE)
_ONE = re.sub(r"\(\?P<\w+>", "(?:", rf"(?:[1-9][0-9]{{0,2}}|{_BOX})={_WHAT}")
TYPED_PATTERN = rf"^(?:{_ONE}(?:,{_ONE}){{0,49}})?$"  # of what `read_choices` takes, as a JSON schema has it


class FaceChoice(BaseModel):
    """One face of a photo and what becomes of it. Built by `parse_choices`, which raises an error of ours.

    Attributes:
        number: counts the faces from 1, left to right, as results list them; or
        box_xyxy: left, top, right, bottom in pixels of the upright photo as it was read. Stands for the found face that
            it covers best; where none is, it is a face that the detector missed.
        on: False leaves the face as it is; True restores it also where the options would leave it.
        strength: in percent, in the place of the options' one; None keeps that.
        model: name of a model of the catalogue that restores this face; None for the model of all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int | None = Field(None, ge=1, le=FACES_MOST)
    box_xyxy: Box | None = None
    on: bool = True
    strength: int | None = Field(None, ge=0, le=100)
    model: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _names_one_face(self) -> FaceChoice:
        if (self.number is None) == (self.box_xyxy is None):
            raise ValueError("number or box_xyxy")
        if self.box_xyxy is not None:
            left, top, right, bottom = self.box_xyxy
            if not (right - left >= 1 and bottom - top >= 1) or max(map(abs, self.box_xyxy)) > 1e6:
                raise ValueError("box_xyxy: left, top, right, bottom")
        return self


def parse_choices(values: object) -> tuple[FaceChoice, ...]:
    """Choices from what a door was given: a list of objects, or its JSON; None or nothing are no choices.

    Raises:
        OptionError: it is no such list, or a choice names no face, two faces, or a value outside its range.
    """
    if values is None or values == "":
        return ()
    try:
        listed: Any = json.loads(values) if isinstance(values, str) else values
        if not isinstance(listed, Sequence) or len(listed) > FACES_MOST:
            raise OptionError("faces_list", most=FACES_MOST)
        return tuple(FaceChoice.model_validate(each) for each in listed)
    except (ValueError, ValidationError) as error:
        raise OptionError("faces_choice", reason=_reason(error)) from error


def read_choices(text: str) -> tuple[FaceChoice, ...]:
    """Choices as they are typed: `2=off`, `1=40`, `3=80@gpen-bfr-512`, separated by commas.

    A face is named by its number or by a box as WIDTHxHEIGHT+LEFT+TOP in pixels; then follow `on`, `off` or a strength,
    and `@` with a model.

    Raises:
        OptionError: a part is not of this form, or outside its range.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > FACES_MOST:
        raise OptionError("faces_list", most=FACES_MOST)
    return tuple(_typed(part) for part in parts)


def _typed(part: str) -> FaceChoice:
    found = _FORM.fullmatch(part)
    if found is None:
        raise OptionError("faces_typed", value=part[:100])
    what = found["what"].lower()
    choice: dict[str, Any] = {"on": what != "off", "model": found["model"]}
    if what not in ("on", "off"):
        choice["strength"] = int(what)
    if found["number"] is not None:
        choice["number"] = int(found["number"])
    else:
        width, height, left, top = (int(found[name]) for name in ("width", "height", "left", "top"))
        choice["box_xyxy"] = (left, top, left + width, top + height)
    try:
        return FaceChoice.model_validate(choice)
    except ValidationError as error:
        raise OptionError("faces_typed", value=part[:100]) from error


def as_json(choices: Iterable[FaceChoice]) -> str:
    """The choices as `parse_choices` takes them back; empty for none."""
    listed = [choice.model_dump(exclude_none=True) for choice in choices]
    return json.dumps(listed, sort_keys=True) if listed else ""


def as_typed(choices: Iterable[FaceChoice]) -> str:
    """The choices as `read_choices` takes them back, boxes in whole pixels; empty for none."""
    return ",".join(f"{_typed_face(choice)}={_typed_what(choice)}" for choice in choices)


def _typed_face(choice: FaceChoice) -> str:
    if choice.box_xyxy is None:
        return str(choice.number)
    left, top, right, bottom = (max(0, round(edge)) for edge in choice.box_xyxy)
    return f"{max(1, right - left)}x{max(1, bottom - top)}+{left}+{top}"


def _typed_what(choice: FaceChoice) -> str:
    if not choice.on:
        return "off"
    what = "on" if choice.strength is None else str(choice.strength)
    return f"{what}@{choice.model}" if choice.model else what


def merged(before: Iterable[FaceChoice], new: Sequence[FaceChoice]) -> tuple[FaceChoice, ...]:
    """The choices of before with the new ones in the place of those that speak of the same faces."""
    kept = (old for old in before if not any(_same_face(old, choice) for choice in new))
    return (*kept, *new)


def _same_face(one: FaceChoice, other: FaceChoice) -> bool:
    if one.box_xyxy is None or other.box_xyxy is None:
        return one.number is not None and one.number == other.number
    return overlap(one.box_xyxy, other.box_xyxy) >= SAME_FACE


def _reason(error: Exception) -> object:
    return Reason(error.errors()[0]) if isinstance(error, ValidationError) else error


def scaled(box: Box, factor: float) -> Box:
    """The box in a picture that is larger by the factor."""
    left, top, right, bottom = (edge * factor for edge in box)
    return left, top, right, bottom


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
