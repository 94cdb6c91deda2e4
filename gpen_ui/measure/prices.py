"""What each option costs on this machine: its extra time beside that of one face in the network."""

from __future__ import annotations

import json
import logging
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpen_ui import __version__
from gpen_ui.engine import tuning
from gpen_ui.engine.recent import RecentCrops
from gpen_ui.engine.restorer import Restorer
from gpen_ui.errors import ModelError, Stopped
from gpen_ui.measure.samples import portrait
from gpen_ui.options import ActsOn, OptionSpec, RestoreOptions, option_specs, parse_options
from gpen_ui.paths import write_whole
from gpen_ui.photo import Photo

log = logging.getLogger(__name__)
KEPT_BYTES = 1 << 28
ROUNDS, LEAST_ROUNDS = 7, 3
PATIENCE_S = 18.0  # no further round is begun after this
NETWORK_STAGES = ("read", "detect", "align", "network")  # no option of the result changes them
# What each option is compared with; others start from False, 0 or their first choice.
NEUTRAL: dict[str, Any] = {"strength": 50, "mode": "strong", "output_scale": 1}
ESTIMATED = "background"  # minutes on a processor: its price comes from a timed part of a photo
ANOTHER_PHOTO = ("output_scale", "background")  # they make every pixel anew, so they are no adjustment of the photo
FULL: dict[str, Any] = {"strength": 100}  # other numbers are tried at half of their range, as presets have them

Advance = Callable[[int, int], None]  # runs done, runs planned


@dataclass(frozen=True)
class Price:
    """The extra time of one option at one value.

    Attributes:
        option, value: for example "denoise", 50.
        acts_on: "face" prices hold for each face, "photo" prices for each photo of 1280 x 960.
        seconds: against the same photo without it, the median of several rounds; noise can make it slightly negative.
    """

    option: str
    value: Any
    acts_on: ActsOn
    seconds: float


@dataclass(frozen=True)
class PriceList:
    """What was measured on one device with one model.

    Attributes:
        face_seconds: one face in the network, the median of the same rounds.
        prices: one for each option and tried value.
    """

    face_seconds: float
    prices: tuple[Price, ...]

    def share(self, price: Price) -> float:
        """The extra time as a share of a face's time in the network."""
        return price.seconds / self.face_seconds

    def together(self, acts_on: ActsOn) -> float:
        """Share of a face's time that all options of one kind cost together, each at its dearest tried value.

        The output scale and a background by a network are left out: they make another photo.
        """
        dearest: dict[str, float] = {}
        for price in self.prices:
            if price.acts_on == acts_on and price.option not in ANOTHER_PHOTO:
                dearest[price.option] = max(dearest.get(price.option, 0.0), price.seconds)
        return sum(dearest.values()) / self.face_seconds


def tried_values(spec: OptionSpec) -> tuple[Any, ...]:
    """The values of an option that get a price."""
    if spec.kind == "bool":
        return (True,)
    if spec.kind == "choice":
        return tuple(choice for choice in spec.choices if choice != neutral_value(spec))
    return (FULL.get(spec.name, int((spec.high or 0) / 2)),)


def neutral_value(spec: OptionSpec) -> Any:
    """The value that an option's price is compared with."""
    blank: dict[str, Any] = {"bool": False, "int": 0, "float": 0.0, "choice": spec.choices[0] if spec.choices else None}
    return NEUTRAL.get(spec.name, blank[spec.kind])


def measure_prices(
    restorer: Restorer,
    *,
    rounds: int = ROUNDS,
    stop: threading.Event | None = None,
    advance: Advance = lambda done, total: None,
) -> PriceList:
    """Restores one portrait with and without each option, in turns, so that a busy machine slows all alike.

    The network runs in each round once; the options work on its kept result, as they do in a resumed run. About 15
    seconds on two processor cores with the model that comes along.

    Args:
        rounds: at most; after `PATIENCE_S` no further one is begun, but `LEAST_ROUNDS` are made.
        advance: told after each run.

    Raises:
        Stopped: `stop` was set.
    """
    specs = [spec for spec in option_specs() if spec.acts_on != "input"]
    neutral = {spec.name: neutral_value(spec) for spec in specs}
    variants = [(spec, value) for spec in specs for value in tried_values(spec) if spec.name != ESTIMATED]
    photo, kept = portrait(), RecentCrops(KEPT_BYTES)
    extra: list[list[float]] = [[] for _ in variants]
    faces: list[float] = []
    restorer.restore(photo, parse_options(neutral))  # warms everything up
    done, start = 0, time.perf_counter()
    for number in range(rounds):
        if number >= min(rounds, LEAST_ROUNDS) and time.perf_counter() - start > PATIENCE_S:
            break
        kept.clear()
        faces.append(_run(restorer, photo, parse_options(neutral), kept)["network"])
        without = _after_network(_run(restorer, photo, parse_options(neutral), kept))
        for place, (spec, value) in enumerate(variants):
            if stop is not None and stop.is_set():
                raise Stopped("measure_stopped")
            seconds = _run(restorer, photo, parse_options({**neutral, spec.name: value}), kept)
            extra[place].append(_after_network(seconds) - without)
            done += 1
            advance(done, rounds * len(variants))
    prices = tuple(
        Price(spec.name, value, spec.acts_on, statistics.median(seconds))
        for (spec, value), seconds in zip(variants, extra, strict=True)
    )
    return PriceList(statistics.median(faces), prices + _background_price(restorer, photo))


def _background_price(restorer: Restorer, photo: Photo) -> tuple[Price, ...]:
    """Of the whole photo by a network; none where there is no network."""
    try:
        seconds = restorer.background_seconds([photo.size_wh], RestoreOptions(background="realesrgan"))
    except ModelError:
        return ()
    return (Price(ESTIMATED, "realesrgan", "photo", seconds),)


def _run(restorer: Restorer, photo: Photo, options: RestoreOptions, kept: RecentCrops) -> dict[str, float]:
    """Seconds of each stage."""
    restored = next(restorer.restore_many([photo], options, crops=kept))
    if restored.error is not None:
        raise restored.error
    return restored.seconds


def _after_network(seconds: dict[str, float]) -> float:
    return sum(spent for stage, spent in seconds.items() if stage not in NETWORK_STAGES)


class PriceLists:
    """The price lists of this user, kept like the curves: for each device, model, number type, PyTorch and program."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or tuning.cache_folder() / "prices"

    def load(self, restorer: Restorer) -> PriceList | None:
        """What was measured for what the restorer runs on now, or None."""
        try:
            record = json.loads(self._path(restorer).read_text(encoding="utf-8"))
            prices = tuple(Price(**price) for price in record["prices"])
            return PriceList(float(record["face_seconds"]), prices) if record["face_seconds"] > 0 else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, prices: PriceList, restorer: Restorer) -> None:
        path = self._path(restorer)
        try:
            write_whole(path, json.dumps({"for": restorer.measured_for, **asdict(prices)}, indent=2))
        except OSError as error:
            log.warning("the measured prices cannot be kept in %s: %s", path, error)

    def _path(self, restorer: Restorer) -> Path:
        return self._folder / tuning.file_name((*restorer.measured_for, __version__))
