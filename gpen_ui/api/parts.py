"""What the routes share: the engine behind them, the places in the queue, the language, and the way to a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi import Path as PathParameter

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.jobs import PhotoRecord, RunRecord, Runs
from gpen_ui.jobs.uploads import FOLDER
from gpen_ui.options import BatchSize, RestoreOptions
from gpen_ui.settings import Settings
from gpen_ui.texts import Language, pick_language

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer

PREFIX = "/api/v1"
NUMBER_MOST = 1_000_000_000  # of photos of a run, and of places in a list


class Chosen(Protocol):
    """Model, device and batch size that the server works with, unless a run names others."""

    @property
    def model(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def batch_size(self) -> BatchSize: ...


class Engine(Protocol):
    """What REST needs of the server's shared service."""

    @property
    def chosen(self) -> Chosen:
        """What new runs work with."""
        ...

    @property
    def usual_options(self) -> RestoreOptions:
        """The defaults of this installation."""
        ...

    @property
    def runs(self) -> Runs:
        """The runs that page and REST share."""
        ...

    @property
    def restorer(self) -> Restorer | None:
        """The loaded model; None while there is none."""
        ...

    @property
    def load_error(self) -> GpenError | None:
        """Why there is no restorer."""
        ...

    def using(self, batch_size: BatchSize | None, stop: threading.Event) -> AbstractContextManager[Restorer]:
        """The restorer for one piece of work alone; waits for its turn."""
        ...


@dataclass
class Places:
    """The queue's limit. Runs that wait or are worked on have a place, and so has every photo that is restored at once
    and every upload that is coming in."""

    engine: Engine
    limit: int
    _held: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def taken(self) -> int:
        return self._held + self.engine.runs.at_work

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place; a run that was started inside has one of its own afterwards.

        Raises:
            UsageError: all are taken.
        """
        with self._lock:
            if self.taken >= self.limit:
                raise UsageError("api_queue_full", limit=self.limit)
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1


@dataclass(frozen=True)
class Parts:
    """Given to every route.

    Attributes:
        own_threads: for photos that are restored at once. They may wait long, and must not take the threads of others;
            two, so that one is written while the next is restored.
    """

    engine: Engine
    settings: Settings
    places: Places
    own_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))

    @property
    def runs(self) -> Runs:
        return self.engine.runs

    @property
    def uploads_folder(self) -> Path:
        """Where uploaded photos are kept for as long as their run is; see `gpen_ui.jobs.uploads`."""
        return self.runs.store.folder / FOLDER


def parts_of(request: Request) -> Parts:
    """What this application was built from."""
    parts: Parts = request.app.state.parts
    return parts


def language_of(request: Request) -> Language:
    """The language that the client asks for in Accept-Language."""
    return pick_language(request.headers.get("accept-language"))


def run_of(run_id: str, parts: Annotated[Parts, Depends(parts_of)]) -> RunRecord:
    """A run by its whole id: a shortened one could mean another run tomorrow.

    Raises:
        UsageError: there is none.
    """
    run = parts.runs.run(run_id)
    if run.id != run_id:
        raise UsageError("run_unknown", run=run_id, known=run.id)
    return run


def photo_of(
    run: Annotated[RunRecord, Depends(run_of)],
    number: Annotated[int, PathParameter(ge=1, le=NUMBER_MOST)],
    parts: Annotated[Parts, Depends(parts_of)],
) -> PhotoRecord:
    """A photo of a run by its number.

    Raises:
        UsageError: there is none.
    """
    found = parts.runs.store.ledger.photos(run.id, after=number - 1, limit=1)
    if not found or found[0].number != number:
        raise UsageError("api_photo_unknown", run=run.id, number=number)
    return found[0]


def place_of(request: Request) -> str:
    """The path of this interface as its client sees it: behind a proxy there may be more before `PREFIX`."""
    return str(request.scope.get("root_path") or PREFIX)


GivenParts = Annotated[Parts, Depends(parts_of)]
GivenLanguage = Annotated[Language, Depends(language_of)]
GivenRun = Annotated[RunRecord, Depends(run_of)]
GivenPhoto = Annotated[PhotoRecord, Depends(photo_of)]
GivenPlace = Annotated[str, Depends(place_of)]
