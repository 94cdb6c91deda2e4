"""The connection of this process to Ray. Ray has one per process, so several runs at once share it."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from gpen_ui.errors import GpenError, UsageError

INSTALL = "pip install -r requirements-ray.txt"
THIS_MACHINE = "local"  # Ray's own word for a cluster that ends with the process
ADDRESS_VARIABLE = "RAY_ADDRESS"  # Ray's own
REACH_S = 5.0  # how long a cluster may take to answer; Ray itself would try for minutes


def require_ray() -> None:
    """Sees that Ray is installed, without loading it.

    Raises:
        UsageError: it is not; how to install it.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("ray_missing", command=INSTALL)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected while the block runs. A connection that the process had already stays as it is.

    Args:
        address: as `ray.init` takes it; empty for `RAY_ADDRESS` or, without that, a cluster of this machine alone.

    Raises:
        UsageError: Ray is not installed, or the process is connected to another cluster.
        GpenError: the cluster cannot be reached, or runs other versions.
    """
    require_ray()
    import ray

    wanted = address or os.environ.get(ADDRESS_VARIABLE) or THIS_MACHINE
    _shared.enter(ray, wanted)
    try:
        yield ray
    finally:
        _shared.leave(ray)


class _Shared:
    """Counts who uses the connection; the last one ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._address = ""
        # Ray's processes of this machine end with the thread that started them, and runs end in any order
        self._keeper: ThreadPoolExecutor | None = None

    def enter(self, ray: Any, address: str) -> None:
        with self._lock:
            if self._users and self._address not in ("", address):
                raise UsageError("ray_other_address", address=address, connected=self._address)
            if not self._users:
                self._address = ""
                if not ray.is_initialized():
                    self._connect(ray, address)
                    self._address = address
            self._users += 1

    def leave(self, ray: Any) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._keeper is not None:
                self._keeper.submit(ray.shutdown).result()
                self._keeper.shutdown()
                self._keeper = None

    def _connect(self, ray: Any, address: str) -> None:
        _must_answer(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        if address == THIS_MACHINE:
            quiet["include_dashboard"] = False
        keeper = ThreadPoolExecutor(1, "ray")
        try:
            keeper.submit(ray.init, address=address, **quiet).result()
        except Exception as error:  # Ray raises almost anything here
            keeper.shutdown()
            reason = " ".join(str(error).split()) or type(error).__name__
            key = "ray_versions" if "ersion mismatch" in reason else "ray_unreachable"
            raise GpenError(key, address=address, reason=reason.rstrip(".")) from error
        self._keeper = keeper


_shared = _Shared()


def _must_answer(address: str) -> None:
    """Sees that somebody listens at "host:port" or "ray://host:port"; Ray looks for the others itself.

    Raises:
        GpenError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GpenError("ray_unreachable", address=address, reason=reason) from error
