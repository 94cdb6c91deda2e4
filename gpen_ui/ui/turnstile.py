"""The queue to the device."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gpen_ui.errors import Stopped

LOOK_AGAIN_S = 0.2  # how soon a waiting run notices that it was stopped


class Turnstile:
    """Lets one run at a time to the device, first come, first served.

    Gradio counts concurrency per page, and there is one page per language; this counts for both.
    """

    def __init__(self) -> None:
        self._tickets: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def is_free(self) -> bool:
        return not self._tickets

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[None]:
        """Waits for its turn and holds it.

        Raises:
            Stopped: `stop` was set while waiting.
        """
        ticket = object()
        try:
            with self._changed:
                self._tickets.append(ticket)
                while self._tickets[0] is not ticket:
                    if stop.is_set():
                        raise Stopped("page_stopped")
                    self._changed.wait(LOOK_AGAIN_S)
            yield
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()
