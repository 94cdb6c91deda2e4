"""What the tests of runs share: a small network with random weights, photos that are drawn, and a folder to work in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gpen_ui.engine import Restorer
from gpen_ui.jobs import AT_WORK, Event, RunRecord, Runs, RunSettings, RunStore, plan_run
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from tests import pictures

QUICK = RunSettings(reserve_mb=0, recursive=True)
FACE_PX = 90
EVENT_S = 120  # far more than anything here takes, also on a busy machine


def save_tiny_network(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), path)
    return path


@lru_cache(maxsize=1)
def _tiny_restorer(path: Path) -> Restorer:
    return Restorer.load(save_tiny_network(path), device="cpu", batch_size=4)


def draw(path: Path, faces: int = 1, *, shade: int = 0) -> Path:
    """A photo with so many faces (0 draws a landscape); another shade is another photo."""
    pixels = pictures.crowd(faces, 1, face_px=FACE_PX) if faces else pictures.landscape()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels.astype(int) + shade, 0, 255).astype(np.uint8)).save(path)
    return path


def draw_many(folder: Path, count: int, extension: str = ".png") -> list[Path]:
    return [draw(folder / f"{number:03}{extension}", number % 3, shade=number % 40) for number in range(count)]


class Lab:
    """Photos in `photos/`, results in `results/`, the store in `store/`."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.photos = folder / "photos"
        self.results = folder / "results"
        self.photos.mkdir(exist_ok=True)
        self.store = RunStore.open(folder / "store")
        self.restorer = _tiny_restorer(model)
        self.loads = 0
        self.runs = Runs(self.store, self.load)

    @contextmanager
    def load(self, run: RunRecord, stop: threading.Event) -> Iterator[Restorer]:
        self.loads += 1
        yield self.restorer

    def plan(self, options: RestoreOptions | None = None, settings: RunSettings = QUICK) -> str:
        """A new run over `photos/`; its id."""
        is_result = self.store.ledger.is_result
        return self.runs.create(plan_run([self.photos], self.results, options, settings, is_result=is_result))

    def do(self, run_id: str) -> None:
        """Works on a run to its end."""
        self.runs.start(run_id)
        assert self.runs.wait(run_id, 60)

    def files(self) -> list[str]:
        """Everything in the results folder, hidden files too."""
        if not self.results.exists():
            return []
        found = (path for path in self.results.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.results)) for path in found)

    def outcome(self, run_id: str) -> dict[str, str]:
        """Name of each photo -> its state."""
        return {photo.path.name: photo.state for photo in self.store.ledger.photos(run_id, limit=10_000)}

    def reason(self, run_id: str, name: str) -> str:
        """Why a photo has the state that it has."""
        (photo,) = (photo for photo in self.store.ledger.photos(run_id, limit=10_000) if photo.path.name == name)
        assert photo.why is not None
        return photo.why.sentence("en")

    def close(self) -> None:
        self.runs.close()
        self.store.close()


def happened(runs: Runs, run_id: str, wanted: Callable[[Event], bool], count: int = 1) -> Event:
    """The event with which so many of them have happened, as soon as it has; it may be another process that works."""
    after, until = 0, time.monotonic() + EVENT_S
    while time.monotonic() < until:
        ended = runs.run(run_id).state not in AT_WORK
        events = runs.events(run_id, after)
        for event in events:
            after, count = event.seq, count - wanted(event)
            if count == 0:
                return event
        assert events or not ended, "the run ended before"
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def is_held(event: Event) -> bool:
    return event.data.get("state") == "held"


def is_photo(event: Event) -> bool:
    return event.kind == "photo"


@contextmanager
def one_thread() -> Iterator[None]:
    """On a busy machine two threads wait for each other far longer than a small network computes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
