"""The real page in a process of its own, for tests that need a browser or a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_S = 90
# The tests are refused more often in a minute than the log takes lines; that it takes no more is tried by itself.
PROGRAM = """
import json, sys
from gpen_ui.settings import load_settings
from gpen_ui.ui import refusals, serve
refusals._limit = refusals.LineLimit(100_000)
serve(load_settings(json.loads(sys.argv[1]), {}), on_ready=lambda url: print(url, flush=True))
"""


@contextmanager
def running_page(log: Path, **settings: Any) -> Iterator[str]:
    """Serves the page on 127.0.0.1 and a free port; gives its address and ends it after.

    Args:
        log: where the server's output goes.
        settings: as in `Settings`, JSON values.
    """
    with started_page(log, **settings) as (server, address):
        yield address
        server.terminate()
        assert server.wait(60) == 0, f"the page did not end in order: {log.read_text(errors='replace')}"


@contextmanager
def started_page(
    log: Path, *, temporary: Path | None = None, catalogue: dict[str, Any] | None = None, **settings: Any
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """As `running_page`, for a test that ends the server in its own way.

    Args:
        temporary: the server's folder for temporary files.
        catalogue: other values for fields of models, by the model's name.
    """
    given = json.dumps({"host": "127.0.0.1", "port": 0, **settings})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GPEN_UI_", "GRADIO_"))}
    environment["XDG_CACHE_HOME"] = str(log.parent / "cache")  # what this machine measured before is not shown
    environment["XDG_CONFIG_HOME"] = str(log.parent / "config")  # nor what its user keeps
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    program = ["-c", PROGRAM] if catalogue is None else ["-m", "tests.catalogue_page"]
    more = [] if catalogue is None else [json.dumps(catalogue)]
    with log.open("ab") as errors:
        server = subprocess.Popen(
            [sys.executable, *program, given, *more], stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        try:
            yield server, _address(server, log)
        finally:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    assert server.stdout is not None
    watchdog = threading.Timer(START_S, server.kill)
    watchdog.start()
    try:
        line = server.stdout.readline().decode().strip()
    finally:
        watchdog.cancel()
    assert line.startswith("http://127.0.0.1:"), f"the page did not start: {log.read_text(errors='replace')}"
    return line
