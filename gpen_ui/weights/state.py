"""Whether a model's file is here and right, and taking over files that a user got in another way."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from gpen_ui.catalog import ModelSpec, all_models
from gpen_ui.errors import CheckpointError, reason_of
from gpen_ui.paths import shown
from gpen_ui.weights.containers import read_state
from gpen_ui.weights.files import PART_SUFFIX, copy_into_place, sha256_of
from gpen_ui.weights.find import CHECKPOINT_SUFFIXES, model_path
from gpen_ui.weights.load import check_sha256, load_network
from gpen_ui.weights.recognise import is_published, kind_of


class ModelState(StrEnum):
    """What is known about a model's file."""

    PRESENT = "present"
    MISSING = "missing"
    PARTIAL = "partial"  # a download that can be continued
    WRONG = "wrong"  # a file that is not this model


def part_path(path: Path) -> Path:
    """Where a download collects the bytes of `path`."""
    return path.with_name(path.name + PART_SUFFIX)


def model_state(spec: ModelSpec, models_folder: Path) -> ModelState:
    """A quick look: is the file there, and has it the length it should have. `verify_model` looks inside."""
    path = model_path(spec, models_folder)
    try:
        found_bytes = path.stat().st_size if path.is_file() else None
        if found_bytes is None:
            return ModelState.PARTIAL if part_path(path).is_file() else ModelState.MISSING
    except OSError:
        return ModelState.MISSING
    right = found_bytes > 0 if spec.bytes is None else found_bytes == spec.bytes
    return ModelState.PRESENT if right else ModelState.WRONG


def verify_model(spec: ModelSpec, models_folder: Path) -> ModelState:
    """Like `model_state`, after reading the whole file; `check_model` says what is wrong."""
    state = model_state(spec, models_folder)
    if state not in (ModelState.PRESENT, ModelState.WRONG):
        return state
    try:
        check_model(spec, model_path(spec, models_folder))
    except CheckpointError:
        return ModelState.WRONG
    return ModelState.PRESENT


def check_model(spec: ModelSpec, path: Path) -> None:
    """Checks that a file is this model: by its SHA-256, or, where none is known, by loading it.

    Raises:
        CheckpointError: what is wrong with it.
    """
    if spec.sha256 is not None:
        check_sha256(path, spec.sha256)
    elif spec.kind == "gpen":
        config = load_network(path).config
        if config.size != spec.size_px or not (spec.embedded or is_published(config)):
            raise CheckpointError("checkpoint_other_model", name=shown(path.name), model=spec.name, size=config.size)
    elif kind_of(read_state(path)) != spec.kind:
        raise CheckpointError("checkpoint_other_model", name=shown(path.name), model=spec.name, size="-")


def import_model(file: Path, models_folder: Path, *, replace: bool = True) -> ModelSpec | None:
    """Checks a file and copies it into the models folder: under the catalogue's name, or its own when it is a GPEN
    network of the user's own.

    Args:
        replace: another good file of its name is set aside for it; False refuses.

    Returns:
        The row of the catalogue, None for a network of the user's own (then it lies at `models_folder / file.name`).

    Raises:
        CheckpointError: it cannot be used or copied.
    """
    file, models_folder = Path(file), Path(models_folder)
    spec = identify(file)
    target = model_path(spec, models_folder) if spec else models_folder / file.name
    try:
        if target.exists() and target.samefile(file):
            return spec
        models_folder.mkdir(parents=True, exist_ok=True)
        if target.is_file() and sha256_of(target) == sha256_of(file):
            return spec
        if not replace and _is_good(spec, target):
            raise CheckpointError("checkpoint_taken", name=shown(file.name), target=shown(target.name))
        copy_into_place(file, target)
    except OSError as error:
        raise CheckpointError(
            "checkpoint_not_copied", name=shown(file.name), folder=shown(models_folder), reason=reason_of(error)
        ) from error
    return spec


def _is_good(spec: ModelSpec | None, target: Path) -> bool:
    if not target.is_file():
        return False
    try:
        if spec is not None:
            check_model(spec, target)
        else:
            load_network(target)
    except CheckpointError:
        return False
    return True


def identify(file: Path) -> ModelSpec | None:
    """The row of the catalogue that a file is, None for a GPEN network that is none of them.

    Raises:
        CheckpointError: it is no network that this program uses, or a changed copy of one with a known SHA-256.
    """
    state = read_state(file)  # first of all: is it a checkpoint
    kind = kind_of(state)
    if kind == "gpen" or kind is None:
        return _identified_gpen(file)
    digest = sha256_of(file)
    rows = [row for row in all_models().values() if row.kind == kind]
    for row in rows:
        if row.sha256 in (digest, None):
            return row
    first = rows[0]
    raise CheckpointError(
        "checkpoint_hash",
        name=shown(file.name),
        path=shown(file),
        found=digest[:12],
        expected=(first.sha256 or "")[:12],
    )


def _identified_gpen(file: Path) -> ModelSpec | None:
    config = load_network(file).config
    rows = [row for row in all_models().values() if row.kind == "gpen"]
    digest = sha256_of(file)
    for row in rows:
        if row.sha256 == digest:
            return row
    for row in rows:
        if row.embedded:
            own = model_path(row, file.parent)
            if own.is_file() and sha256_of(own) == digest:
                return row
            if file.name == row.file:
                raise CheckpointError("checkpoint_name_taken", name=shown(file.name), model=row.name)
            continue
        same = row.size_px == config.size and is_published(config)
        if same and row.sha256 is None:
            return row
        if file.name == row.file:  # it may not take the published file's name
            check_model(row, file)
    if not file.name.lower().endswith(CHECKPOINT_SUFFIXES):
        raise CheckpointError("checkpoint_suffix", name=shown(file.name), suffixes=", ".join(CHECKPOINT_SUFFIXES))
    return None
