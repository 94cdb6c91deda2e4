"""Who works on a run: at most one process, told by a lock that the system itself takes back when the process dies."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS_FOLDER = "locks"


def owner_name() -> str:
    """This process, as others are told."""
    return f"{socket.gethostname()}, process {os.getpid()}"


class Lease:
    """The right to work on one run.

    A process that was killed leaves no lock behind, so its run can be taken over at once; one that only sleeps (a
    closed laptop) keeps it, and nobody works beside it when it wakes.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        path = folder / LOCKS_FOLDER / f"{re.sub(r'[^0-9a-zA-Z-]', '_', run_id)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path, thread_local=False)

    def take(self) -> bool:
        """Takes the lease if it is free; whether it is ours now."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def give_up(self) -> None:
        self._lock.release()
