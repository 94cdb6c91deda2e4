"""What decides how a result looks."""

from __future__ import annotations

import hashlib
import json

from gpen_ui.jobs.types import RunRecord


def recipe_of(run: RunRecord) -> str:
    """Tells options, network, format and what the file carries. How it is called does not count."""
    settings = run.settings
    parts = [run.options_hash, run.model_hash, settings.output_format, settings.metadata, settings.ai_note]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
