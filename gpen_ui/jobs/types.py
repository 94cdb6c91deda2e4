"""What crosses the threshold of this room: plans, runs, photos, faces, progress and events. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gpen_ui.choices import Box, FaceChoice, scaled
from gpen_ui.options import BatchSize, RestoreOptions
from gpen_ui.settings import Metadata, OutputFormat, Settings
from gpen_ui.texts import Language, say

RunState = Literal["planned", "queued", "running", "held", "watching", "paused", "done", "cancelled", "broken"]
PhotoState = Literal["waiting", "working", "writing", "done", "failed", "skipped"]
Wish = Literal["go", "pause", "cancel"]
EngineKind = Literal["local", "ray"]

RUN_STATES: tuple[RunState, ...] = get_args(RunState)
ENDED: tuple[RunState, ...] = ("done", "cancelled", "broken", "paused")  # nobody works on these
AT_WORK: tuple[RunState, ...] = ("queued", "running", "held", "watching")  # somebody should
LEFT: tuple[PhotoState, ...] = ("waiting", "working", "writing")


@dataclass(frozen=True)
class Told:
    """A sentence as it is kept on disk: the text's whole key and its values, so that any language can be spoken later.

    Attributes:
        values: plain values; a sentence inside this one is a `Told` of its own.
    """

    key: str
    values: dict[str, Any] = field(default_factory=dict)

    def sentence(self, language: Language) -> str:
        return say(self.key, language, **self.values)


@dataclass(frozen=True)
class RunSettings:
    """How a run works, besides the options of the restoration.

    Attributes:
        model, device, batch_size: as `Restorer.load` takes them.
        output_format, suffix, metadata, ai_note, keep_time: see `Output` in the engine.
        template: name of a result, of `{name}`, `{suffix}`, `{ext}` (with its dot) and `{n}` (counts from 1).
        recursive: folders are read with the folders below them.
        watch: new photos in the input folders are taken until the run is paused or cancelled.
        stable_s: how long a photo's size and time must stay the same before a watching run takes it.
        keep_crops: restored faces are kept, so that other options need no network; `crops_mb` of all runs together.
        time_limit_s: a photo that gives no result for so long, alone, has failed.
        reserve_mb: the run holds when less than this would be left on the disk of the results.
        again: also photos that an earlier run has done with the same options into the same folder.
        engine: where the photos are restored: in this process, or on the actors of a Ray cluster.
        ray_address: of the cluster, as `ray.init` takes it; empty for RAY_ADDRESS or, without that, this machine.
        ray_actors: how many; 0 for one per GPU or, without GPUs, as many as there are cores for.
        ray_cores: processor cores of each actor; 0 for one beside a GPU, four (or all of a smaller node) without.
    """

    model: str = "gpen-lite-512"
    device: str = "auto"
    batch_size: BatchSize = "auto"
    output_format: OutputFormat = "same"
    suffix: str = "_gpen"
    metadata: Metadata = "keep"
    ai_note: bool = True
    keep_time: bool = True
    template: str = "{name}{suffix}{ext}"
    recursive: bool = False
    watch: bool = False
    stable_s: float = 3.0
    keep_crops: bool = True
    crops_mb: int = 2048
    time_limit_s: float = 900.0
    reserve_mb: int = 64
    again: bool = False
    engine: EngineKind = "local"
    ray_address: str = ""
    ray_actors: int = 0
    ray_cores: int = 0


def run_settings_of(settings: Settings, **given: Any) -> RunSettings:
    """How a run works on this installation.

    Args:
        given: settings of the run, in the place of the installation's and of the defaults.
    """
    both = {each.name for each in fields(RunSettings)} & set(Settings.model_fields)
    return RunSettings(**{**{name: getattr(settings, name) for name in both}, **given})


@dataclass(frozen=True)
class PlannedPhoto:
    """A photo to be restored.

    Attributes:
        path: absolute.
        subfolder: where its result belongs below the output folder.
        size_bytes, mtime_ns: when it was planned; -1 for a file that was named but is not there.
        root: the input it was found under: a folder, or the file itself.
    """

    path: Path
    subfolder: Path
    size_bytes: int
    mtime_ns: int
    root: Path


@dataclass(frozen=True)
class Ignored:
    """A file or folder that was found but is not restored, and why."""

    path: Path
    why: Told


@dataclass(frozen=True)
class Plan:
    """What a run will do. Making one touches nothing; `Runs.create` keeps it."""

    inputs: tuple[Path, ...]
    output_folder: Path
    options: RestoreOptions
    settings: RunSettings
    photos: tuple[PlannedPhoto, ...]
    ignored: tuple[Ignored, ...]


@dataclass(frozen=True)
class RunRecord:
    """A run as it stands in the store.

    Attributes:
        state: what it is doing; see `is_interrupted`.
        options_hash: tells the options apart, as the version of the program that kept them computed it.
        why: why it is held or broken, or what else there is to say; None when all is well.
        wish: what was asked of its worker.
        owner: "host, process 1234" of who works on it, or of who did last.
        beat_s: the worker's last sign of life, seconds since 1970.
        worked_s: time spent working, without pauses.
        is_interrupted: it should be worked on, but its worker gives no sign of life any more; `start` goes on with it.
    """

    id: str
    state: RunState
    inputs: tuple[Path, ...]
    output_folder: Path
    options: RestoreOptions
    options_hash: str
    settings: RunSettings
    why: Told | None
    wish: Wish
    model_name: str
    model_hash: str
    device: str
    created_s: float
    started_s: float | None
    finished_s: float | None
    worked_s: float
    owner: str
    beat_s: float
    is_interrupted: bool

    @property
    def shown_state(self) -> str:
        """As the texts `runs.state.*` name it."""
        return "interrupted" if self.is_interrupted else self.state

    @property
    def is_at_work(self) -> bool:
        """Whether somebody works on it, or it waits for its turn."""
        return self.state in AT_WORK and not self.is_interrupted


@dataclass(frozen=True)
class FaceRecord:
    """One face of a photo; see `FaceOutcome`."""

    number: int
    box_xyxy: tuple[float, float, float, float]
    score: float
    state: str
    why: Told | None
    strength: int | None = None
    likeness: float | None = None
    model: str | None = None


@dataclass(frozen=True)
class OldResult:
    """The result that a photo had before something was asked of its faces: the next one takes its place, unless
    somebody has changed it.

    Attributes:
        digest: of its bytes when they were written.
    """

    path: Path
    digest: str


@dataclass(frozen=True)
class PhotoRecord:
    """One photo of a run.

    Attributes:
        number: counts the photos of the run from 1, in the order of the plan.
        why: the error of a failed photo, the reason of a skipped one.
        result: the file that was written; None unless done.
        content_hash: BLAKE2b of the source file as it was read.
        before_wh, after_wh: pixels; None when unknown.
        seconds: per stage, as the engine measured them.
        choices: what is asked of single faces.
        old_result: whose place the next result takes; None for a name of its own.
    """

    id: int
    number: int
    path: Path
    subfolder: Path
    root: Path
    size_bytes: int
    mtime_ns: int
    content_hash: str
    state: PhotoState
    why: Told | None = None
    result: Path | None = None
    result_bytes: int = 0
    before_wh: tuple[int, int] | None = None
    after_wh: tuple[int, int] | None = None
    faces_found: int = 0
    faces_restored: int = 0
    faces_failed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    notes: tuple[Told, ...] = ()
    finished_s: float | None = None
    attempts: int = 0
    choices: tuple[FaceChoice, ...] = ()
    old_result: OldResult | None = None

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    def box_in_original(self, face: FaceRecord) -> Box:
        """The face's box in pixels of the photo as it was read, as a `FaceChoice` names it."""
        scale = self.before_wh[0] / self.after_wh[0] if self.before_wh and self.after_wh else 1.0
        return scaled(face.box_xyxy, scale)


