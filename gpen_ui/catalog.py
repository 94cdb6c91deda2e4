"""Which checkpoints exist: file, sources, bytes, SHA-256, licence. Read from `configs/models.toml`; no torch here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from gpen_ui.errors import UnknownModelError
from gpen_ui.paths import configs_folder
from gpen_ui.texts import Language, say

RESTRICTED = ("gpen", "research")  # licences that forbid, or may forbid, commercial use
ModelKind = Literal["gpen", "detector", "parsing", "upscaler"]


@dataclass(frozen=True)
class ModelSpec:
    """One row of the catalogue.

    Attributes:
        name: what a user types, for example "gpen-bfr-512".
        kind: which part of the program uses it.
        file: its name in the models folder.
        size_px: side of a GPEN network's picture; None for the other kinds.
        bytes: exact size of the published file; None where it is not known.
        sha256: lower-case hex; None where no trustworthy one is known.
        sources: addresses in the order in which they are tried; empty for a file that comes with the program.
        licence: key of the licence sentence among the texts.
        embedded: comes with the program.
        scale: how much larger an upscaler makes a photo; None for the other kinds.
    """

    name: str
    kind: ModelKind
    file: str
    size_px: int | None
    bytes: int | None
    sha256: str | None
    sources: tuple[str, ...]
    licence: str
    embedded: bool
    scale: int | None = None

    @property
    def restricted(self) -> bool:
        """Whether its licence narrows what it may be used for, so that a user must agree to it."""
        return self.licence in RESTRICTED

    def title(self, language: Language) -> str:
        return say(f"model.{self.name}", language)

    def licence_note(self, language: Language) -> str:
        return say(f"licence.{self.licence}", language)


@lru_cache(maxsize=1)
def all_models() -> dict[str, ModelSpec]:
    """The catalogue: name -> row, in the order of the file."""
    content = tomllib.loads((configs_folder() / "models.toml").read_text(encoding="utf-8"))
    return {name: _row(name, fields) for name, fields in content.items()}


def restoration_models() -> tuple[ModelSpec, ...]:
    """The rows that restore faces, smallest first."""
    return tuple(spec for spec in all_models().values() if spec.kind == "gpen")


def model_spec(name: str) -> ModelSpec:
    """The row of that name (letters of either case).

    Raises:
        UnknownModelError: with the names there are.
    """
    spec = all_models().get(name.lower())
    if spec is None:
        raise UnknownModelError("model_unknown", name=name, known=", ".join(all_models()))
    return spec


def _row(name: str, fields: dict[str, Any]) -> ModelSpec:
    return ModelSpec(
        name=name,
        kind=fields["kind"],
        file=fields["file"],
        size_px=fields.get("size_px"),
        bytes=fields.get("bytes"),
        sha256=fields.get("sha256"),
        sources=tuple(fields.get("sources", ())),
        licence=fields["licence"],
        embedded=fields.get("embedded", False),
        scale=fields.get("scale"),
    )
