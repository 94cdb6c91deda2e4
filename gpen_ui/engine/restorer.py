"""The one engine behind page, command line, REST and workers."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import torch

from gpen_ui import __version__
from gpen_ui.catalog import model_spec, restoration_models
from gpen_ui.engine.device import DeviceReport, choose_device, device_name, memory_bytes, trial
from gpen_ui.engine.fast import FastGpen
from gpen_ui.engine.finish import Masker
from gpen_ui.engine.precision import choose_dtype
from gpen_ui.engine.prepare import Crops, Source
from gpen_ui.engine.results import Recipe, RestoredPhoto
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.engine.stream import Parts, stream
from gpen_ui.faces import Detector, large_detector, parsed_mask, shape_mask, small_detector
from gpen_ui.network import Gpen
from gpen_ui.options import RestoreOptions
from gpen_ui.paths import home_folder
from gpen_ui.photo import read_photo
from gpen_ui.weights import find_checkpoint, load_network, read_state
from gpen_ui.weights.files import sha256_of

DEFAULT_OPTIONS = RestoreOptions()


class Restorer:
    """Restores the faces of photos. Make one with `Restorer.load` and use it for many photos.

    Not for use from several threads at once; the stages inside use threads of their own.

    Attributes:
        model_name: name of the catalogue, or the file's name.
        model_path: the checkpoint.
        model_sha256: of the checkpoint's file, so that a result can say what made it.
        device_report: what the network runs on, measured.
    """

    def __init__(
        self, network: Gpen, model_name: str, model_path: Path, report: DeviceReport, parts: Parts, model_sha256: str
    ) -> None:
        self._config = network.config
        self._parts = parts
        self.model_name = model_name
        self.model_path = model_path
        self.model_sha256 = model_sha256
        self.device_report = report

    @classmethod
    def load(
        cls,
        model: str | Path = "gpen-lite-512",
        *,
        device: str = "auto",
        batch_size: int = 4,
        models_folder: Path | None = None,
        max_megapixels: int = 150,
    ) -> Restorer:
        """Loads a model onto a device and tries both out.

        Args:
            model: a name of the catalogue or the path of a checkpoint.
            device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu"; "auto" takes the first card that computes rightly.
            batch_size: faces, also of different photos, that go through a GPU together.
            models_folder: where downloaded checkpoints lie; the program's own `models/` unless given.
            max_megapixels: larger photos are refused.

        Raises:
            UnknownModelError, CheckpointError: the model.
            DeviceError: a device that was named cannot be used.
        """
        folder = models_folder or home_folder() / "models"
        path, spec = find_checkpoint(model, folder)
        torch_device, why = choose_device(device)
        network = load_network(path, sha256=spec.sha256 if spec else None)
        runner = fast_runner(network, torch_device, batch_size)
        name = device_name(torch_device)
        report = DeviceReport(
            asked=device,
            device=torch_device,
            name=name,
            seconds_per_face=None if torch_device == "cpu" else runner.seconds_per_face(),
            memory_bytes=memory_bytes(torch_device),
            cuda_available=torch_device.startswith("cuda") or trial("cuda:0") is None,
            precision=runner.precision,
            why=why,
        )
        shown = name if torch_device == "cpu" else f"{name} ({torch_device})"
        read = functools.partial(read_photo, max_megapixels=max_megapixels)
        larger = larger_model(network.config.size, folder)
        parts = Parts(runner, load_detector(folder), load_masker(folder, torch_device), read, shown, larger)
        sha256 = (spec.sha256 if spec else None) or sha256_of(path)
        return cls(network, spec.name if spec else path.name, path, report, parts, sha256)

    @property
    def size_px(self) -> int:
        """Side of the faces that the network restores."""
        return self._config.size

    @property
    def batch_size(self) -> int:
        """Faces that go through a GPU together; smaller than asked for after an out-of-memory."""
        return self._parts.runner.batch_size

    def restore(self, source: Source, options: RestoreOptions = DEFAULT_OPTIONS) -> RestoredPhoto:
        """Restores one photo; an error of the photo is in the result."""
        return next(self.restore_many([source], options))

    def restore_many(
        self,
        sources: Iterable[Source],
        options: RestoreOptions = DEFAULT_OPTIONS,
        *,
        stop: threading.Event | None = None,
        crops: Crops | None = None,
    ) -> Iterator[RestoredPhoto]:
        """Restores photos; faces of several photos share batches.

        Args:
            sources: paths, files or photos in memory; taken one by one as they are needed.
            stop: when set, no new batch is begun; photos that are complete by then are still given back.
            crops: where restored crops are kept and looked for; None restores every face afresh.

        Yields:
            One result for each source, in their order. A photo that fails is a result with `error`.
        """
        recipe = Recipe(self.model_name, self.model_sha256, options, f"GPEN UI {__version__}")
        for result in stream(self._parts, sources, options, stop, crops):
            yield dataclasses.replace(result, recipe=recipe if result.error is None else None)

    def measure(self) -> DeviceReport:
        """Times one face on the device (about a second on a CPU) and keeps the number in `device_report`."""
        seconds = self._parts.runner.seconds_per_face()
        self.device_report = dataclasses.replace(self.device_report, seconds_per_face=seconds)
        return self.device_report

    def close(self) -> None:
        """Gives the device's memory back; the restorer cannot be used after."""
        self._parts.runner.close()

    def __enter__(self) -> Restorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fast_runner(network: Gpen, device: str, batch_size: int) -> FaceRunner:
    """The network's fast form on a device, in the number type that suits it best."""
    dtype = choose_dtype(device)
    fast = FastGpen(network, dtype, adds=device != "cpu").to(device).eval()
    return FaceRunner(fast, device, batch_size, exact=None if dtype == torch.float32 else network.eval())


def larger_model(size_px: int, models_folder: Path) -> str | None:
    """The smallest model of the catalogue that is larger than this size and whose file is here."""
    here = (spec for spec in restoration_models() if (models_folder / spec.file).is_file())
    return next((spec.name for spec in here if (spec.size_px or 0) > size_px), None)


def load_detector(models_folder: Path) -> Detector:
    """The large detector when its file is there, else the small one.

    Raises:
        ModelError: the file is there but broken, or a package is missing.
    """
    path = models_folder / model_spec("retinaface-r50").file
    return large_detector(path, read_state(path)) if path.is_file() else small_detector()


def load_masker(models_folder: Path, device: str) -> Masker:
    """Masks from ParseNet when its file is there, else from the shape of the template."""
    path = models_folder / model_spec("parsenet").file
    if not path.is_file():
        return lambda crop: shape_mask(len(crop))
    from gpen_ui.faces.parse import FaceParser

    parser = FaceParser(path, read_state(path), device)
    return lambda crop: parsed_mask(parser.parse(crop), len(crop))
