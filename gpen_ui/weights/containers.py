"""A checkpoint file -> its tensors by name, without ever running code from the file.

Formats: PyTorch's zip and older pickle files (read with `weights_only=True`) and safetensors, told apart by content.
"""

from __future__ import annotations

import errno
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import CheckpointError, reason_of
from gpen_ui.paths import shown

if TYPE_CHECKING:
    from torch import Tensor

# Under which name training programs put the weights that are meant for use: averaged ones before raw ones.
NESTED_UNDER = ("g_ema", "params_ema", "params", "state_dict", "ema")
_DEEPEST = 3  # containers inside containers
_PARALLEL_PREFIX = "module."  # put before every name by torch.nn.DataParallel
_HEAD_BYTES = 64
# How PyTorch's restricted unpickler names a function or class that it refused to import.
_REFUSED = re.compile(r"unsupported global(?:: GLOBAL)? ([\w.]+)", re.IGNORECASE)
_TEXT_STARTS = (b"version https://git-lfs", b"<!doctype", b"<html", b"<?xml", b"{")


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a .pth, .pt or .safetensors file onto the CPU, in the file's own types.

    They may lie flat or under one of `NESTED_UNDER`; a leading "module." is taken off; what is no tensor is left out.

    Raises:
        CheckpointError: missing, empty, cut off, of another type, without tensors, or wanting to run code.
    """
    name = shown(path.name)
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if not head:
            raise CheckpointError("checkpoint_empty", name=name)
        if head[8:9] == b"{":
            return _flat(_read_safetensors(path), name)
        if head.lstrip().lower().startswith(_TEXT_STARTS):
            raise CheckpointError("checkpoint_is_text", name=name)
        return _flat(_read_torch(path), name)
    except FileNotFoundError as error:
        raise CheckpointError("checkpoint_missing", path=shown(path)) from error
    except IsADirectoryError as error:
        raise CheckpointError("checkpoint_is_folder", path=shown(path)) from error
    except OSError as error:
        raise CheckpointError("checkpoint_unreadable", name=name, reason=reason_of(error)) from error


def _read_torch(path: Path) -> object:
    import torch

    name = shown(path.name)
    try:
        # Not mapped into memory: a mapped file that is replaced or cut while in use would end the whole process.
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if refused := _REFUSED.search(str(error)):
            raise CheckpointError("checkpoint_unsafe", name=name, what=refused[1].rstrip(".")) from error
        raise CheckpointError("checkpoint_damaged", name=name) from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: the archive's table points before the file's start
            raise
        raise CheckpointError("checkpoint_damaged", name=name) from error
    except Exception as error:  # broken archives and pickles have no common error
        raise CheckpointError("checkpoint_damaged", name=name) from error


def _read_safetensors(path: Path) -> object:
    import safetensors

    name = shown(path.name)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except OSError as error:
        if error.errno is not None:
            raise
        raise CheckpointError("checkpoint_damaged", name=name) from error
    except Exception as error:  # a header that lies ends in several kinds of error
        raise CheckpointError("checkpoint_damaged", name=name) from error


def _flat(content: object, name: str) -> dict[str, Tensor]:
    import torch

    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping):
            break
        inner = next((content[key] for key in NESTED_UNDER if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    tensors = {}
    if isinstance(content, Mapping):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        found = ", ".join(map(str, list(content)[:5])) if isinstance(content, Mapping) else type(content).__name__
        raise CheckpointError("checkpoint_no_tensors", name=name, found=found or "-", places=", ".join(NESTED_UNDER))
    if all(key.startswith(_PARALLEL_PREFIX) for key in tensors):
        tensors = {key.removeprefix(_PARALLEL_PREFIX): value for key, value in tensors.items()}
    return tensors
