"""One training step and all that it needs: networks, optimisers, losses."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from gpen_ui.network import Gpen
from gpen_ui.weights import read_state
from training import losses
from training.checkpoint import (
    DISCRIMINATOR_FILE,
    FEATURE_JUDGE_FILE,
    Progress,
    gpen_config,
    load_checkpoint,
    load_judges,
)
from training.config import TrainingConfig
from training.degrade import degrade
from training.discriminator import Discriminator
from training.feature_judge import FeatureJudge, JudgedFeatures, feature_penalty, look_closer
from training.fir import use_shifted_filters
from training.perceptual import load_perceptual
from training.recognizer import load_recognizer
from training.start import start_from_identity, start_from_model
from training.together import average_gradients, processes, share_state
from training.windows import Windows, draw_windows

ADVERSARIAL_RAMP = 0.05  # share of a run over which a discriminator that starts afresh gains its full say


def rate_factor(progress: float, ramp: float, decay: float) -> float:
    """Factor of the learning rates at a share of the run: rises over `ramp`, falls along a cosine over `decay`."""
    if progress < ramp:
        return progress / ramp
    if decay and progress > 1 - decay:
        return 0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, (progress - 1 + decay) / decay)))
    return 1.0


class Trainer:
    """Networks and optimisers of a run; `step` does one batch.

    The parameters stay in float32; on a GPU, pictures and activations are bfloat16, and the layers cast their weights
    as they use them.
    """

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.generator = Gpen(gpen_config(config.network))
        self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        judged = config.loss.adversarial or config.loss.matching
        self.discriminator = Discriminator(config.loss.judge_width) if judged else None
        self.feature_judge = FeatureJudge() if config.loss.features else None
        named = {DISCRIMINATOR_FILE: self.discriminator, FEATURE_JUDGE_FILE: self.feature_judge}
        self.judges = {name: judge for name, judge in named.items() if judge is not None}
        self.progress = self._start()
        self._load_frozen()
        self._place()

    def _start(self) -> Progress:
        run = self.config.run
        if run.resume:
            return load_checkpoint(Path(run.resume), self.generator, self.ema, self.judges)
        if run.start == "identity":
            start_from_identity(self.generator)
        else:
            start_from_model(self.generator, read_state(Path(run.start)), run.start_share)
        self.ema.load_state_dict(self.generator.state_dict())
        if run.judges and not load_judges(Path(run.judges), self.judges):
            names = ", ".join(self.judges)
            raise FileNotFoundError(f"{run.judges} holds none of {names}; run.judges must name the folder of a run.")
        return Progress()

    def _load_frozen(self) -> None:
        loss = self.config.loss
        self.perceptual = load_perceptual(Path(loss.perceptual_weights)) if loss.perceptual or loss.features else None
        self.recognizer = load_recognizer(Path(loss.identity_weights)) if loss.identity else None

    def _place(self) -> None:
        """Moves everything to the device and makes the optimisers; equalised learning rates want large ones."""
        run = self.config.run
        for network in (self.generator, self.ema, *self.judges.values(), self.recognizer):
            if network is not None:
                network.to(self.device)
                share_state(network)
        if self.perceptual is not None:
            self.perceptual.to(self.device, self.dtype)
        use_shifted_filters(self.generator)
        fused = self.device.type == "cuda"
        self.adam = torch.optim.Adam(self.generator.parameters(), run.rate, betas=(0.5, 0.99), fused=fused)
        self.judge_adam = None
        if self.judges:
            parameters = [each for judge in self.judges.values() for each in judge.parameters()]
            self.judge_adam = torch.optim.Adam(parameters, run.discriminator_rate, betas=(0.0, 0.99), fused=fused)
        self.restore: nn.Module = self.generator
        self.judge = self.discriminator
        self.compare = self.perceptual if self.config.loss.perceptual else None
        self.judged_features = None
        if self.feature_judge is not None and self.perceptual is not None:
            zoom = self.config.loss.features_zoom
            self.judged_features = JudgedFeatures(self.perceptual, self.feature_judge, zoom)
        if run.compile:
            self.restore = torch.compile(self.generator)  # type: ignore[assignment]
            self.judge = torch.compile(self.discriminator) if self.discriminator else None  # type: ignore[assignment]
            self.compare = torch.compile(self.compare) if self.compare else None  # type: ignore[assignment]
            if self.judged_features is not None:
                self.judged_features = torch.compile(self.judged_features)  # type: ignore[assignment]

    def step(self, clean: Tensor, share_done: float) -> dict[str, Tensor]:
        """One batch of clean faces (N, 3, S, S) in [-1, 1]; returns the losses by name, still on the device."""
        run = self.config.run
        factor = rate_factor(share_done, run.ramp, run.decay)
        self.adam.param_groups[0]["lr"] = run.rate * factor
        if self.judge_adam is not None:
            self.judge_adam.param_groups[0]["lr"] = run.discriminator_rate * factor
        with torch.no_grad():
            given = degrade(clean, self.config.degradation).to(self.dtype)
        clean_low = clean.to(self.dtype)
        restored = self.restore(given)
        windows = draw_windows(len(clean), clean.shape[-1], self.config.loss.judge_px, self.device)
        parts = self._generator_losses(restored, clean, clean_low, windows, share_done)
        self.adam.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        average_gradients(self.generator)
        self.adam.step()
        self._average()
        if self.judges:
            parts |= self._judge_step(windows.cut(restored.detach()), windows.cut(clean_low), windows)
        self.progress.steps += 1
        self.progress.faces += len(clean) * processes()
        return {name: value.detach() for name, value in parts.items()}

    def _generator_losses(
        self, restored: Tensor, clean: Tensor, clean_low: Tensor, windows: Windows, share_done: float
    ) -> dict[str, Tensor]:
        """The weighted losses of the generator."""
        weight = self.config.loss
        parts = {"pixel": weight.pixel * losses.pixel_loss(restored, clean)}
        if weight.squared:
            parts["squared"] = weight.squared * losses.squared_loss(restored, clean)
        if self.compare is not None:
            parts["perceptual"] = weight.perceptual * self.compare(restored, clean_low)
        if self.recognizer is not None:
            parts["identity"] = weight.identity * losses.identity_loss(self.recognizer, restored.float(), clean)
        if weight.energy:
            parts["energy"] = weight.energy * losses.texture_energy(restored, clean)
        if self.judges:
            say = min(1.0, share_done / ADVERSARIAL_RAMP)
            shown = windows.cut(restored), windows.cut(clean_low)
            parts |= {name: say * part for name, part in self._verdicts(*shown, windows.place(self.dtype)).items()}
        return parts

    def _verdicts(self, restored: Tensor, clean: Tensor, place: Tensor) -> dict[str, Tensor]:
        """The weighted losses that the judges give the generator for the windows; the judges learn nothing here."""
        weight, parts = self.config.loss, {}
        for judge in self.judges.values():
            judge.requires_grad_(False)
        if self.judge is not None:
            verdict, have = self.judge(restored, place)
            with torch.no_grad():
                _, want = self.judge(clean, place)
            parts["adversarial"] = weight.adversarial * losses.generator_verdict(verdict)
            parts["matching"] = weight.matching * losses.feature_matching(have, want)
        if self.judged_features is not None:
            maps = self.judged_features(restored, place)
            parts["features"] = weight.features * torch.stack([losses.generator_verdict(each) for each in maps]).mean()
        for judge in self.judges.values():
            judge.requires_grad_(True)
        return parts

    def _judge_step(self, restored: Tensor, clean: Tensor, windows: Windows) -> dict[str, Tensor]:
        """One step of the judges on what the windows show, with the gradient penalties now and then."""
        assert self.judge_adam is not None
        place = windows.place(self.dtype)
        parts, seen = self._judge_losses(restored, clean, place)
        total = torch.stack(list(parts.values())).sum()
        if self.progress.steps % self.config.loss.r1_every == 0:
            penalties = self._penalties(clean, place)
            parts |= penalties
            weights = {"r1": self.config.loss.r1, "features_r1": self.config.loss.features_r1}
            for name, penalty in penalties.items():
                total = total + penalty * (weights[name] / 2 * self.config.loss.r1_every)
        self.judge_adam.zero_grad(set_to_none=True)
        total.backward()
        for judge in self.judges.values():
            average_gradients(judge)
        self.judge_adam.step()
        return parts | seen

    def _judge_losses(
        self, restored: Tensor, clean: Tensor, place: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the judges are to lower, and their mean verdicts on clean and restored windows, for the log."""
        parts, seen = {}, {}
        if self.judge is not None:
            real, _ = self.judge(clean, place)
            fake, _ = self.judge(restored, place)
            parts["judge"] = losses.discriminator_loss(real, fake)
            seen["real"], seen["fake"] = real.float().mean(), fake.float().mean()
        if self.judged_features is not None:
            both = zip(self.judged_features(clean, place), self.judged_features(restored, place), strict=True)
            levels = torch.stack([losses.discriminator_loss(real, fake) for real, fake in both])
            parts["features_judge"] = levels.mean()
            seen |= {f"level{number}": level for number, level in enumerate(levels)}
        return parts, seen

    def _penalties(self, clean: Tensor, place: Tensor) -> dict[str, Tensor]:
        """The gradient penalties of the judges that have one, on half of the windows."""
        half, penalties = max(1, len(clean) // 2), {}
        clean, place = clean[:half], place[:half].float()
        if self.discriminator is not None and self.config.loss.r1:
            penalties["r1"] = losses.gradient_penalty(self.discriminator, clean.float(), place)
        if self.feature_judge is not None and self.perceptual is not None and self.config.loss.features_r1:
            zoom = self.config.loss.features_zoom
            with torch.no_grad():
                features = self.perceptual.features(look_closer(clean, zoom))
            penalties["features_r1"] = feature_penalty(self.feature_judge, features, look_closer(place, zoom))
        return penalties

    def _average(self) -> None:
        """Moves the average towards the generator; early on faster, so that it soon forgets the start."""
        decay = min(self.config.run.ema, (1 + self.progress.steps) / (10 + self.progress.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)
