"""Which folders and files of the server a request from outside may name. Every path is judged after its links are
followed."""

from __future__ import annotations

from pathlib import Path

from gpen_ui.errors import UsageError
from gpen_ui.settings import Settings


def is_within(path: Path, folders: tuple[Path, ...]) -> bool:
    """Whether the path, links followed, lies in one of the folders or is one of them."""
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):  # no name of a file: a NUL, half a character, links in a circle
        return False
    return any(real.is_relative_to(folder.resolve()) for folder in folders)


def input_folder(text: str, settings: Settings) -> Path:
    """The folder that a user named as the source of a batch, links followed.

    Raises:
        UsageError: it does not exist, or lies outside of the readable folders; outside, nothing is said about whether
            it exists.
    """
    allowed = settings.readable_folders
    if not allowed:
        raise UsageError("page_folder_none")
    folder = _path(text)
    if not is_within(folder, allowed):
        raise UsageError("page_folder_outside", folder=text, allowed=named(allowed))
    try:
        is_folder = folder.is_dir()
    except OSError:  # a name that is too long, for example
        is_folder = False
    if not is_folder:
        raise UsageError("page_folder_missing", folder=text)
    return folder.resolve()


def output_folder(text: str, settings: Settings) -> Path:
    """The folder that a user named for results; a relative name stands below the outputs folder. Made when missing.

    Raises:
        UsageError: outside of the outputs folder and the readable folders.
        PhotoWriteError: comes later, from saving, when the folder cannot be written.
    """
    allowed = (settings.outputs_folder, *settings.readable_folders)
    folder = settings.outputs_folder / _path(text) if text.strip() else settings.outputs_folder
    if not is_within(folder, allowed):
        raise UsageError("page_folder_outside", folder=text, allowed=named(allowed))
    return folder.resolve()


def checkpoint_file(text: str, settings: Settings) -> Path:
    """The checkpoint that a user named, links followed.

    Raises:
        UsageError: outside of the models folder and the readable folders.
    """
    allowed = (settings.models_folder, *settings.readable_folders)
    file = _path(text)
    if not is_within(file, allowed):
        raise UsageError("page_model_outside", path=text, allowed=named(allowed))
    return file.resolve()


def named(folders: tuple[Path, ...]) -> str:
    """The folders for a sentence."""
    return ", ".join(dict.fromkeys(str(folder.resolve()) for folder in folders))


def _path(text: str) -> Path:
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:  # "~name" of a user who does not exist
        return Path(text.strip())
