"""What runs on the machines of the cluster: one restorer per actor, fed by calls that each carry one photo.

The calls run in threads of their own and meet in one stream, so that faces of several photos share batches as they do
in one process. The caller sees to it that only a few are under way at a time.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpen_ui.engine.output import output_of
from gpen_ui.engine.sources import Chosen
from gpen_ui.errors import DeviceError, GpenError
from gpen_ui.jobs.cluster.parcel import Parcel, program
from gpen_ui.jobs.crops import KeptCrops, UnkeptCrops
from gpen_ui.jobs.digest import digest_of
from gpen_ui.jobs.outcome import Outcome, failed, outcome_of
from gpen_ui.jobs.types import PhotoRecord, RunSettings
from gpen_ui.options import RestoreOptions
from gpen_ui.paths import shown
from gpen_ui.photo import PhotoFile

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer
    from gpen_ui.engine.backdrop import TileProgress
    from gpen_ui.engine.results import RestoredPhoto

LINGER_S = 0.1  # how long the stream waits for another photo before it finishes those that it has
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchOrder:
    """What an actor is set up with.

    Attributes:
        number: of the actor, from 1; results name it.
        node_id: of the driver's own node.
        crops_folder: of the store; actors on that node can reach it.
    """

    number: int
    parcel: Parcel
    options: RestoreOptions
    settings: RunSettings
    max_megapixels: int
    node_id: str
    crops_folder: Path


@dataclass(frozen=True)
class Greeting:
    """What an actor says of itself when it is ready: the computer's name, its process, and what the network runs on."""

    host: str
    process: int
    device: str


@dataclass(frozen=True)
class Fallen:
    """The stream of an actor fell over; one of the photos in it is why."""

    reason: str


class Bench:
    """The actor. Its methods are called by Ray, several at a time."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Chosen, Future[Any]]] = queue.SimpleQueue()
        self._others: dict[str, Any] = {}
        self._stop = threading.Event()
        self._order: BenchOrder | None = None
        self._place = ""
        self._crops: KeptCrops | UnkeptCrops | None = None
        self._tiles = 0

    def program(self) -> str:
        """See `parcel.program`. Asked before anything else travels."""
        return program()

    def load(self, order: BenchOrder) -> Greeting | GpenError:
        """Loads the model, once; everything else comes after."""
        import ray

        context = ray.get_runtime_context()
        try:
            restorer = self._loaded(ray, order, wants_card=bool(context.get_accelerator_ids().get("GPU")))
        except GpenError as error:
            return error
        self._place = f"{socket.gethostname()} #{order.number}"
        settings = order.settings
        if settings.keep_crops and settings.crops_mb > 0:
            if order.node_id == context.get_node_id():
                self._crops = KeptCrops(order.crops_folder, restorer.model_sha256, settings.crops_mb)
            else:
                self._crops = UnkeptCrops()
        self._order = order
        threading.Thread(target=self._work, args=(restorer, order.options), name="stream", daemon=True).start()
        return Greeting(socket.gethostname(), os.getpid(), restorer.device_report.name)

    def _loaded(self, ray: Any, order: BenchOrder, *, wants_card: bool) -> Restorer:
        from gpen_ui.engine import Restorer
        from gpen_ui.engine.loading import AtHand

        # Ray shows an actor its own card only, which is the first one there
        device = order.settings.device.partition(":")[0]

        @contextmanager
        def folder_again() -> Iterator[Path]:
            with order.parcel.unpacked(ray, self._others) as (_, folder):
                yield folder

        with order.parcel.unpacked(ray, {}) as (model, folder):
            restorer = Restorer.load(
                model,
                device=device,
                batch_size=order.settings.batch_size,
                models_folder=folder,
                max_megapixels=order.max_megapixels,
                # another reference for the name is another file
                at_hand=AtHand(folder_again, lambda path: self._others.get(path.name)),
            )
        why = restorer.device_report.why
        if wants_card and why is not None:
            raise DeviceError("ray_card_unusable", host=socket.gethostname(), reason=why)
        return restorer

    def restore(
        self, photo: PhotoRecord, file: PhotoFile, recipe: str, others: dict[str, Any]
    ) -> Outcome | Fallen | None:
        """Restores and encodes one photo.

        Args:
            others: the files of networks that single faces ask for; see `OtherFiles`.

        Returns:
            What came of it; None when it was not begun, because the work is stopped or the model not loaded.
        """
        if self._order is None or self._stop.is_set():
            return None
        answer: Future[RestoredPhoto | Fallen | None] = Future()
        self._others |= others
        self._waiting.put((Chosen(file, photo.choices), answer))
        restored = answer.result()
        if restored is None or isinstance(restored, Fallen):
            return restored
        restored = replace(restored, device=f"{restored.device}, {self._place}")
        try:
            return outcome_of(photo, restored, recipe, digest_of(file.data), output_of(self._order.settings))
        except Exception as error:
            log.exception("the end of %s", photo.path)
            reason = str(error) or type(error).__name__
            return failed(photo, GpenError("photo_unexpected", name=shown(photo.path.name), reason=reason), recipe)

    def tiles(self) -> int:
        """Tiles of backgrounds that are done so far: whether it works on a photo that takes long."""
        return self._tiles

    def stop(self) -> None:
        """Ends the work after the batch in flight; every call under way comes back."""
        self._stop.set()

    def close(self) -> None:
        """Waits for restored faces that are being put by."""
        if isinstance(self._crops, KeptCrops):
            self._crops.close()

    # ---- the stream ----

    def _work(self, restorer: Restorer, options: RestoreOptions) -> None:
        """One stream after another, each as long as photos keep coming."""
        while True:
            first = self._waiting.get()
            flight: deque[Future[Any]] = deque()
            try:
                if not self._stop.is_set():
                    sources = self._sources(first, flight)
                    results = restorer.restore_many(
                        sources, options, stop=self._stop, crops=self._crops, watch=self._tile_done
                    )
                    for restored in results:
                        flight.popleft().set_result(restored)
                left: Fallen | None = None
            except BaseException as error:  # whatever it is, the caller decides
                log.exception("the stream fell over")
                left = Fallen(str(error).strip() or type(error).__name__)
            for answer in flight:
                answer.set_result(left)
            if not first[1].done():  # not even taken
                first[1].set_result(left)

    def _tile_done(self, tile: TileProgress) -> None:
        self._tiles += 1

    def _sources(self, first: tuple[Chosen, Future[Any]], flight: deque[Future[Any]]) -> Iterator[Chosen]:
        item: tuple[Chosen, Future[Any]] | None = first
        while item is not None:
            flight.append(item[1])
            yield item[0]
            item = None
            with suppress(queue.Empty):
                item = self._waiting.get(timeout=LINGER_S)
