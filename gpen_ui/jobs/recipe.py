"""What decides how a result looks."""

from __future__ import annotations

import hashlib
import json

from gpen_ui.choices import FaceChoice, as_json
from gpen_ui.jobs.types import RunRecord


def recipe_of(run: RunRecord) -> str:
    """Tells options, network, format and what the file carries. How it is called does not count."""
    settings = run.settings
    return _short([run.options_hash, run.model_hash, settings.output_format, settings.metadata, settings.ai_note])


def with_choices(recipe: str, choices: tuple[FaceChoice, ...]) -> str:
    """The recipe of one photo of the run: the run's own, unless something is asked of single faces."""
    return _short([recipe, as_json(choices)]) if choices else recipe


def _short(parts: list[object]) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
