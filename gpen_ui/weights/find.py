"""Where a model's file lies: by its name in the catalogue, or by path."""

from __future__ import annotations

from pathlib import Path

from gpen_ui.catalog import ModelSpec, all_models, model_spec
from gpen_ui.errors import CheckpointError, reason_of
from gpen_ui.paths import home_folder, shown

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")


def model_path(spec: ModelSpec, models_folder: Path) -> Path:
    """Where the model's file belongs, whether it is there or not.

    The embedded model lies with the program, also when the models folder is elsewhere.
    """
    own = home_folder() / "models" / spec.file
    return own if spec.embedded and own.is_file() else Path(models_folder) / spec.file


def find_checkpoint(model: str | Path, models_folder: Path) -> tuple[Path, ModelSpec | None]:
    """Finds a file by what a user gave.

    Args:
        model: a name of the catalogue in letters of either case, a path, or the name of a file in `models_folder`.

    Returns:
        The file, which exists, and its row of the catalogue; None for a file of the user's own.

    Raises:
        UnknownModelError: neither a name of the catalogue nor like a path.
        CheckpointError: the file is not there; how to get it.
    """
    text = str(model)
    spec = all_models().get(text.lower()) if isinstance(model, str) else None
    try:
        return (_present(spec, models_folder), spec) if spec is not None else _own_file(text, models_folder)
    except (OSError, RuntimeError) as error:  # a folder that may not be entered; a home folder that nobody has
        raise CheckpointError("checkpoint_unreadable", name=shown(text), reason=reason_of(error)) from error


def _own_file(text: str, models_folder: Path) -> tuple[Path, ModelSpec | None]:
    path = Path(text).expanduser()
    if path.name == text and not path.exists() and (Path(models_folder) / text).is_file():
        path = Path(models_folder) / text
    if path.is_file():
        return path, _row_of(path, models_folder)
    if path.is_dir():
        raise CheckpointError("checkpoint_is_folder", path=shown(path))
    for row in all_models().values():
        if path.name == row.file and path.name == text:
            return _present(row, models_folder), row
    if path.name == text and not text.lower().endswith(CHECKPOINT_SUFFIXES):
        model_spec(text)  # raises with the names there are
    raise CheckpointError("checkpoint_missing", path=shown(path))


def _present(spec: ModelSpec, models_folder: Path) -> Path:
    path = model_path(spec, models_folder)
    if path.is_file():
        return path
    if spec.embedded:
        raise CheckpointError("checkpoint_embedded_missing", name=spec.name, path=shown(path))
    raise CheckpointError("checkpoint_not_here", name=spec.name, path=shown(path))


def _row_of(path: Path, models_folder: Path) -> ModelSpec | None:
    """The catalogue's row whose place in the models folder this is."""
    resolved = path.resolve()
    rows = all_models().values()
    return next((row for row in rows if model_path(row, models_folder).resolve() == resolved), None)
