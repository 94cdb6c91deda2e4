"""What a comparison shows: a photo and its result as previews of bounded size, and as tiles of their full size, which
are cut when a page asks for the first of them.

A page knows a pair by a key that nobody can guess, and gets it only with its own HTML; no path of the server is in it.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gpen_ui.access import is_within
from gpen_ui.errors import GpenError
from gpen_ui.ui.previews import PREVIEW_LONG_EDGE_PX, Preview, on_white, preview_of
from gpen_ui.ui.scratch import Scratch

if TYPE_CHECKING:
    from gpen_ui.photo.types import Photo

Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = ("before", "after")
TILE_PX = 512  # a lens needs four at most, and a photo of 24 megapixels is a hundred files
LARGEST_SCALE = 4  # of a result against its photo
PAIRS_MOST = 10_000  # of all open pages; the oldest are forgotten, until their page shows them again
TILE_QUALITY = 95  # with colours at full resolution: what is judged at 100 % must not be the JPEG


@dataclass(frozen=True)
class Pair:
    """A photo and its result.

    Attributes:
        before, after: their files.
        before_wh, after_wh: their sizes in pixels.
        folder: where their pictures are put; private to one open page, and gone with it.
        within: folders one of which must hold each file, links followed, also later when it is read.
        preview: pictures that were made already.
        look_at: what to show first at full size, in shares of the sides; None for the middle.
    """

    name: str
    before: Path
    after: Path
    before_wh: tuple[int, int]
    after_wh: tuple[int, int]
    folder: Path
    within: tuple[Path, ...]
    preview: Preview | None = None
    look_at: tuple[float, float] | None = None

    @property
    def needs_tiles(self) -> bool:
        """Whether the previews are smaller than the result."""
        return max(self.after_wh) > PREVIEW_LONG_EDGE_PX


class Pictures:
    """The pairs that open pages compare. Safe to use from several threads.

    Args:
        scratch: counts what the pictures take.
        max_megapixels: larger photos are not read.
    """

    def __init__(self, scratch: Scratch, max_megapixels: int) -> None:
        self._scratch = scratch
        self._max_megapixels = max_megapixels
        self._pairs: dict[str, Pair] = {}
        self._keys: dict[Pair, str] = {}
        self._previews: dict[str, Preview] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # one photo at a time: it may be large

    def offer(self, pair: Pair) -> str:
        """The key of a pair, the same for as long as it is the same pair."""
        with self._lock:
            key = self._keys.setdefault(pair, secrets.token_hex(16))
            self._pairs[key] = pair
            if pair.preview is not None:
                self._previews[key] = pair.preview
            while len(self._pairs) > PAIRS_MOST:
                self._drop(next(iter(self._pairs)))
            return key

    def withdraw(self, folder: Path) -> None:
        """Forgets the pairs whose pictures lie in a folder that goes."""
        with self._lock:
            for key in [key for key, pair in self._pairs.items() if pair.folder == folder]:
                self._drop(key)

    def _drop(self, key: str) -> None:
        self._previews.pop(key, None)
        self._keys.pop(self._pairs.pop(key))

    def preview(self, key: str, kind: str) -> Path | None:
        """The file of a preview ("before", "after") or of the "small" picture; None when there is none.

        Raises:
            GpenError: a photo cannot be read any more, or there is no room for its pictures.
        """
        pair = self._pairs.get(key)
        if pair is None or kind not in (*SIDES, "small"):
            return None
        with self._reading:
            made = self._previews.get(key)
            if made is None or not made.file_of(kind).is_file():
                made = self._made(pair)
                if made is None:
                    return None
                self._previews[key] = made
        return made.file_of(kind)

    def tile(self, key: str, side: str, column: int, row: int) -> Path | None:
        """The file of one tile, both counted from 0 at the top left; None when there is none.

        Raises:
            GpenError: as from `preview`.
        """
        pair = self._pairs.get(key)
        if pair is None or side not in SIDES:
            return None
        width, height = pair.before_wh if side == "before" else pair.after_wh
        if not (0 <= column * TILE_PX < width and 0 <= row * TILE_PX < height):
            return None
        tile = pair.folder / f"{key}-{side}-{column}-{row}.jpg"
        with self._reading:
            if not tile.is_file():
                self._cut(pair, key, "before" if side == "before" else "after")
        return tile if tile.is_file() else None

    def _made(self, pair: Pair) -> Preview | None:
        before, after = (self._read(pair, side) for side in SIDES)
        if before is None or after is None:
            return None
        self._scratch.make_room(_bytes_of(after))
        return preview_of(before, after, pair.folder)

    def _cut(self, pair: Pair, key: str, side: Side) -> None:
        """Writes every tile of one side."""
        from gpen_ui.photo import thumbnail

        photo = self._read(pair, side)
        if photo is None or photo.size_wh != (pair.before_wh if side == "before" else pair.after_wh):
            return  # the file is another one by now
        self._scratch.make_room(_bytes_of(photo))
        whole = on_white(thumbnail(photo, max(photo.size_wh)))
        for top in range(0, whole.height, TILE_PX):
            for left in range(0, whole.width, TILE_PX):
                part = whole.crop((left, top, min(left + TILE_PX, whole.width), min(top + TILE_PX, whole.height)))
                name = f"{key}-{side}-{left // TILE_PX}-{top // TILE_PX}.jpg"
                try:
                    part.save(pair.folder / name, "JPEG", quality=TILE_QUALITY, subsampling=0)
                except OSError:
                    if pair.folder.is_dir():
                        raise
                    return  # the page was closed meanwhile

    def _read(self, pair: Pair, side: Side) -> Photo | None:
        from gpen_ui.photo import read_photo

        path = pair.before if side == "before" else pair.after
        if not is_within(path, pair.within):
            return None
        most = self._max_megapixels if side == "before" else self._max_megapixels * LARGEST_SCALE**2
        try:
            return read_photo(path, max_megapixels=most)
        except GpenError:
            if path.is_file():
                raise
            return None  # it was deleted or moved by its owner


def _bytes_of(photo: Photo) -> int:
    """About what its pictures take as JPEGs."""
    width, height = photo.size_wh
    return width * height
