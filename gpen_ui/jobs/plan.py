"""Which photos a run will restore and which files it leaves alone, each with its reason. Opens no file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gpen_ui.errors import PhotoReadError, UsageError, reason_of
from gpen_ui.jobs.location import HIDDEN_FOLDER
from gpen_ui.jobs.names import check_template
from gpen_ui.jobs.types import Ignored, PhotoRecord, Plan, PlannedPhoto, RunSettings, Told
from gpen_ui.options import RestoreOptions
from gpen_ui.paths import shown
from gpen_ui.photo import PHOTO_SUFFIXES

IsResult = Callable[[Path], bool]


def plan_run(
    inputs: Sequence[Path | str],
    output_folder: Path | str,
    options: RestoreOptions | None = None,
    settings: RunSettings | None = None,
    *,
    is_result: IsResult = lambda path: False,
) -> Plan:
    """Plans a run.

    A file is taken whatever its name is, also one that is missing: it will fail with its own sentence. Of a folder
    come the photos in natural order, of the folders below it only when `settings.recursive`; their tree is kept.
    Links are followed only to places inside their input folder. The output folder is not searched.

    Args:
        is_result: tells results of earlier runs, which are not taken again from a folder.

    Raises:
        UsageError: no input, an output folder that is one of the input folders or cannot be written, or a template that
            cannot work.
        PhotoReadError: a folder is missing or may not be read.
    """
    settings = settings or RunSettings()
    check_template(settings.template)
    given = tuple(_absolute(each) for each in inputs)
    output = _absolute(output_folder)
    if not given:
        raise UsageError("run_no_input")
    if output.exists() and not output.is_dir():
        raise UsageError("run_output_is_file", folder=shown(output))
    if not _may_write(output):
        raise UsageError("run_output_readonly", folder=shown(output))
    find = _Search(output, settings.recursive, is_result)
    for path in given:
        if path.is_dir():
            if _same(path, output):
                raise UsageError("run_output_is_input", folder=shown(output))
            find.folder(path)
        else:
            find.file(path)
    photos = find.photos.values()
    return Plan(given, output, options or RestoreOptions(), settings, tuple(photos), tuple(find.ignored))


@dataclass
class _Search:
    output: Path
    recursive: bool
    is_result: IsResult
    photos: dict[str, PlannedPhoto] = field(default_factory=dict)  # by their real path
    ignored: list[Ignored] = field(default_factory=list)

    def file(self, path: Path) -> None:
        """A file that was named: its name and links do not matter."""
        facts = _facts(path)
        size, mtime = (facts.st_size, facts.st_mtime_ns) if facts is not None else (-1, -1)
        self._plan(os.path.realpath(path), PlannedPhoto(path, Path(), size, mtime, path))

    def folder(self, root: Path) -> None:
        real_output = os.path.realpath(self.output)
        links: list[tuple[Path, Path]] = []
        for folder, entries in self._walk(root, real_output):
            subfolder = folder.relative_to(root)
            for entry in entries:
                path = Path(entry.path)
                why = _unsuited(entry.name)
                if why is not None:
                    self._ignore(path, why)
                elif entry.is_symlink():
                    links.append((path, subfolder))
                elif self.is_result(path):
                    self._ignore(path, "result")
                else:
                    self._take(path, subfolder, root)
        for path, subfolder in links:  # after all else: a photo itself goes before a link to it
            real = os.path.realpath(path)
            inside = _inside(real, os.path.realpath(root)) and not _inside(real, real_output)
            if inside and Path(real).is_file() and real not in self.photos and not self.is_result(Path(real)):
                self._take(path, subfolder, root)
            else:
                self._ignore(path, "link_twice" if inside and real in self.photos else "link")

    def _walk(self, root: Path, real_output: str) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
        """Folders from the top down with their files in natural order; folders that are not entered are ignored."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: _natural(entry.name))
                folders = [entry for entry in entries if _is_folder(entry)]
            except OSError as error:
                if folder == root:
                    raise PhotoReadError(
                        "photo_folder_unreadable", folder=shown(folder), reason=reason_of(error)
                    ) from error
                self._ignore(folder, "unreadable", reason=reason_of(error))
                continue
            inner: list[Path] = []
            for entry in folders:
                why = self._closed(entry, real_output)
                if why is None:
                    inner.append(Path(entry.path))
                else:
                    self._ignore(Path(entry.path), why)
            names = {entry.name for entry in folders}
            yield folder, [entry for entry in entries if entry.name not in names]
            waiting += reversed(inner)

    def _closed(self, entry: os.DirEntry[str], real_output: str) -> str | None:
        """Why a folder is not entered."""
        if entry.name.startswith("."):
            return "hidden" if entry.name != HIDDEN_FOLDER else "result"
        if entry.is_symlink():
            return "link"
        if os.path.realpath(entry.path) == real_output:
            return "output"
        return None if self.recursive else "subfolder"

    def _take(self, path: Path, subfolder: Path, root: Path) -> None:
        facts = _facts(path)
        if facts is None:
            self._ignore(path, "gone")
        elif not stat.S_ISREG(facts.st_mode):
            self._ignore(path, "no_photo")
        else:
            planned = PlannedPhoto(path, subfolder, facts.st_size, facts.st_mtime_ns, root)
            self._plan(os.path.realpath(path), planned)

    def _plan(self, real: str, photo: PlannedPhoto) -> None:
        if real in self.photos:
            self._ignore(photo.path, "twice")
        else:
            self.photos[real] = photo

    def _ignore(self, path: Path, why: str, **values: object) -> None:
        self.ignored.append(Ignored(path, Told(f"runs.ignored.{why}", {name: str(v) for name, v in values.items()})))


def _unsuited(name: str) -> str | None:
    if name.startswith("."):
        return "hidden"
    return None if name.lower().endswith(PHOTO_SUFFIXES) else "no_photo"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _absolute(path: Path | str) -> Path:
    """The path as the user reaches it, links not followed."""
    return Path(os.path.normpath(Path(path).expanduser().absolute()))


def _may_write(folder: Path) -> bool:
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return os.access(existing, os.W_OK)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _inside(real: str, real_folder: str) -> bool:
    try:
        return os.path.commonpath([real, real_folder]) == real_folder
    except ValueError:  # two drives of Windows
        return False


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Digits compare as numbers: 2 before 10."""
    pieces = (piece for piece in re.split(r"(\d+)", name) if piece)
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces]


def is_still_inside(photo: PhotoRecord) -> bool:
    """Whether a photo that was found in a folder still lies there, links followed: between the plan and the work
    somebody who may write to the folder can put a link in its place. A photo that was named may lie anywhere."""
    return photo.root == photo.path or _inside(os.path.realpath(photo.path), os.path.realpath(photo.root))
