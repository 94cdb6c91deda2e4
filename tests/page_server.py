"""The real page in a process of its own, for tests that need a browser or a socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.served import Server


@contextmanager
def running_page(log: Path, **settings: Any) -> Iterator[str]:
    """Serves the page on 127.0.0.1 and a free port; gives its address and ends it after.

    Args:
        log: where the server's output goes.
        settings: as in `Settings`, JSON values.
    """
    with started_page(log, **settings) as (server, address):
        yield address
        assert server.terminate() == 0, f"the page did not end in order: {log.read_text(errors='replace')}"


@contextmanager
def started_page(
    log: Path, *, temporary: Path | None = None, catalogue: dict[str, Any] | None = None, **settings: Any
) -> Iterator[tuple[Server, str]]:
    """As `running_page`, for a test that ends the server in its own way.

    Args:
        temporary: the server's folder for temporary files.
        catalogue: other values for fields of models, by the model's name.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GPEN_UI_", "GRADIO_"))}
    environment["XDG_CACHE_HOME"] = str(log.parent / "cache")  # what this machine measured before is not shown
    environment["XDG_CONFIG_HOME"] = str(log.parent / "config")  # nor what its user keeps
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    server = Server({"host": "127.0.0.1", "port": 0, **settings}, log, environment, catalogue)
    try:
        yield server, server.address
    finally:
        server.kill()
