"""One training step and all that it needs: networks, optimisers, losses."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from gpen_ui.network import Gpen
from training import losses
from training.checkpoint import Progress, gpen_config, load_checkpoint
from training.config import TrainingConfig
from training.degrade import degrade
from training.discriminator import Discriminator
from training.fir import use_shifted_filters
from training.perceptual import load_perceptual
from training.recognizer import load_recognizer
from training.start import load_state, start_from_identity, start_from_model
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
        self.progress = self._start()
        self._load_judges()
        self._place()

    def _start(self) -> Progress:
        run = self.config.run
        if run.resume:
            return load_checkpoint(Path(run.resume), self.generator, self.ema, self.discriminator)
        if run.start == "identity":
            start_from_identity(self.generator)
        else:
            start_from_model(self.generator, load_state(Path(run.start)), run.start_share)
        self.ema.load_state_dict(self.generator.state_dict())
        return Progress()

    def _load_judges(self) -> None:
        loss = self.config.loss
        self.perceptual = load_perceptual(Path(loss.perceptual_weights)) if loss.perceptual else None
        self.recognizer = load_recognizer(Path(loss.identity_weights)) if loss.identity else None

    def _place(self) -> None:
        """Moves everything to the device and makes the optimisers; equalised learning rates want large ones."""
        run = self.config.run
        for network in (self.generator, self.ema, self.discriminator, self.recognizer):
            if network is not None:
                network.to(self.device)
                share_state(network)
        if self.perceptual is not None:
            self.perceptual.to(self.device, self.dtype)
        use_shifted_filters(self.generator)
        fused = self.device.type == "cuda"
        self.adam = torch.optim.Adam(self.generator.parameters(), run.rate, betas=(0.5, 0.99), fused=fused)
        self.judge_adam = None
        if self.discriminator is not None:
            parameters = self.discriminator.parameters()
            self.judge_adam = torch.optim.Adam(parameters, run.discriminator_rate, betas=(0.0, 0.99), fused=fused)
        self.restore: nn.Module = self.generator
        self.judge = self.discriminator
        self.compare = self.perceptual
        if run.compile:
            self.restore = torch.compile(self.generator)  # type: ignore[assignment]
            self.judge = torch.compile(self.discriminator) if self.discriminator else None  # type: ignore[assignment]
            self.compare = torch.compile(self.perceptual) if self.perceptual else None  # type: ignore[assignment]

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
        if self.discriminator is not None:
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
        if self.judge is not None and self.discriminator is not None:
            self.discriminator.requires_grad_(False)
            place = windows.place(self.dtype)
            verdict, have = self.judge(windows.cut(restored), place)
            with torch.no_grad():
                _, want = self.judge(windows.cut(clean_low), place)
            self.discriminator.requires_grad_(True)
            say = min(1.0, share_done / ADVERSARIAL_RAMP)
            parts["adversarial"] = say * weight.adversarial * losses.generator_verdict(verdict)
            parts["matching"] = say * weight.matching * losses.feature_matching(have, want)
        return parts

    def _judge_step(self, restored: Tensor, clean: Tensor, windows: Windows) -> dict[str, Tensor]:
        """One step of the discriminator on what the windows show, with the gradient penalty now and then."""
        assert self.judge is not None and self.discriminator is not None and self.judge_adam is not None
        loss = self.config.loss
        place = windows.place(self.dtype)
        real, _ = self.judge(clean, place)
        fake, _ = self.judge(restored, place)
        parts = {"judge": losses.discriminator_loss(real, fake)}
        total = parts["judge"]
        if loss.r1 and self.progress.steps % loss.r1_every == 0:
            half = max(1, len(clean) // 2)
            penalty = losses.gradient_penalty(self.discriminator, clean[:half].float(), place[:half].float())
            parts["r1"] = penalty
            total = total + penalty * (loss.r1 / 2 * loss.r1_every)
        self.judge_adam.zero_grad(set_to_none=True)
        total.backward()
        average_gradients(self.discriminator)
        self.judge_adam.step()
        parts["real"], parts["fake"] = real.float().mean(), fake.float().mean()
        return parts

    def _average(self) -> None:
        """Moves the average towards the generator; early on faster, so that it soon forgets the start."""
        decay = min(self.config.run.ema, (1 + self.progress.steps) / (10 + self.progress.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)
