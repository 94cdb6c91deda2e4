"""Which photos a command line means: files as they are named, folders as the photos inside them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.errors import PhotoReadError


@dataclass(frozen=True)
class Source:
    """One photo to restore.

    Attributes:
        path: as the user reaches it.
        subfolder: where below the output folder its result belongs; the tree of a folder is kept.
    """

    path: Path
    subfolder: Path = Path()


def gather_sources(
    inputs: Iterable[Path], *, recursive: bool, outputs_folder: Path
) -> tuple[list[Source], list[tuple[Path, PhotoReadError]]]:
    """The photos behind the inputs, each once, in the order given; a folder's in natural order.

    A file is taken whatever its name is, also one that does not exist: the reader says what is wrong with it. Results
    of earlier runs are not taken for photos when the output folder lies inside an input folder.

    Returns:
        The sources, and the folders that gave none, with the reason.
    """
    sources: dict[str, Source] = {}
    barren: list[tuple[Path, PhotoReadError]] = []
    for given in inputs:
        try:
            found = _of_folder(given, recursive, outputs_folder) if given.is_dir() else [Source(given)]
        except PhotoReadError as error:
            barren.append((given, error))
            continue
        for source in found:
            sources.setdefault(os.path.realpath(source.path), source)
    return list(sources.values()), barren


def _of_folder(folder: Path, recursive: bool, outputs_folder: Path) -> list[Source]:
    from gpen_ui.photo import find_photos

    photos = find_photos(folder, recursive)
    results = Path(os.path.realpath(outputs_folder))
    if results != Path(os.path.realpath(folder)):
        photos = [photo for photo in photos if results not in Path(os.path.realpath(photo)).parents]
    if not photos:
        raise PhotoReadError("folder_without_photos", folder=folder)
    return [Source(photo, photo.parent.relative_to(folder)) for photo in photos]