@dataclass(frozen=True)
class RunProgress:
    """Where a run stands. `planned == done + failed + skipped + left`, always.

    Attributes:
        seconds_left: None until enough photos are through to say so honestly; see `gpen_ui.jobs.pace`.
        photos_per_minute: of the last photos; None likewise.
        current: names of the photos that are being worked on now.
        faces_restored: so far.
    """

    run_id: str
    state: RunState
    why: Told | None
    is_interrupted: bool
    planned: int
    done: int
    failed: int
    skipped: int
    left: int
    faces_restored: int
    faces_failed: int
    seconds_left: float | None
    photos_per_minute: float | None
    worked_s: float
    current: tuple[str, ...]

    @property
    def shown_state(self) -> str:
        """As `RunRecord.shown_state`."""
        return "interrupted" if self.is_interrupted else self.state

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of photos by name, as the text `runs.counts` takes them."""
        return {name: getattr(self, name) for name in ("planned", "done", "failed", "skipped", "left")}

    @property
    def percent(self) -> float:
        """Share of the planned photos that came to their end; 100 for an empty run."""
        return 100.0 * (self.planned - self.left) / self.planned if self.planned else 100.0


@dataclass(frozen=True)
class Event:
    """Something that happened in a run. `seq` grows over all runs, so a reader can go on after the last it saw.

    Attributes:
        kind: "state" (data: state, why), "photo" (data: id, number, name, state, why, result; it came to its end, or
            waits again because something was asked of its faces), "plan" (data: added).
    """

    seq: int
    run_id: str
    time_s: float
    kind: Literal["state", "photo", "plan"]
    data: dict[str, Any]
