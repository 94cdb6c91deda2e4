"""Quantiles in a few steps: NumPy lets go of Python's lock six times for each, and many are taken of a photo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantile(values: NDArray[Any], share: float) -> float:
    """The value that this share of all values lies below, linear between two of them, as `np.quantile` gives it.

    Args:
        values: one at least, in any shape.
        share: 0 to 1.
    """
    at = share * (values.size - 1)
    low = int(at)
    # the copy is sorted up to the place; what lies behind it is no smaller, so the next value is its least
    placed = np.partition(values, low, axis=None)
    first = float(placed[low])
    if at == low:
        return first
    return first + (float(placed[low + 1 :].min()) - first) * (at - low)


def median(values: NDArray[Any]) -> float:
    """The value in the middle, or the mean of the two there."""
    return quantile(values, 0.5)
