"""How many faces go through a device at once: measured, kept on disk, and the smallest number that loses nothing."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from gpen_ui.errors import OutOfMemoryError
from gpen_ui.paths import write_whole

log = logging.getLogger(__name__)
LARGEST = 64  # faces; no card gains beyond
LARGEST_ON_PROCESSOR = 8  # it takes them in parts of a few anyway (placement.py); beyond is noise
WORTH_IT = 1.05  # a batch within this of the quickest is good enough when it is smaller
FLAT = 1.03  # doubling that gains less than this twice in a row ends the measurement


@dataclass(frozen=True)
class Sample:
    """One batch size, measured.

    Attributes:
        faces: in the batch.
        seconds_per_face: transfers to and from the device included.
        memory_bytes: what the batch takes beyond the model; None where the system does not tell.
    """

    faces: int
    seconds_per_face: float
    memory_bytes: int | None


@dataclass(frozen=True)
class Curve:
    """What was measured on one device with one model.

    Attributes:
        samples: batch sizes in rising order, at least one.
        out_of_memory_at: the batch size that did not fit, None when all did.
    """

    samples: tuple[Sample, ...]
    out_of_memory_at: int | None = None

    @property
    def knee(self) -> int:
        """The smallest batch that is within five percent of the quickest."""
        best = min(sample.seconds_per_face for sample in self.samples)
        return next(sample.faces for sample in self.samples if sample.seconds_per_face <= best * WORTH_IT)


def measure_curve(sample: Callable[[int], Sample], free_bytes: int | None, largest: int = LARGEST) -> Curve:
    """Doubles the batch until the gain flattens or memory runs short.

    Args:
        sample: measures a batch size; raises OutOfMemoryError when it does not fit.
        free_bytes: memory that may be used; a batch is not tried when twice the last one's need is more.

    Raises:
        OutOfMemoryError: not even one face fits.
    """
    samples: list[Sample] = []
    faces, flat = 1, 0
    while faces <= largest and flat < 2:
        last = samples[-1] if samples else None
        if last and last.memory_bytes and free_bytes is not None and 2 * last.memory_bytes > free_bytes:
            return Curve(tuple(samples), out_of_memory_at=faces)
        try:
            samples.append(sample(faces))
        except OutOfMemoryError:
            if not samples:
                raise
            return Curve(tuple(samples), out_of_memory_at=faces)
        gained = last is None or last.seconds_per_face > FLAT * samples[-1].seconds_per_face
        flat = 0 if gained else flat + 1
        faces *= 2
    return Curve(tuple(samples))


class Curves:
    """The curves of this user, one small file for each device, model, number type and PyTorch.

    A file that cannot be read or written costs a new measurement and nothing else.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder() / "batch"

    def load(self, *key: str) -> Curve | None:
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            samples = tuple(Sample(**sample) for sample in record["samples"])
            return Curve(samples, record["out_of_memory_at"]) if samples else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, curve: Curve, *key: str) -> None:
        path = self._path(key)
        record = {"for": list(key), **asdict(curve)}
        try:
            write_whole(path, json.dumps(record, indent=2))
        except OSError as error:
            log.warning("the measured batch sizes cannot be kept in %s: %s", path, error)

    def _path(self, key: tuple[str, ...]) -> Path:
        return self._folder / file_name(key)


def file_name(key: tuple[str, ...]) -> str:
    """A short name for what was measured for this device, model and so on."""
    return f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]}.json"


def cache_folder() -> Path:
    """Where this user's caches of the program lie."""
    from platformdirs import user_cache_path

    return user_cache_path("gpen-ui", appauthor=False)
