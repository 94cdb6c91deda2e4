"""Servers in processes of their own, made from one process that has loaded what every server needs: without that each
of them takes several seconds of a core to import Gradio and torch."""

from __future__ import annotations

import atexit
import dataclasses
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

START_S = 240  # far more than a start takes, also on a busy machine
END_S = 60
LOADED = ("tests.served", "gpen_ui.ui.server", "gpen_ui.ui.page", "gpen_ui.api.app", "gpen_ui.engine.restorer")


class Server:
    """One server.

    Args:
        given: as in `Settings`, JSON values.
        log: where its output goes.
        environment: all of its variables.
        catalogue: other values for fields of models, by the model's name.

    Attributes:
        address: where it listens.
    """

    def __init__(
        self,
        given: Mapping[str, Any],
        log: Path,
        environment: Mapping[str, str],
        catalogue: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        ours, theirs = _context.Pipe(duplex=False)
        what = (dict(given), log, dict(environment), dict(catalogue or {}), theirs)
        self.process = _context.Process(target=_serve, args=what)
        self.process.start()
        theirs.close()
        if not ours.poll(START_S):
            self.kill()
        try:
            self.address = str(ours.recv())
        except EOFError:
            self.kill()
            raise AssertionError(f"the server did not start: {log.read_text(errors='replace')}") from None
        finally:
            ours.close()

    def kill(self) -> None:
        """As the machine does when it has no memory."""
        self.process.kill()
        self.process.join()

    def terminate(self) -> int | None:
        """Ends it in order; its exit code."""
        self.process.terminate()
        self.process.join(END_S)
        return self.process.exitcode


def _serve(
    given: dict[str, Any],
    log: Path,
    environment: dict[str, str],
    catalogue: dict[str, dict[str, Any]],
    ready: Connection,
) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as the variables say
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    if catalogue:
        _replace_rows(catalogue)
    from gpen_ui.measure import prices
    from gpen_ui.settings import load_settings
    from gpen_ui.ui import refusals, serve

    # The tests are refused more often in a minute than the log takes lines; that it takes no more is tried by itself.
    refusals._limit = refusals.LineLimit(100_000)
    # How many rounds prices are measured in is tried without a server, too.
    prices.LEAST_ROUNDS, prices.PATIENCE_S = 1, 0.0
    try:
        serve(load_settings(given, {}), on_ready=ready.send)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


def _end_with_the_tests() -> None:
    """Tests that are killed cannot end their servers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _replace_rows(changes: dict[str, dict[str, Any]]) -> None:
    """A catalogue whose downloads come from this machine."""
    import gpen_ui.catalog
    import gpen_ui.ui.model_list
    import gpen_ui.ui.tab_model
    import gpen_ui.weights.find
    import gpen_ui.weights.state

    rows = dict(gpen_ui.catalog.all_models())
    for name, fields in changes.items():
        rows[name] = dataclasses.replace(rows[name], **{**fields, "sources": tuple(fields["sources"])})
    for module in (
        gpen_ui.catalog, gpen_ui.ui.model_list, gpen_ui.ui.tab_model, gpen_ui.weights.find, gpen_ui.weights.state,
    ):  # fmt: skip
        module.all_models = lambda: rows  # type: ignore[attr-defined]


_context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    _context.set_forkserver_preload(list(LOADED))
