"""Names that the page sends. A made-up event may hold anything there, and Gradio lets nothing at all pass as None."""

from __future__ import annotations

from gpen_ui.errors import UsageError


def name_of(value: object) -> str:
    """The name of a preset, a model or a device as its field gives it.

    Raises:
        UsageError: it is no text.
    """
    if not isinstance(value, str):
        raise UsageError("page_event_broken")
    return value
