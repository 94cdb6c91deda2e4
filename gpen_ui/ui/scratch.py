"""The folder of temporary files: uploads to the page, pictures and downloads of open pages. They have an age (see
`page.DELETE_AFTER_S`) and, here, a size: the oldest go first, and never those that are in work."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpen_ui.errors import UsageError

log = logging.getLogger(__name__)
MB = 1 << 20
PREFIX = "gpen-ui-"
SESSION = "session-"  # of folders of open pages, which stay also when they are empty
FILE_COSTS = 4096  # bytes that each file counts beside its own: also empty ones fill a disk
LOCK = ".lock"  # held for as long as the folder's server lives; the system takes it back when that dies


@contextmanager
def own_folder() -> Iterator[Path]:
    """A private folder for this server, gone with it; and those of servers that were killed go now."""
    from filelock import FileLock

    sweep_left(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with FileLock(folder / LOCK, thread_local=False):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_left(place: Path) -> None:
    """Removes the folders here whose server has died. One without a lock in it is somebody else's."""
    from filelock import FileLock, Timeout

    for folder in place.glob(f"{PREFIX}*"):
        if folder.is_symlink() or not (folder / LOCK).is_file():
            continue
        try:
            with FileLock(folder / LOCK, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):  # its server lives, or it belongs to another user
            continue


class Scratch:
    """Safe to use from several threads.

    Args:
        folder: private to this server.
        most_mb: what may lie in it.
    """

    def __init__(self, folder: Path, most_mb: int) -> None:
        self.folder = folder
        self._most_mb = most_mb
        self._lock = threading.Lock()
        self._used: Counter[Path] = Counter()

    @contextmanager
    def in_use(self, files: Iterable[Path]) -> Iterator[None]:
        """Keeps these files until the end of the block."""
        kept = [file.resolve() for file in files]
        with self._lock:
            self._used.update(kept)
        try:
            yield
        finally:
            with self._lock:
                self._used.subtract(kept)
                self._used = +self._used

    def make_room(self, need_bytes: int) -> None:
        """Deletes the oldest files until so many bytes fit.

        Raises:
            UsageError: what is in work leaves no room for them; nothing of it was deleted.
        """
        most = self._most_mb * MB
        with self._lock:
            files = sorted(self._files(), key=lambda each: each[0])
            total = sum(size for _, size, _ in files)
            deleted = 0
            for _, size, path in files:
                if total + need_bytes <= most:
                    break
                if path.resolve() in self._used:
                    continue
                try:
                    path.unlink()
                except OSError:  # the page that it belonged to was closed just now
                    continue
                total -= size
                deleted += 1
                if path.parent != self.folder and not path.parent.name.startswith(SESSION):
                    with suppress(OSError):  # not empty, or somebody else's by now
                        path.parent.rmdir()
        if deleted:
            log.warning("temporary files took more than %d MB: the %d oldest were deleted", self._most_mb, deleted)
        if total + need_bytes > most:
            raise UsageError("page_no_room", most=self._most_mb)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Every file as (time of its last change, bytes, path)."""
        for path in self.folder.rglob("*"):
            try:
                facts = path.lstat()
            except OSError:
                continue
            if path.name != LOCK and not path.is_dir():
                yield facts.st_mtime, facts.st_size + FILE_COSTS, path
