"""What a training run is told: a TOML file with one table for each class below. Unknown names are refused."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NetworkConfig:
    """The GPEN network, as in `gpen_ui.network.GpenConfig`."""

    size: int = 512
    channel_multiplier: int = 2
    narrow: float = 0.5


@dataclass(frozen=True)
class DataConfig:
    """Which faces, and which of them are kept aside.

    Attributes:
        faces: folder of aligned faces with its faces.csv (columns file, person, native_side_px).
        held_out: share of the persons whose faces are never trained on.
        seed: decides which persons; the evaluation must use the same.
        turn_deg, zoom, shift_px: largest rotation, change of scale (0.08 = 8 %) and shift of a training face.
        still_share: share of the samples that are only shifted by whole pixels, so not softened by resampling.
        detail: preference for faces with many real pixels; weight = (native side / size) ** detail, capped at 1.
    """

    faces: str = "faces"
    held_out: float = 0.06
    seed: int = 7
    turn_deg: float = 5.0
    zoom: float = 0.08
    shift_px: int = 12
    still_share: float = 0.6
    detail: float = 0.0


@dataclass(frozen=True)
class DegradationConfig:
    """Ranges of `degrade.py`; shares are between 0 and 1.

    Attributes:
        clean_share: left alone.
        lens_share: motion or defocus at full size.
        reduction: largest factor by which a face is reduced.
        exact_share: of the groups, those reduced by exactly 2, 4 or 8.
        softness_px: largest standard deviation of the blur at reduced size.
        noise: largest standard deviation of the noise, of 255.
        quality: lowest and highest JPEG quality.
        jpeg_share, again_share: samples with a JPEG at reduced and at full size.
        grey_share: faces, clean ones too, that become black and white or sepia before they are degraded.
        groups: parts of a batch with a reduction each.
    """

    clean_share: float = 0.08
    lens_share: float = 0.1
    reduction: float = 10.0
    exact_share: float = 0.5
    softness_px: float = 1.6
    noise: float = 17.0
    quality: tuple[float, float] = (40.0, 95.0)
    jpeg_share: float = 0.9
    again_share: float = 0.1
    grey_share: float = 0.12
    groups: int = 4


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; 0 leaves one out (and its network is not loaded).

    Attributes:
        pixel: mean absolute difference, at full size and at a half, a quarter and an eighth.
        squared: mean squared difference at full size.
        perceptual: difference of EfficientNet-Lite0 features; `perceptual_weights` is its file.
        identity: distance of dlib embeddings; `identity_weights` is dlib's file or a converted one.
        energy: difference of the local amount of fine detail (see losses.texture_energy).
        adversarial, matching: the discriminator's verdict and its features.
        features: verdict of the judge of features (feature_judge.py); needs `perceptual_weights`.
        features_r1: gradient penalty of that judge, taken as often as `r1`.
        features_zoom: that judge sees the middle 1/zoom of each window, enlarged: 2 = its first level is at full size.
        judge_width: widths of the discriminator, as a share of those in discriminator.py.
        judge_px: side of the window of each face that the discriminator sees in a step; 0 shows it whole faces.
        r1: gradient penalty of the discriminator, taken every `r1_every` steps.
    """

    pixel: float = 1.0
    squared: float = 0.0
    perceptual: float = 0.5
    perceptual_weights: str = ""
    identity: float = 0.1
    identity_weights: str = ""
    energy: float = 0.0
    adversarial: float = 0.0
    matching: float = 0.0
    features: float = 0.0
    features_r1: float = 0.5
    features_zoom: int = 1
    judge_width: float = 1.0
    judge_px: int = 0
    r1: float = 2.0
    r1_every: int = 16


@dataclass(frozen=True)
class RunConfig:
    """How the run goes.

    Attributes:
        out: folder for log, sheets and checkpoints.
        resume: checkpoint folder of an earlier run to go on from, or empty.
        start: with no checkpoint, 'identity' (the untrained network returns its input) or a model file; ...
        start_share: ... the input then makes up this share of the output and the old model the rest.
        judges: folder with the discriminators that a run without a checkpoint begins with, or empty: they start afresh.
        batch: faces a step; on several cards, of each card.
        seconds: length of the run, not counting the first `warmup_steps`; 0 = count steps instead.
        steps: length of the run when `seconds` is 0.
        rate, discriminator_rate: learning rates, ...
        ramp, decay: ... which rise over the first share `ramp` and fall (cosine) over the last share `decay`.
        ema: decay of the moving average for each step.
        log_every, sheet_every, save_every: steps between; 0 = only at the end.
        compile: torch.compile for the generator and the frozen networks.
    """

    out: str = "outputs/training"
    resume: str = ""
    start: str = "identity"
    start_share: float = 0.5
    judges: str = ""
    batch: int = 32
    seconds: float = 0.0
    steps: int = 1000
    warmup_steps: int = 3
    rate: float = 2e-3
    discriminator_rate: float = 1e-3
    ramp: float = 0.02
    decay: float = 0.4
    ema: float = 0.998
    seed: int = 1
    log_every: int = 20
    sheet_every: int = 0
    save_every: int = 0
    compile: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class TrainingConfig:
    """The whole file."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    degradation: DegradationConfig = field(default_factory=DegradationConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    run: RunConfig = field(default_factory=RunConfig)


def load_config(path: Path, overrides: list[str] | None = None) -> TrainingConfig:
    """Reads a TOML file; `overrides` are 'table.name=value' strings whose values are TOML too."""
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not TOML, or not even text
        raise ValueError(f"{path} is no configuration in TOML: {error}") from error
    for override in overrides or []:
        name, _, value = override.partition("=")
        table, _, key = name.partition(".")
        tables.setdefault(table, {})[key] = tomllib.loads(f"v = {value}")["v"]
    return build_config(tables)


def build_config(tables: dict[str, Any]) -> TrainingConfig:
    """Turns tables into a configuration; a name that no class has is an error that lists the known ones."""
    parts = {part.name: part.default_factory for part in dataclasses.fields(TrainingConfig)}
    _refuse_unknown("the file", tables, parts)
    built = {}
    for name, values in tables.items():
        known = {entry.name: entry for entry in dataclasses.fields(parts[name])}  # type: ignore[arg-type]
        _refuse_unknown(f"[{name}]", values, known)
        fixed = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        built[name] = parts[name](**fixed)  # type: ignore[operator]
    return TrainingConfig(**built)


def _refuse_unknown(where: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{where} has no setting {', '.join(unknown)}; it knows {', '.join(sorted(known))}.")
