"""The actors of one run: how many, with what, and which of them can work just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpen_ui.jobs.cluster.bench import BenchOrder
from gpen_ui.jobs.cluster.connection import connected
from gpen_ui.jobs.cluster.feed import RayFeed
from gpen_ui.jobs.cluster.parcel import OtherFiles, pack
from gpen_ui.jobs.cluster.seat import Seat
from gpen_ui.jobs.engines import Order
from gpen_ui.jobs.patience import Patience
from gpen_ui.jobs.types import RunRecord, RunSettings, Told
from gpen_ui.options import CARD_BATCH
from gpen_ui.settings import Settings

TICK_S = 0.2
FAREWELL_S = 5.0  # for actors to put by the last restored faces
PATIENCE_S = 20.0  # without any actor for so long, the run says that it waits for the cluster
CORES_USUAL = 4  # of an actor without a GPU; more gain little
BESIDE_TWO_BATCHES = 8  # photos that are with an actor besides, so that none of its stages waits for the next one
WITHOUT_BATCHES = 6  # photos with an actor on a processor, where faces go one by one


class RayEngine:
    """Implements `Engine` on a Ray cluster. Used by the one thread that works on the run.

    Attributes:
        ray: the connected module.
        seats: all actors, also those that are on their way or gone.
        others: the files of networks that single faces ask for.
    """

    turn_s = float("inf")  # the device of this process is not touched, so nobody waits for it

    def __init__(self, ray: Any, run: RunRecord, settings: Settings, patience: Patience, crops_folder: Path) -> None:
        self.ray = ray
        self._patience = patience
        self.others = OtherFiles(ray, settings.models_folder)
        parcel = pack(ray, run.settings.model, settings.models_folder)
        self.model_name, self.model_sha256 = parcel.model_name, parcel.model_sha256
        count, resources, depth = layout(run.settings, ray.nodes())
        self.seats = [
            Seat(
                ray,
                BenchOrder(
                    number=number,
                    parcel=parcel,
                    options=run.options,
                    settings=run.settings,
                    max_megapixels=settings.photo_megapixels,
                    node_id=ray.get_runtime_context().get_node_id(),
                    crops_folder=crops_folder,
                ),
                resources,
                depth,
            )
            for number in range(1, count + 1)
        ]
        self.device = ""

    def feed(self, order: Order) -> RayFeed:
        return RayFeed(self, order)

    @property
    def flights(self) -> dict[Any, Seat]:
        """Ray's reference to every result that is awaited, and who makes it."""
        return {reference: seat for seat in self.seats for reference in seat.flights}

    def attend(self, timeout_s: float = 0.0) -> None:
        """Lets actors get ready that are on their way."""
        for seat in self.seats:
            seat.greet()
        coming = {seat.greeting: seat for seat in self.seats if seat.greeting is not None}
        if coming:
            there, _ = self.ray.wait(list(coming), num_returns=len(coming), timeout=timeout_s)
            for reference in there:
                coming[reference].greeted()
        elif timeout_s:
            time.sleep(timeout_s)

    def wait(self, timeout_s: float) -> Iterator[tuple[Seat, Any]]:
        """Results that are here, or known to be lost, as soon as there is one."""
        flights = self.flights
        there, _ = self.ray.wait(list(flights), num_returns=1, timeout=timeout_s)
        if there:
            there, _ = self.ray.wait(list(flights), num_returns=len(flights), timeout=0)
        for reference in there:
            yield flights[reference], reference

    def wait_for_a_seat(self, stop: threading.Event) -> None:
        """Returns when an actor can take photos, or `stop` is set.

        Raises:
            Interrupted: something else was wished while the run waited for the cluster.
            GpenError: none ever will, with the reason of the last one.
        """
        until = time.monotonic() + PATIENCE_S
        while not stop.is_set() and not self._is_someone_ready():
            if time.monotonic() > until:
                self._patience.hold(Told("runs.held.ray"), self._look_again)
            self.attend(TICK_S)

    def _look_again(self) -> bool:
        self.attend()
        return self._is_someone_ready()

    def _is_someone_ready(self) -> bool:
        troubles = [seat.trouble for seat in self.seats if seat.trouble is not None]
        if len(troubles) == len(self.seats):
            raise troubles[-1]
        ready = [seat.ready for seat in self.seats if seat.ready is not None]
        if ready and not self.device:
            self.device = f"Ray: {len(self.seats)} x {ready[0].device}"
        return bool(ready)

    def close(self) -> None:
        """Ends all actors."""
        farewells = [farewell for seat in self.seats if (farewell := seat.farewell()) is not None]
        if farewells:
            self.ray.wait(farewells, num_returns=len(farewells), timeout=FAREWELL_S)
        for seat in self.seats:
            seat.close()


@contextmanager
def ray_engine(
    run: RunRecord, settings: Settings, patience: Patience, stop: threading.Event, crops_folder: Path
) -> Iterator[RayEngine]:
    """Connects to the cluster of a run and starts its actors; at least one is ready then, unless `stop` is set.

    Args:
        settings: of this installation: where its models lie, and how large a photo may be.
        crops_folder: where restored faces are kept, for actors on this very machine.

    Raises:
        UsageError: Ray is not installed.
        GpenError: the cluster cannot be reached, the model is not there, or no actor can work.
        Interrupted: something else was wished while the run waited for the cluster.
    """
    with connected(run.settings.ray_address) as ray:
        engine = RayEngine(ray, run, settings, patience, crops_folder)
        try:
            engine.wait_for_a_seat(stop)
            yield engine
        finally:
            engine.close()


def layout(settings: RunSettings, nodes: list[dict[str, Any]]) -> tuple[int, dict[str, Any], int]:
    """How the actors of a run are laid out over a cluster.

    Args:
        nodes: as from `ray.nodes()`.

    Returns:
        Their number, what each demands of Ray, and how many photos may be with each.
    """
    at_once = CARD_BATCH if settings.batch_size == "auto" else settings.batch_size
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    cards = int(sum(node.get("GPU", 0) for node in alive))
    if cards and settings.device != "cpu":
        cores, count, depth = settings.ray_cores or 1, cards, 2 * at_once + BESIDE_TWO_BATCHES
    else:
        cards = 0
        largest = max((int(node.get("CPU", 0)) for node in alive), default=0)
        cores = settings.ray_cores or max(1, min(CORES_USUAL, largest))
        count = sum(int(node.get("CPU", 0)) // cores for node in alive)
        depth = WITHOUT_BATCHES
    demands = {"num_cpus": cores, "num_gpus": 1 if cards else 0, "scheduling_strategy": "SPREAD"}
    return settings.ray_actors or max(1, count), demands, depth
