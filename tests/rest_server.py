"""The real server in a process of its own, with a small network, for tests of REST: it can be killed and started
again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.jobs_lab import save_tiny_network
from tests.served import Server

WAIT_S = 90  # far more than anything here takes, also on a busy machine
TOKEN = "a-token-of-the-tests-0123"


class RestServer:
    """Serves `folder/outputs`, and may read `folder/photos`.

    Args:
        settings: as in `Settings`, JSON values.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.photos = folder / "photos"
        self.outputs = folder / "outputs"
        self.log = folder / "server.log"
        self.photos.mkdir(exist_ok=True)
        model = folder / "tiny.pth"
        if not model.exists():
            save_tiny_network(model)
        self._given = {
            "host": "127.0.0.1",
            "port": 0,
            "device": "cpu",
            "model": str(model),
            "outputs_folder": str(self.outputs),
            "allowed_folders": [str(self.photos)],
            **settings,
        }
        self.process: Server | None = None
        self.url = ""

    def start(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("GPEN_UI_", "GRADIO_"))
        }
        environment |= {"OMP_NUM_THREADS": "1"}  # on a busy machine two threads wait for each other
        self.process = Server(self._given, self.log, environment)
        self.url = self.process.address

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def end(self) -> None:
        """In order, as Ctrl-C does; tracebacks in the log are failures."""
        assert self.process is not None and self.process.terminate() == 0
        assert "Traceback" not in self.log.read_text(errors="replace"), self.log.read_text(errors="replace")

    def client(self, **headers: str) -> httpx.Client:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=given, timeout=WAIT_S, trust_env=False)


@contextmanager
def running_rest(folder: Path, **settings: Any) -> Iterator[RestServer]:
    server = RestServer(folder, **settings)
    server.start()
    try:
        yield server
        server.end()
    finally:
        server.kill()


def until(condition: Callable[[], Any], wait_s: float = WAIT_S) -> Any:
    """Waits for something that will be, and gives it back."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def ended(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """The run when nobody works on it any more."""

    def look() -> dict[str, Any] | None:
        run: dict[str, Any] = client.get(f"/runs/{run_id}").json()
        assert run["planned"] == run["done"] + run["failed"] + run["skipped"] + run["left"]
        return run if run["state"] in ("done", "cancelled", "broken", "paused") else None

    found: dict[str, Any] = until(look)
    return found
