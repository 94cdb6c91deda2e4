"""Trains a GPEN network: `python -m training.train CONFIG [table.name=value ...]`.

Example: `python -m training.train training/configs/first.toml run.seconds=500 data.faces='"faces"'`. On several cards:
`torchrun --nproc-per-node 2 -m training.train ...` (see `together.py`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import together
from training.checkpoint import save_checkpoint
from training.config import TrainingConfig, load_config
from training.data import drain_colour, draw_faces, load_pictures, read_faces, sampling_weights, split_faces
from training.refusals import BAD_FILE, refusing
from training.sheets import sheet_inputs, write_sheet
from training.trainer import Trainer

SHEET_FACES = 6


class Clock:
    """How much of the run is done, by seconds or by steps; compiling in the first steps costs no seconds."""

    def __init__(self, config: TrainingConfig) -> None:
        self.run = config.run
        self.began_s = time.monotonic()
        self.saved_s = 0.0
        self.steps = 0

    def tick(self) -> None:
        """Counts a step; the time starts after the last warm-up step."""
        self.steps += 1
        if self.steps == self.run.warmup_steps:
            self.began_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began_s

    def seconds_since_save(self) -> float:
        """Seconds since the last call."""
        passed_s, self.saved_s = self.elapsed_s - self.saved_s, self.elapsed_s
        return passed_s

    @property
    def share_done(self) -> float:
        if self.run.seconds:
            return 0.0 if self.steps < self.run.warmup_steps else self.elapsed_s / self.run.seconds
        return self.steps / self.run.steps


class Log:
    """Means of the losses between two lines; the process that leads writes them to the screen and to log.txt."""

    def __init__(self, folder: Path, leads: bool) -> None:
        self.file = folder / "log.txt"
        self.leads = leads
        self.sums: dict[str, list[Tensor]] = {}

    def add(self, parts: dict[str, Tensor]) -> None:
        """Remembers the losses of a step without waiting for the device."""
        for name, value in parts.items():
            self.sums.setdefault(name, []).append(value)

    def write(self, head: str) -> dict[str, float]:
        """One line with the means since the last line."""
        means = {name: torch.stack(values).mean().item() for name, values in self.sums.items()}
        self.sums.clear()
        if self.leads:
            line = head + "".join(f" {name} {value:.4f}" for name, value in means.items())
            print(line, flush=True)
            with self.file.open("a") as out:
                out.write(line + "\n")
        return means


def prepare_device(name: str) -> torch.device:
    """The device, with the settings that only a training process may make."""
    if name == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    return together.join(name)


def train(config: TrainingConfig) -> list[dict[str, float]]:
    """Runs the configuration to its end; returns the means of every log line."""
    run, size = config.run, config.network.size
    device = prepare_device(run.device)
    torch.manual_seed(run.seed + together.rank())  # each process draws other faces
    folder, faces_folder = Path(run.out), Path(config.data.faces)
    folder.mkdir(parents=True, exist_ok=True)
    faces, held_out = split_faces(read_faces(faces_folder), config.data)
    pictures = load_pictures(faces_folder, faces, size, device)
    weights = sampling_weights(faces, size, config.data.detail)
    trainer = Trainer(config, device)
    show = sheet_inputs(faces_folder, held_out[:: max(1, len(held_out) // SHEET_FACES)][:SHEET_FACES], size)
    leads = together.rank() == 0
    if leads:
        print(
            f"{len(faces)} training faces, {len(held_out)} held out, {trainer.progress.steps} steps before", flush=True
        )
    history, log, clock = [], Log(folder, leads), Clock(config)
    while (share_done := together.agree(clock.share_done)) < 1:
        clean = drain_colour(draw_faces(pictures, weights, run.batch, size, config.data), config.degradation.grey_share)
        log.add(trainer.step(clean, share_done))
        clock.tick()
        if clock.steps % run.log_every == 0 or clock.steps == run.warmup_steps:
            history.append(log.write(_head(clock, run.batch)))
            if not np.isfinite(list(history[-1].values())).all():
                raise FloatingPointError(f"a loss is no longer a number at step {clock.steps}: {history[-1]}")
        if leads and run.sheet_every and clock.steps % run.sheet_every == 0:
            write_sheet(folder / f"sheet-{trainer.progress.steps:06}.jpg", trainer.ema, *show, device)
        if leads and run.save_every and clock.steps % run.save_every == 0:
            _save(trainer, folder, clock)
    if leads:
        _save(trainer, folder, clock)
    if leads and held_out:
        write_sheet(folder / f"sheet-{trainer.progress.steps:06}.jpg", trainer.ema, *show, device)
    together.leave()
    return history


def _head(clock: Clock, batch: int) -> str:
    """Start of a log line: step, seconds, faces a second of all processes."""
    elapsed_s = max(clock.elapsed_s, 1e-6)
    speed = (clock.steps - clock.run.warmup_steps) * batch * together.processes() / elapsed_s
    return f"{clock.steps:6} {elapsed_s:6.0f} s {max(speed, 0):4.0f}/s"


def _save(trainer: Trainer, folder: Path, clock: Clock) -> None:
    trainer.progress.seconds += clock.seconds_since_save()
    save_checkpoint(folder, trainer.generator, trainer.ema, trainer.judges, trainer.progress)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("config", type=Path, help="TOML file, see training/configs")
    parser.add_argument("settings", nargs="*", help="table.name=value, values in TOML")
    given = parser.parse_args()
    with refusing(parser):
        config = load_config(given.config, given.settings)
    with refusing(parser, BAD_FILE):
        train(config)


if __name__ == "__main__":
    main()
