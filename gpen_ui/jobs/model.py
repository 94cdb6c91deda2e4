"""Which network, with which options, a result was made by."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from gpen_ui.jobs.store import RunStore, options_hash
from gpen_ui.jobs.types import RunRecord
from gpen_ui.weights.files import sha256_of


def model_hash_of(store: RunStore, path: Path) -> str:
    """The SHA-256 of a checkpoint; computed once for each state of the file."""
    facts, key = path.stat(), os.fsencode(os.path.realpath(path))
    known = store.database.row(
        "SELECT sha256 FROM models WHERE path = ? AND size_bytes = ? AND mtime_ns = ?",
        (key, facts.st_size, facts.st_mtime_ns),
    )
    if known is not None:
        return str(known["sha256"])
    digest = sha256_of(path)
    with store.database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?)", (key, facts.st_size, facts.st_mtime_ns, digest)
        )
    return digest


def recipe_of(run: RunRecord) -> str:
    """Tells what decides how a result looks: options, network, format and what its file carries. How it is called does
    not count."""
    settings = run.settings
    parts = [options_hash(run.options), run.model_hash, settings.output_format, settings.metadata, settings.ai_note]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
