"""The page with a catalogue whose downloads come from this machine; run as a process of its own by tests."""

from __future__ import annotations

import dataclasses
import json
import sys

import gpen_ui.catalog
import gpen_ui.ui.model_list
import gpen_ui.ui.tab_model
import gpen_ui.weights.find
import gpen_ui.weights.state
from gpen_ui.settings import load_settings
from gpen_ui.ui import serve

if __name__ == "__main__":
    given, changes = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    rows = dict(gpen_ui.catalog.all_models())
    for name, fields in changes.items():
        rows[name] = dataclasses.replace(rows[name], **{**fields, "sources": tuple(fields["sources"])})
    for module in (
        gpen_ui.catalog, gpen_ui.ui.model_list, gpen_ui.ui.tab_model, gpen_ui.weights.find, gpen_ui.weights.state,
    ):  # fmt: skip
        module.all_models = lambda: rows  # type: ignore[attr-defined]
    serve(load_settings(given, {}), on_ready=lambda url: print(url, flush=True))  # noqa: T201 - how the test learns it
