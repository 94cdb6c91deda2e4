"""RRDBNet, the network of Real-ESRGAN, out of basicsr: the one place that imports it.

Importing any part of basicsr 1.4.2 imports all of it: about 4 s, LMDB, TensorBoard and a module of torchvision that was
removed in 0.17. The file with RRDBNet itself needs five small files of the package. So the packages around them are
stood in for while they are imported, without running what lies in their `__init__`, and then taken away again: 0.1 s,
nothing of torchvision has to be aliased, and a later `import basicsr` elsewhere still gets the real one.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gpen_ui.errors import ModelError

if TYPE_CHECKING:
    from torch.nn import Module

_PACKAGES = ("basicsr", "basicsr.archs", "basicsr.utils", "basicsr.ops")
_importing = threading.Lock()


@dataclass(frozen=True)
class RrdbConfig:
    """What distinguishes the published networks of this kind.

    Attributes:
        scale: 1, 2 or 4, how much larger the picture becomes; at 1 and 2 the network first folds 4 x 4 or 2 x 2 pixels
            into one.
        features: channels of the trunk.
        blocks: residual-in-residual blocks.
        growth: channels that each dense layer adds.
    """

    scale: int
    features: int
    blocks: int
    growth: int

    @property
    def multiple(self) -> int:
        """What the sides of the input must be multiples of."""
        return 4 // self.scale


def build_rrdbnet(config: RrdbConfig) -> Module:
    """The network on torch's "meta" device: without memory, parameters to be assigned.

    Takes (N, 3, H, W) RGB in 0..1 and gives (N, 3, H * scale, W * scale), not clamped.

    Raises:
        ModelError: basicsr is missing; it cannot be built for Python 3.13 and newer.
    """
    import torch

    with torch.device("meta"):
        network: Module = _rrdbnet()(
            num_in_ch=3,
            num_out_ch=3,
            scale=config.scale,
            num_feat=config.features,
            num_block=config.blocks,
            num_grow_ch=config.growth,
        )
    return network


@functools.lru_cache(maxsize=1)
def _rrdbnet() -> Any:
    with _importing:
        if "basicsr.archs.rrdbnet_arch" in sys.modules:  # someone has the whole package
            return sys.modules["basicsr.archs.rrdbnet_arch"].RRDBNet
        found = importlib.util.find_spec("basicsr")
        if found is None or found.origin is None:
            raise ModelError("background_package", package="basicsr", reason="not installed")
        try:
            with _stand_ins(Path(found.origin).parent):
                return importlib.import_module("basicsr.archs.rrdbnet_arch").RRDBNet
        except (ImportError, AttributeError) as error:
            raise ModelError("background_package", package="basicsr", reason=str(error)) from error


@contextmanager
def _stand_ins(folder: Path) -> Iterator[None]:
    """Bare packages in the place of those of basicsr; afterwards nothing of the name is left among the modules."""
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    sys.modules["basicsr.utils"].get_root_logger = None  # type: ignore[attr-defined]  # imported, only used in training
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "basicsr"]:
            del sys.modules[name]
