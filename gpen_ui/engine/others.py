"""A second network beside the one of all faces, for single faces that a person wants from another model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.engine.loading import AtHand, load_runner, read_network
from gpen_ui.engine.precision import Precision
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import CheckpointError, UnknownModelError, reason_of
from gpen_ui.paths import shown
from gpen_ui.weights import find_checkpoint
from gpen_ui.weights.files import sha256_of


@dataclass(frozen=True)
class OtherNetwork:
    """One that is loaded.

    Attributes:
        name: by which it was asked for.
        sha256: of its file.
        path: of its file, which may be gone by now.
        stamp: of the file that was read; see `AtHand`.
    """

    name: str
    sha256: str
    path: Path
    stamp: object
    runner: FaceRunner


class OtherNetworks:
    """Loads a model when a face asks for it. Only the last one stays loaded: two networks are enough for a card.

    Args:
        at_hand: where the checkpoints lie.
        device: gives torch's name of the device that the network of all faces is on now.
        precision: see `choose_dtype`.
    """

    def __init__(self, at_hand: AtHand, device: Callable[[], str], precision: Precision = "auto") -> None:
        self._at_hand = at_hand
        self._device = device
        self._precision = precision
        self._loaded: OtherNetwork | None = None

    def get(self, name: str) -> OtherNetwork:
        """The network of a model of the catalogue, or of a file in the models' folder; loaded when it is not, and anew
        when its file is another one by now.

        Raises:
            UnknownModelError, CheckpointError: there is no such model, its file is not here, or it is broken.
            OutOfMemoryError: there is no room for it.
        """
        if Path(name).name != name:  # choices come from outside, too: no path of this machine
            raise UnknownModelError("model_not_here", name=name)
        if self._loaded is None or self._loaded.name != name or self._is_replaced(self._loaded):
            with self._at_hand.folder() as folder:
                path, spec = find_checkpoint(name, folder)
                self.close()
                known = spec.sha256 if spec else None
                stamp, sha256 = self._at_hand.stamp(path), known or _hashed(path)
                reload = functools.partial(read_network, path, known, self._at_hand)
                runner = load_runner(reload, self._device(), self._precision)
                self._loaded = OtherNetwork(name, sha256, path, stamp, runner)
        return self._loaded

    def close(self) -> None:
        """Gives the memory back; the next face loads again."""
        if self._loaded is not None:
            self._loaded.runner.close()
            self._loaded = None

    def _is_replaced(self, network: OtherNetwork) -> bool:
        """Whether another file lies there; one that is gone is none."""
        now = self._at_hand.stamp(network.path)
        return now is not None and now != network.stamp


def _hashed(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise CheckpointError("checkpoint_unreadable", name=shown(path.name), reason=reason_of(error)) from error
