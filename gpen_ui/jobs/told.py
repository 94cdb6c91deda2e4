"""Errors and notes <-> what the store keeps of them."""

from __future__ import annotations

import json
from typing import Any

from gpen_ui.engine.results import Note
from gpen_ui.errors import GpenError
from gpen_ui.jobs.types import Told

_INNER = "$told"  # marks a sentence among the values of another


def told(sentence: GpenError | Note | Told) -> Told:
    """The sentence in the form that can be kept."""
    if isinstance(sentence, Told):
        return sentence
    key = sentence.key if isinstance(sentence, GpenError) else f"note.{sentence.key}"
    return Told(key, {name: _kept(value) for name, value in sentence.values.items()})


def pack(sentence: Told | None) -> str | None:
    """For a column of text."""
    return None if sentence is None else json.dumps(_plain(sentence), ensure_ascii=True)


def pack_many(sentences: tuple[Told, ...]) -> str:
    return json.dumps([_plain(sentence) for sentence in sentences], ensure_ascii=True)


def unpack(text: str | None) -> Told | None:
    return _told(json.loads(text)) if text else None


def unpack_plain(plain: dict[str, Any]) -> Told:
    """A sentence from the form that it has inside an event."""
    return _told(plain)


def unpack_many(text: str | None) -> tuple[Told, ...]:
    return tuple(_told(each) for each in json.loads(text or "[]"))


def _kept(value: Any) -> Any:
    if isinstance(value, GpenError | Note | Told):
        return told(value)
    return value if isinstance(value, int | float | bool) else str(value)


def _plain(sentence: Told) -> dict[str, Any]:
    values = {
        name: {_INNER: _plain(value)} if isinstance(value, Told) else value for name, value in sentence.values.items()
    }
    return {"key": sentence.key, "values": values}


def _told(plain: dict[str, Any]) -> Told:
    values = {
        name: _told(value[_INNER]) if isinstance(value, dict) else value for name, value in plain["values"].items()
    }
    return Told(plain["key"], values)
