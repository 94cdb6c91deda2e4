"""From a result to its file: the one way in which page, command line and runs write photos, and what they say then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpen_ui.choices import as_json
from gpen_ui.engine.results import Note, RestoredPhoto
from gpen_ui.errors import GpenError
from gpen_ui.photo import (
    Encoded,
    MetadataWish,
    Remark,
    Stamp,
    WriteFormat,
    encode_file,
    replace_encoded,
    save_encoded,
    stamp_of,
)


@dataclass(frozen=True)
class Output:
    """How results are written; see the settings of the same names.

    Attributes:
        format: what is asked for; "same" keeps the format of each photo.
        suffix: stands between the name and the extension.
        metadata: "keep", "no-gps" (without coordinates) or "none" (colour profile and resolution only).
        ai_note: a restored photo says so in its XMP, with all that is needed to make it again.
        keep_time: the file gets the time of the source's last change.
    """

    format: WriteFormat = "same"
    suffix: str = "_gpen"
    metadata: MetadataWish = "keep"
    ai_note: bool = True
    keep_time: bool = True


@dataclass(frozen=True)
class Saved:
    """A written result and what its owner should know about the file.

    Attributes:
        stamp: tells later whether the file is still the one that was written.
    """

    path: Path
    notes: tuple[Note, ...]
    stamp: Stamp | None = None


class OutputSettings(Protocol):
    """What `output_of` reads: the settings of an installation, or of a run."""

    @property
    def output_format(self) -> WriteFormat: ...
    @property
    def suffix(self) -> str: ...
    @property
    def metadata(self) -> MetadataWish: ...
    @property
    def ai_note(self) -> bool: ...
    @property
    def keep_time(self) -> bool: ...


def output_of(settings: OutputSettings) -> Output:
    """How this installation, or this run, writes."""
    return Output(settings.output_format, settings.suffix, settings.metadata, settings.ai_note, settings.keep_time)


def save_restored(
    restored: RestoredPhoto, folder: Path, *, name: str, output: Output, instead_of: Saved | None = None
) -> Saved:
    """Writes a result as `<name>_gpen.<ext>`; see `save_encoded`.

    Args:
        restored: one that did not fail.
        name: of the source.
        instead_of: an earlier result of the same photo, which the new one replaces when nobody has touched it since.

    Raises:
        PhotoWriteError: it cannot be encoded or written.
    """
    result = made(restored, output)
    if instead_of is not None and result.encoded is not None and instead_of.path.suffix == result.encoded.extension:
        path, modified_ns = instead_of.path, file_time(restored, output)
        if replace_encoded(result.encoded.data, path, instead_of.stamp, modified_ns=modified_ns):
            return Saved(path, as_notes(result.encoded.remarks), stamp_of(path))
    return save_made(result, folder, name=name, output=output)


@dataclass(frozen=True, eq=False)
class Made:
    """A result with the bytes of its file, or with the error that it has none for."""

    restored: RestoredPhoto
    encoded: Encoded | None
    error: GpenError | None = None


def made(restored: RestoredPhoto, output: Output) -> Made:
    """Encodes a result; for `Restorer.stream`, which does that beside the network. The time is added to its stages."""
    start = time.perf_counter()
    try:
        return Made(restored, encode_restored(restored, output))
    except GpenError as error:
        return Made(restored, None, error)
    finally:
        restored.seconds["encode"] = time.perf_counter() - start


def save_made(result: Made, folder: Path, *, name: str, output: Output) -> Saved:
    """Writes what `made` gave; see `save_restored`.

    Raises:
        PhotoWriteError: it cannot be written.
        GpenError: there is no result, and why.
    """
    if result.encoded is None:
        raise result.error or GpenError("photo_unexpected", name=name, reason="no result")
    path = save_encoded(
        result.encoded.data,
        folder,
        name=name,
        suffix=output.suffix,
        extension=result.encoded.extension,
        modified_ns=file_time(result.restored, output),
    )
    return Saved(path, as_notes(result.encoded.remarks), stamp_of(path))


def encode_restored(restored: RestoredPhoto, output: Output) -> Encoded:
    """The bytes of a result's file, for whoever chooses its name.

    Raises:
        PhotoWriteError: it cannot be encoded.
    """
    if restored.photo is None:
        raise restored.error or GpenError("photo_unexpected", name=restored.name, reason="no result")
    note = restoration_note(restored) if output.ai_note else None
    return encode_file(restored.photo, output.format, metadata=output.metadata, note=note)


def file_time(restored: RestoredPhoto, output: Output) -> int | None:
    """The time that the result's file gets, in nanoseconds since 1970; None for now."""
    return restored.photo.metadata.modified_ns if output.keep_time and restored.photo is not None else None


def as_notes(remarks: Iterable[Remark]) -> tuple[Note, ...]:
    """What the photo room remarked, as it is told to the user."""
    return tuple(Note(remark.key, remark.values) for remark in remarks)


def restoration_note(restored: RestoredPhoto) -> dict[str, str] | None:
    """The properties of the note in the XMP, or None when no face of the photo was touched by the network.

    `Options` is a JSON object that `RestoreOptions` takes back, `FaceChoices` a list for `parse_choices`; with the
    model of that hash and the same program the same photo gives the same faces again.
    """
    recipe = restored.recipe
    if recipe is None or not any(face.state == "restored" and face.strength != 0 for face in restored.faces):
        return None
    options = recipe.options.model_dump()
    choices = {"FaceChoices": as_json(restored.choices)} if restored.choices else {}
    return choices | {
        "Note": "Faces restored by AI",
        "Software": recipe.software,
        "Model": recipe.model,
        "ModelSHA256": recipe.model_sha256,
        "Strength": str(recipe.options.strength),
        "Faces": str(restored.restored_count),
        "Options": json.dumps(options, sort_keys=True),
    }
