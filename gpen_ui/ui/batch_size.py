"""The batch size as the page's field gives it."""

from __future__ import annotations

from typing import Any, Literal

from gpen_ui.errors import UsageError, brief
from gpen_ui.options import BatchSize
from gpen_ui.settings import BATCH_SIZE_MOST

AUTO: Literal["auto"] = "auto"


def batch_size_of(value: Any) -> BatchSize:
    """A batch size from its field: "auto", or a number that may be written as text.

    Raises:
        UsageError: neither "auto" nor a whole number from 1 to 256.
    """
    if value == AUTO:
        return AUTO
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if not 1 <= number <= BATCH_SIZE_MOST or str(number) != str(value).strip():
        raise UsageError("page_batch_size", value="" if value is None else brief(value))
    return number
