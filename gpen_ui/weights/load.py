"""A checkpoint file -> a ready `Gpen`: verified, recognised, strict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import CheckpointError, reason_of
from gpen_ui.paths import shown
from gpen_ui.weights.containers import read_state
from gpen_ui.weights.files import sha256_of
from gpen_ui.weights.recognise import recognise_config

if TYPE_CHECKING:
    from torch import Tensor

    from gpen_ui.network import Gpen

_SHOWN_NAMES = 3  # of parameters in a message


def load_network(path: Path, *, sha256: str | None = None) -> Gpen:
    """Loads a GPEN network onto the CPU in float32, in evaluation mode.

    Args:
        path: .pth, .pt or .safetensors; half precision is widened.
        sha256: what the file must have; None where no trustworthy one is known.

    Raises:
        CheckpointError: not the file it should be, not readable, another network, or not all of one.
    """
    import torch

    from gpen_ui.network import Gpen

    name = shown(path.name)
    if sha256 is not None:
        check_sha256(path, sha256)
    state = read_state(path)
    config = recognise_config(state, name)
    with torch.device("meta"):  # no random weights, no memory: the file's own tensors become the parameters
        network = Gpen(config)
    _check_names_and_shapes(state, network.state_dict(), name)
    network.load_state_dict({key: _widened(key, value, name) for key, value in state.items()}, assign=True)
    return network.eval()


def check_sha256(path: Path, expected: str) -> None:
    """Compares a file with the SHA-256 of the catalogue.

    Raises:
        CheckpointError: it cannot be read, or is another file.
    """
    try:
        found = sha256_of(path)
    except FileNotFoundError as error:
        raise CheckpointError("checkpoint_missing", path=shown(path)) from error
    except OSError as error:
        raise CheckpointError("checkpoint_unreadable", name=shown(path.name), reason=reason_of(error)) from error
    if found != expected.lower():
        raise CheckpointError(
            "checkpoint_hash", name=shown(path.name), path=shown(path), found=found[:12], expected=expected[:12]
        )


def _check_names_and_shapes(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str) -> None:
    if missing := [key for key in expected if key not in state]:
        raise CheckpointError("checkpoint_lacks", name=name, keys=_listed(missing), count=len(missing))
    if extra := [key for key in state if key not in expected]:
        raise CheckpointError("checkpoint_extra", name=name, keys=_listed(extra), count=len(extra))
    for key, value in expected.items():
        if state[key].shape != value.shape:
            found, wanted = tuple(state[key].shape), tuple(value.shape)
            raise CheckpointError("checkpoint_shape", name=name, parameter=key, found=found, expected=wanted)


def _widened(key: str, value: Tensor, name: str) -> Tensor:
    import torch

    if value.layout != torch.strided or not value.is_floating_point():
        raise CheckpointError(
            "checkpoint_type", name=name, parameter=key, found=str(value.dtype).removeprefix("torch.")
        )
    value = value.detach().to(torch.float32).contiguous()
    lowest, highest = torch.aminmax(value)  # both are no number when one value is; far quicker than a mask
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise CheckpointError("checkpoint_not_finite", name=name, parameter=key)
    return value


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN_NAMES]) + (", ..." if len(keys) > _SHOWN_NAMES else "")
