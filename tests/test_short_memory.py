"""Memory that is short costs time and says so; no face is lost, and what worked is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gpen_ui.engine import loading, placement, runner
from gpen_ui.engine.loading import load_runner
from gpen_ui.engine.placement import PlainNetwork, next_step
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import OutOfMemoryError
from gpen_ui.network import Gpen, GpenConfig
from tests import recipe

CONFIG = GpenConfig(16, 1, 1 / 64)
Place = Callable[[Gpen, str, torch.dtype], placement.Network]


@pytest.fixture(scope="module")
def network() -> Gpen:
    return recipe.fill(Gpen(CONFIG))


def crops(count: int) -> list[np.ndarray]:
    return [np.full((16, 16, 3), 20.0 * number, np.float32) for number in range(count)]


class Narrow(PlainNetwork):
    """A network on a device whose memory holds so many faces of a number type."""

    room: int = 0
    asked: list[tuple[int, torch.dtype]]

    def __call__(self, x: Tensor) -> Tensor:
        self.asked.append((len(x), self.dtype))
        if len(x) * self.dtype.itemsize > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")
        return super().__call__(x)


def narrow_place(room: int, asked: list[tuple[int, torch.dtype]]) -> Place:
    """`place` as on a machine that has this room for activations on a card, and plenty on the processor."""

    def place(network: Gpen, device: str, dtype: torch.dtype) -> placement.Network:
        placed = placement.PlainNetwork(placement.FastGpen(network, dtype))
        if device == "cpu":
            return placed
        narrow = Narrow(placed._network)
        narrow.room, narrow.asked = room, asked
        return narrow

    return place


@pytest.mark.parametrize(
    ("room", "notes", "dtypes"),
    [
        (8, ["batch_halved"], {torch.float32}),  # two faces of float32
        (2, ["batch_halved", "precision_lowered"], {torch.float32, torch.float16}),
        (0, ["batch_halved", "precision_lowered", "moved_to_cpu"], {torch.float32, torch.float16}),
    ],
)
def test_the_ladder_goes_down_step_by_step_and_loses_nothing(
    network: Gpen, room: int, notes: list[str], dtypes: set[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, torch.dtype]] = []
    place = narrow_place(room, asked)
    monkeypatch.setattr(placement, "place", place)
    faces = FaceRunner(place(network, "xpu:0", torch.float32), "xpu:0", 8, reload=lambda: network)
    monkeypatch.setattr(torch.Tensor, "to", _stays(torch.Tensor.to))
    expected = FaceRunner(PlainNetwork(placement.FastGpen(network)), "cpu", 1).run(crops(8))
    got = faces.run(crops(8))
    assert [note.key for note in faces.notes] == notes
    assert {dtype for _, dtype in asked} == dtypes
    for one, other in zip(got, expected, strict=True):
        assert isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        assert np.abs(one - other).max() < 2
    before = len(asked)
    faces.run(crops(2))  # starts from what worked
    assert len(faces.notes) == len(notes) and len(asked) <= before + 2
    assert all(note.sentence("en") and note.sentence("zh") for note in faces.notes)


def _stays(to: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Moving a tensor to the card of the test leaves it where it is."""

    def moved(self: Tensor, *given: object, **named: object) -> Tensor:
        return self if given and given[0] == "xpu:0" else to(self, *given, **named)

    return moved


def test_a_model_that_does_not_fit_the_card_is_loaded_on_the_processor(
    network: Gpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(network: Gpen, device: str, dtype: torch.dtype) -> placement.Network:
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return placement.PlainNetwork(placement.FastGpen(network, dtype))

    monkeypatch.setattr(loading, "place", place)
    monkeypatch.setattr(placement, "place", place)
    loaded = load_runner(lambda: network, "xpu:0", "float32")
    assert loaded.device == "cpu" and [note.key for note in loaded.notes] == ["moved_to_cpu"]
    assert all(isinstance(result, np.ndarray) for result in loaded.run(crops(2)))


def test_a_card_on_which_no_lower_step_fits_hands_over_to_the_processor(
    network: Gpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(network: Gpen, device: str, dtype: torch.dtype) -> placement.Network:
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return placement.PlainNetwork(placement.FastGpen(network, dtype))

    monkeypatch.setattr(placement, "place", place)
    full = Narrow(placement.FastGpen(network))
    full.room, full.asked = 0, []
    faces = FaceRunner(full, "xpu:0", 2, reload=lambda: network)
    monkeypatch.setattr(torch.Tensor, "to", _stays(torch.Tensor.to))
    assert all(isinstance(result, np.ndarray) for result in faces.run(crops(3)))
    assert faces.device == "cpu" and [note.key for note in faces.notes] == ["batch_halved", "moved_to_cpu"]


def test_a_processor_is_never_given_a_batch_that_the_machine_has_no_memory_for(
    network: Gpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "available_bytes", lambda: 140_000)  # a face of this network takes up to 64 kB
    faces = FaceRunner(PlainNetwork(placement.FastGpen(network)), "cpu", 8)
    assert all(isinstance(result, np.ndarray) for result in faces.run(crops(8)))
    assert {note.key for note in faces.notes} == {"batch_halved"} and faces.batch_size == 2


def test_the_last_step_has_no_next() -> None:
    device, dtype = "cuda:0", torch.float32
    seen = []
    while (step := next_step(device, dtype)) is not None:
        device, dtype = step
        seen.append(device)
    assert seen[0] == "cuda:0" and seen[-1] == "cpu" and len(seen) <= 3


def test_a_measured_batch_that_does_not_fit_says_so(network: Gpen) -> None:
    narrow = Narrow(placement.FastGpen(network))
    narrow.room, narrow.asked = 0, []
    with pytest.raises(OutOfMemoryError, match="2 faces"):
        FaceRunner(narrow, "cpu", 1).sample(2)
