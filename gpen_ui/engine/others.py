"""A second network beside the one of all faces, for single faces that a person wants from another model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from gpen_ui.engine.loading import AtHand, load_runner, read_network
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import UnknownModelError
from gpen_ui.weights import find_checkpoint


class OtherNetworks:
    """Loads a model when a face asks for it. Only the last one stays loaded: two networks are enough for a card.

    Args:
        at_hand: gives the folder where the checkpoints lie, for a while.
        device: gives torch's name of the device that the network of all faces is on now.
    """

    def __init__(self, at_hand: AtHand, device: Callable[[], str]) -> None:
        self._at_hand = at_hand
        self._device = device
        self._name = ""
        self._runner: FaceRunner | None = None

    def get(self, name: str) -> FaceRunner:
        """The network of a model of the catalogue, or of a file in the models' folder; loaded when it is not.

        Raises:
            UnknownModelError, CheckpointError: there is no such model, its file is not here, or it is broken.
            OutOfMemoryError: there is no room for it.
        """
        if Path(name).name != name:  # choices come from outside, too: no path of this machine
            raise UnknownModelError("model_not_here", name=name)
        if self._runner is None or self._name != name:
            with self._at_hand() as folder:
                path, spec = find_checkpoint(name, folder)
                self.close()
                reload = functools.partial(read_network, path, spec.sha256 if spec else None, self._at_hand)
                self._runner, self._name = load_runner(reload, self._device()), name
        return self._runner

    def close(self) -> None:
        """Gives the memory back; the next face loads again."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
