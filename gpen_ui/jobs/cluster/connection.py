"""The connection of this process to Ray. Ray has one per process, so several runs at once share it."""

from __future__ import annotations

import importlib.util
import os
import queue
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.paths import home_folder

REQUIREMENTS = "requirements-ray.txt"
THIS_MACHINE = "local"  # Ray's own word for a cluster that ends with the process
CLIENT = "ray://"
ADDRESS_VARIABLE = "RAY_ADDRESS"  # Ray's own
REACH_S = 5.0  # until somebody must listen at an address
SILENT_S = 90.0  # until the connection must stand; a slow machine takes half a minute to start Ray


def require_ray() -> None:
    """Sees that Ray is installed, without loading it.

    Raises:
        UsageError: it is not; how to install it.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("ray_missing", command=_install_command())


def _install_command() -> str:
    requirements = home_folder() / REQUIREMENTS
    what = ["-r", str(requirements)] if requirements.is_file() else ["gpen-ui[ray]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *what])


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected while the block runs. A connection that the process had already stays as it is.

    Args:
        address: as `ray.init` takes it; empty for `RAY_ADDRESS` or, without that, a cluster of this machine alone.

    Raises:
        UsageError: Ray is not installed, the address is of another kind, or the process is connected elsewhere.
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


class _Keeper:
    """A thread that holds the connection. Ray's processes of this machine end with the thread that started them, and
    runs end in any order; and where the other side is silent, Ray tries for minutes in a way that cannot be broken off.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._main, name="ray", daemon=True).start()

    def call(self, act: Callable[[], Any], timeout_s: float | None = None) -> Any:
        """Does something in the thread and gives back what came of it.

        Raises:
            TimeoutError: it takes longer; it goes on nevertheless.
        """
        answer: Future[Any] = Future()
        self._work.put((act, answer))
        return answer.result(timeout_s)

    def end(self) -> None:
        self._work.put(None)

    def _main(self) -> None:
        while (item := self._work.get()) is not None:
            act, answer = item
            try:
                answer.set_result(act())
            except BaseException as error:
                answer.set_exception(error)


class _Shared:
    """Counts who uses the connection; the last one ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._address = ""
        self._keeper: _Keeper | None = None

    def enter(self, ray: Any, address: str) -> None:
        with self._lock:
            if self._users and self._address not in ("", address):
                raise UsageError("ray_other_address", address=address, connected=self._address)
            if not self._users:
                self._address = ""
                if not ray.is_initialized():
                    self._keeper = _connect(ray, address)
                    self._address = address
            self._users += 1

    def leave(self, ray: Any) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._keeper is not None:
                self._keeper.call(ray.shutdown)
                self._keeper.end()
                self._keeper = None


def _connect(ray: Any, address: str) -> _Keeper:
    _must_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == THIS_MACHINE:
        quiet["include_dashboard"] = False
    keeper = _Keeper()
    begun = time.monotonic()
    try:
        keeper.call(partial(ray.init, address=address, **quiet), SILENT_S)
        return keeper
    except Exception as error:  # Ray raises almost anything here
        keeper.end()
        if isinstance(error, TimeoutError) and time.monotonic() - begun >= SILENT_S:
            raise GpenError("ray_silent", address=address, seconds=round(SILENT_S)) from error
        ray.shutdown()  # it may be connected by half
        reason = " ".join(str(error).split()) or type(error).__name__
        key = "ray_versions" if "ersion mismatch" in reason else "ray_unreachable"
        raise GpenError(key, address=address, reason=reason.rstrip(".")) from error


_shared = _Shared()


def _must_answer(address: str) -> None:
    """Sees that somebody listens at "host:port"; Ray looks for "auto" and "local" itself.

    Raises:
        UsageError: an address of Ray's client, behind which this machine would be no part of the cluster.
        GpenError: nobody listens.
    """
    if address.startswith(CLIENT):
        raise UsageError("ray_client", address=address)
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GpenError("ray_unreachable", address=address, reason=reason) from error
