"""Why pydantic refused a value, in the user's language: its own sentences are English alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpen_ui.texts import Language, has, say


class Reason:
    """A reason that can speak for itself inside a sentence of ours.

    Args:
        problem: one of `ValidationError.errors()`.
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        kind = str(problem["type"])
        self.key = f"reason.{kind if has(f'reason.{kind}') else kind.rpartition('_')[0]}"
        self.values: dict[str, Any] = dict(problem.get("ctx", {}))
        self.fallback = str(problem["msg"])

    def sentence(self, language: Language) -> str:
        """The reason, without a full stop."""
        return say(self.key, language, **self.values) if has(self.key) else self.fallback

    def __str__(self) -> str:
        return self.sentence("en")
