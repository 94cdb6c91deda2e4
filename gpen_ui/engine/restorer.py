"""The one engine behind page, command line, REST and workers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import torch

from gpen_ui import __version__
from gpen_ui.engine.backdrop import Backdrop
from gpen_ui.engine.background import Watch
from gpen_ui.engine.device import DeviceReport, choose_device, device_name, free_bytes, memory_bytes, trial
from gpen_ui.engine.likeness import find_embedder
from gpen_ui.engine.loading import AtHand, larger_model, load_detector, load_masker, load_runner, read_network
from gpen_ui.engine.memory import give_back_freed_memory, keep_freed_memory
from gpen_ui.engine.others import OtherNetworks
from gpen_ui.engine.precision import Precision
from gpen_ui.engine.prepare import Crops
from gpen_ui.engine.results import Note, Recipe, RestoredPhoto
from gpen_ui.engine.sources import Chosen, Source
from gpen_ui.engine.stream import Parts, stream
from gpen_ui.engine.tuning import LARGEST, LARGEST_ON_PROCESSOR, Curve, Curves, measure_curve
from gpen_ui.look.enlarge import reduced_size
from gpen_ui.options import CARD_BATCH, BatchSize, RestoreOptions
from gpen_ui.paths import home_folder
from gpen_ui.photo import read_photo
from gpen_ui.weights import find_checkpoint
from gpen_ui.weights.files import sha256_of
from gpen_ui.weights.upscaler import find_upscaler

DEFAULT_OPTIONS = RestoreOptions()
T = TypeVar("T")


class Restorer:
    """Restores the faces of photos. Make one with `Restorer.load` and use it for many photos.

    Not for use from several threads at once; the stages inside use threads of their own.

    Attributes:
        model_name: name of the catalogue, or the file's name.
        model_path: the checkpoint.
        model_sha256: of the checkpoint's file, so that a result can say what made it.
        curve: how time and memory grow with the batch, when it was measured on this device.
    """

    def __init__(
        self,
        parts: Parts,
        model_name: str,
        model_path: Path,
        model_sha256: str,
        report: DeviceReport,
        batch_size: BatchSize,
    ) -> None:
        self._parts = parts
        self._report = report
        self._curves = Curves()
        self.model_name = model_name
        self.model_path = model_path
        self.model_sha256 = model_sha256
        self.curve = self._curves.load(*self.measured_for)
        self.batch_size = batch_size

    @classmethod
    def load(
        cls,
        model: str | Path = "gpen-lite-512",
        *,
        device: str = "auto",
        batch_size: BatchSize = "auto",
        models_folder: Path | None = None,
        max_megapixels: int = 150,
        at_hand: AtHand | None = None,
        precision: Precision = "auto",
    ) -> Restorer:
        """Loads a model onto a device and tries both out.

        Args:
            model: a name of the catalogue or the path of a checkpoint.
            device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu"; "auto" takes the first card that computes rightly.
            batch_size: faces, also of different photos, that go through the network together; "auto" takes what was
                measured on this device with this model, and measures it once enough faces came.
            models_folder: where downloaded checkpoints lie; the program's own `models/` unless given.
            max_megapixels: larger photos are refused.
            at_hand: where `models_folder` is gone after this call, other networks of single faces come from there.
            precision: "float32" keeps the networks of faces from shorter number types, unless memory is short.

        Raises:
            UnknownModelError, CheckpointError: the model.
            DeviceError: a device that was named cannot be used.
        """
        keep_freed_memory()
        folder = models_folder or home_folder() / "models"
        path, spec = find_checkpoint(model, folder)
        lying = at_hand or AtHand(lambda: contextlib.nullcontext(folder))
        torch_device, why = choose_device(device)
        reload = functools.partial(read_network, path, spec.sha256 if spec else None, lying)
        runner = load_runner(reload, torch_device, precision)
        report = DeviceReport(
            asked=device,
            device=runner.device,
            name=device_name(runner.device),
            seconds_per_face=None if runner.device == "cpu" else runner.seconds_per_face(),
            memory_bytes=memory_bytes(runner.device),
            cuda_available=torch_device.startswith("cuda") or trial("cuda:0") is None,
            precision=runner.precision,
            why=why or next(iter(runner.notes), None),
        )
        read = functools.partial(read_photo, max_megapixels=max_megapixels)
        larger = larger_model(runner.size_px, folder)
        parts = Parts(
            runner=runner,
            detector=load_detector(folder, runner.device),
            masker=load_masker(folder, runner.device),
            read=read,
            others=OtherNetworks(lying, lambda: runner.device, precision),
            larger_model=larger,
            embed=find_embedder(),
            backdrop=Backdrop(functools.partial(find_upscaler, models_folder=folder), runner.device),
        )
        sha256 = (spec.sha256 if spec else None) or sha256_of(path)
        return cls(parts, spec.name if spec else path.name, path, sha256, report, batch_size)

    @property
    def size_px(self) -> int:
        """Side of the faces that the network restores."""
        return self._parts.runner.size_px

    @property
    def device_report(self) -> DeviceReport:
        """What the network runs on now: another device than at first when memory ran short."""
        runner = self._parts.runner
        if (runner.device, runner.precision) != (self._report.device, self._report.precision):
            self._report = dataclasses.replace(
                self._report,
                device=runner.device,
                name=device_name(runner.device),
                seconds_per_face=None,
                memory_bytes=memory_bytes(runner.device),
                precision=runner.precision,
                why=runner.notes[-1] if runner.notes else self._report.why,
            )
        return self._report

    @property
    def batch_size(self) -> int:
        """Faces that go through the network together; smaller than asked for after an out-of-memory.

        Can be set, also to "auto"; what does not fit is halved when it is tried.
        """
        return self._parts.runner.batch_size

    @batch_size.setter
    def batch_size(self, asked: BatchSize) -> None:
        runner = self._parts.runner
        self._auto = asked == "auto"
        runner.tune = None
        if asked != "auto":
            runner.batch_size = asked
        elif self.curve is not None:
            runner.batch_size = self.curve.knee
        elif runner.device == "cpu":
            runner.batch_size = 1  # a processor gains little from a batch and pays memory for it
        else:
            runner.batch_size = CARD_BATCH
            runner.tune = self.tune

    @property
    def asked_batch_size(self) -> BatchSize:
        """What `batch_size` was set to, or what is left of it after an out-of-memory."""
        return "auto" if self._auto else self.batch_size

    @property
    def kernel_trouble(self) -> Note | None:
        """Why the card's own kernels are not used; None where they are, or where there are none."""
        return self._parts.runner.trouble

    @property
    def measures_likeness(self) -> bool:
        """Whether the likeness of faces can be measured here."""
        return self._parts.embed is not None

    def warm_up(self) -> None:
        """Compiles what the device compiles, and waits for it; from then on it is on disk."""
        self._parts.runner.compile(wait=True)

    def tune(self) -> Curve:
        """Measures time and memory at 1, 2, 4, 8, ... faces until the gain flattens or memory runs short.

        The result is kept on disk; with batch size "auto" it is used from now on. Seconds on a card, up to half a
        minute on a processor.

        Raises:
            OutOfMemoryError: not even one face fits.
        """
        self.warm_up()
        runner = self._parts.runner
        largest = LARGEST_ON_PROCESSOR if runner.device == "cpu" else LARGEST
        self.curve = measure_curve(runner.sample, free_bytes(runner.device), largest)
        self._curves.save(self.curve, *self.measured_for)
        if self._auto:
            self.batch_size = "auto"
        return self.curve

    @property
    def measured_for(self) -> tuple[str, ...]:
        """What measured times hold for: device, its memory, model, number type, PyTorch."""
        report = self.device_report
        return (report.name, str(report.memory_bytes), self.model_sha256, report.precision, torch.__version__)

    def restore(self, source: Source | Chosen, options: RestoreOptions = DEFAULT_OPTIONS) -> RestoredPhoto:
        """Restores one photo; an error of the photo is in the result."""
        return next(self.restore_many([source], options))

    def restore_many(
        self,
        sources: Iterable[Source | Chosen],
        options: RestoreOptions = DEFAULT_OPTIONS,
        *,
        stop: threading.Event | None = None,
        crops: Crops | None = None,
        watch: Watch | None = None,
    ) -> Iterator[RestoredPhoto]:
        """Restores photos; faces of several photos share batches.

        Args:
            sources: paths, files or photos in memory, or `Chosen` with what is asked of single faces; taken one by one
                as they are needed.
            stop: when set, no new batch is begun; photos that are complete by then are still given back.
            crops: where restored crops are kept and looked for; None restores every face afresh.
            watch: told after each tile of a background that a network makes.

        Yields:
            One result for each source, in their order. A photo that fails is a result with `error`.
        """
        return self.stream(sources, options, stop=stop, crops=crops, watch=watch, then=lambda restored: restored)

    def stream(
        self,
        sources: Iterable[Source | Chosen],
        options: RestoreOptions = DEFAULT_OPTIONS,
        *,
        then: Callable[[RestoredPhoto], T],
        stop: threading.Event | None = None,
        crops: Crops | None = None,
        watch: Watch | None = None,
    ) -> Iterator[T]:
        """Restores photos as `restore_many`, and does something with each beside the network, encoding it for example.

        Args:
            then: called in a thread of the engine, several at once where the processor has room; what it returns is
                given back in the order of the sources. It must not raise.
        """
        recipe = Recipe(self.model_name, self.model_sha256, options, f"GPEN UI {__version__}")

        def with_recipe(result: RestoredPhoto) -> T:
            return then(dataclasses.replace(result, recipe=recipe if result.error is None else None))

        return stream(self._parts, sources, options, stop, crops, with_recipe, watch)

    def background_seconds(self, sizes_wh: Iterable[tuple[int, int]], options: RestoreOptions) -> float:
        """How long a network will take for the backgrounds of photos, on this device; 0 where Lanczos makes them.

        Args:
            sizes_wh: of the photos as they are in their files, in pixels.

        Raises:
            ModelError: there is no network for it, or it cannot be loaded.
        """
        backdrop = self._parts.backdrop
        if not options.draws_background or backdrop is None:
            return 0.0
        reduced = (reduced_size(size_wh, options.long_edge) for size_wh in sizes_wh)
        return backdrop.estimate_seconds(reduced, options.output_scale)

    def measure(self) -> DeviceReport:
        """Times one face on the device (about a second on a CPU) and keeps the number in `device_report`."""
        seconds = self._parts.runner.seconds_per_face()
        self._report = dataclasses.replace(self.device_report, seconds_per_face=seconds)
        return self._report

    def close(self) -> None:
        """Gives the device's memory back; the restorer cannot be used after."""
        self._parts.others.close()
        self._parts.runner.close()
        if self._parts.backdrop is not None:
            self._parts.backdrop.close()
        give_back_freed_memory()

    def __enter__(self) -> Restorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
