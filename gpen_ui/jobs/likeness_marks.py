"""The likeness of a photo's faces as HTML, for the page and the contact sheet: a number for each face, and a colour
that never stands alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Protocol

from gpen_ui.faces.likeness import band_of
from gpen_ui.texts import Language, say


class MeasuredFace(Protocol):
    """What is asked of a face: an outcome of the engine has it, and a record of the store."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def why(self) -> object | None: ...
    @property
    def strength(self) -> int | None: ...
    @property
    def likeness(self) -> float | None: ...


def likeness_marks(faces: Iterable[MeasuredFace], language: Language) -> str:
    """One mark for each face that was measured; empty when none was.

    The strength is said where it tells something: of a face whose strength was lowered, or that was left as it was.
    """
    return " ".join(_mark(face, face.likeness, language) for face in faces if face.likeness is not None)


def _mark(face: MeasuredFace, likeness: float, language: Language) -> str:
    kind = "left" if face.state != "restored" else "one" if face.why is None else "lowered"
    values = {"number": face.number, "likeness": math.floor(likeness), "strength": face.strength}
    shown = say(f"runs.likeness.{kind}", language, **values)
    band = band_of(likeness)
    title = f"{shown}: {say(f'runs.likeness.band.{band}', language)}"
    return f'<span class="likeness {band}" title="{escape(title)}">{escape(shown)}</span>'
