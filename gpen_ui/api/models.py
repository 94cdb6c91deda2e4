"""The shapes of the answers, for the OpenAPI document. Answers may hold more than is named here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gpen_ui.jobs.types import PhotoState


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorFacts(BaseModel):
    """`key` is for programs and never changes its meaning; `message` is one sentence for a person."""

    key: str
    message: str


class ErrorAnswer(BaseModel):
    error: ErrorFacts


class RunAnswer(Answer):
    """A run with its progress; `planned == done + failed + skipped + left`, always.

    Attributes:
        state: planned, queued, running, held, watching, paused, done, cancelled, broken or interrupted.
        why: a sentence on why it is held or broken.
        seconds_left: None until enough photos are through to say so honestly.
        current: names of the photos that are being worked on.
    """

    id: str
    state: str
    why: str | None
    inputs: list[str]
    output_folder: str
    options: dict[str, Any]
    planned: int
    done: int
    failed: int
    skipped: int
    left: int
    ignored: int
    faces_restored: int
    faces_failed: int
    percent: float
    seconds_left: float | None
    photos_per_minute: float | None
    current: list[str]


class RunList(BaseModel):
    runs: list[RunAnswer]


class PhotoAnswer(Answer):
    """A photo of a run; `result` is the path on the server, `result_url` leads to its bytes, `choices` say what was
    asked of single faces, as the field `faces` takes it."""

    number: int
    source: str
    name: str
    outcome: PhotoState
    result: str | None
    result_url: str | None
    error: str | None
    error_key: str | None
    faces_found: int
    faces_restored: int
    faces_failed: int
    choices: str
    notes: list[str]


class PhotoList(BaseModel):
    """`next_after` is what to give as `after` for the photos behind these; None when there are no more."""

    photos: list[PhotoAnswer]
    next_after: int | None


class RetryAnswer(RunAnswer):
    retried: int


class OptionAnswer(BaseModel):
    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Any
    low: float | None
    high: float | None
    choices: list[Any]
    acts_on: Literal["face", "photo", "input"]
    title: str
    help: str


class OptionList(BaseModel):
    options: list[OptionAnswer]


class PresetAnswer(BaseModel):
    name: str
    title: str
    options: dict[str, Any]
    batch_size: int | Literal["auto"] | None


class PresetList(BaseModel):
    presets: list[PresetAnswer]


class DeviceAnswer(Answer):
    """What the network runs on; everything but `state` is None while the model is loaded."""

    state: Literal["ready", "loading"]
    model: str | None
    model_sha256: str | None
    face_size_px: int | None
    device: str | None
    name: str | None
    precision: str | None
    seconds_per_face: float | None
    why: str | None
    batch_size: int | None


class QueueAnswer(BaseModel):
    taken: int
    limit: int


class HealthAnswer(BaseModel):
    status: Literal["ready", "loading"]
    version: str
    queue: QueueAnswer
