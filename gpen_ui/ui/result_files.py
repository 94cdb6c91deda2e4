"""The files of tab 1's results as the page hands them out: for the comparison, one by one, and together."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from gpen_ui.ui.pictures import Pair
from gpen_ui.ui.runs import Outcome

ZIP_NAME = "gpen-results.zip"


def pair_of(outcome: Outcome, folder: Path, within: tuple[Path, ...]) -> Pair | None:
    """A result for the comparison; None when there is no picture of it.

    Args:
        folder: where its pictures are put.
        within: folders one of which must hold photo and result.
    """
    if outcome.preview is None or outcome.saved is None or outcome.source is None:
        return None
    if outcome.before_wh is None or outcome.after_wh is None:
        return None
    sizes = (outcome.before_wh, outcome.after_wh)
    return Pair(outcome.name, outcome.source, outcome.saved, *sizes, folder, within, outcome.preview)


def download_copy(outcome: Outcome, folder: Path) -> Path:
    """The result below the session's folder, so that the outputs folder itself is never served."""
    if outcome.saved is None:
        raise ValueError("a failed photo has no file")
    copy = folder / outcome.saved.name
    fresh = copy.with_name(f"{copy.name}.part")  # the file of before may be on its way to the browser just now
    shutil.copyfile(outcome.saved, fresh)
    return fresh.replace(copy)


def zipped(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """One archive with the results; names are unique because they were in one folder. Photos are packed already."""
    archive = folder / ZIP_NAME
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as pack:
        for outcome in outcomes:
            if outcome.saved is not None and outcome.saved.is_file():
                pack.write(outcome.saved, outcome.saved.name)
    return archive
