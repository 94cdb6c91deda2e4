"""Numbers, plurals and dates as each language writes them.

A place in a text may say how its number is written: `{total:,}` groups the digits (1,234), `{total:photo|photos}` adds
the word that goes with it (1 photo, 2 photos). Chinese has no plural and uses the first form alone.
"""

from __future__ import annotations

import string
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpen_ui.texts import Language

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Writer(string.Formatter):
    """Fills the places of a text."""

    def format_field(self, value: object, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if bar:
            return f"{grouped(value)} {one if str(value) == '1' else many}"
        return grouped(value) if format_spec == "," else str(super().format_field(value, format_spec))


def grouped(number: object) -> str:
    """A whole number with its digits in groups of three; anything else as it is."""
    if isinstance(number, int) and not isinstance(number, bool):
        return f"{number:,}"
    return str(number)


def moment(seconds: float, language: Language) -> str:
    """A day and its time of day, in the time of this machine.

    Args:
        seconds: since 1970.
    """
    then = time.localtime(seconds)
    clock = time.strftime("%H:%M", then)
    if language == "zh":
        return f"{then.tm_year}年{then.tm_mon}月{then.tm_mday}日 {clock}"
    return f"{then.tm_mday} {MONTHS[then.tm_mon - 1]} {then.tm_year}, {clock}"
