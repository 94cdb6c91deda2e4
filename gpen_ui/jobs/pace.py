"""How fast a run is, and how long it still takes.

The pace is the mean time between the ends of the last `LAST_PHOTOS` photos, pauses left out. A mean and not a median:
the time left is a sum, and a group photo among ninety-nine portraits takes its time all the same. What is assumed is
that the photos left hold as many faces as the last ones did. Before `FEWEST_PHOTOS` are through, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

LAST_PHOTOS = 40
FEWEST_PHOTOS = 3


def photos_per_minute(paces_s: Sequence[float]) -> float | None:
    """From the seconds that each of the last photos took; None when they are too few."""
    mean_s = _mean(paces_s)
    return None if mean_s is None else 60.0 / mean_s


def seconds_left(paces_s: Sequence[float], left: int) -> float | None:
    """For so many photos that are left; None when it is too early to say."""
    mean_s = _mean(paces_s)
    return None if mean_s is None else mean_s * left


def _mean(paces_s: Sequence[float]) -> float | None:
    if len(paces_s) < FEWEST_PHOTOS or sum(paces_s) <= 0:
        return None
    return sum(paces_s) / len(paces_s)
