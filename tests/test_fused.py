"""The card's kernels compute the same function as the proven network, run on a processor by Triton's interpreter."""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"  # before the first import of Triton; nothing else of the tests uses it

import pytest
import torch
from torch.nn import functional

from gpen_ui.network import Gpen, GpenConfig
from tests import recipe

pytest.importorskip("triton")
from gpen_ui.engine import fused
from gpen_ui.engine.fused import FusedGpen, phases

# One channel count that fills no tile and several levels: the interpreter takes seconds for each.
SMALL = GpenConfig(16, 1, 1 / 64)


def relative_l2(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


@pytest.mark.parametrize("phases_up_to", [64, 0], ids=["one convolution of phases", "transposed convolution"])
def test_equals_the_network(phases_up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "PHASES_UP_TO", phases_up_to)
    network = recipe.fill(Gpen(SMALL))
    x = torch.cat([recipe.input_tensor(16, tag) for tag in "AB"])
    with torch.inference_mode():
        assert relative_l2(FusedGpen(network, torch.float32)(x), network(x)) < 5e-6


def test_tiles_that_cut_a_level_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BLUR_RGB_TILE", "BLUR_TILE"):
        monkeypatch.setattr(fused, name, fused.Tile(4, 16, 16, 1))  # 13 columns each: two to a row of 17 or 33
    for name in ("JOIN_RGB_TILE", "JOIN_TILE"):
        monkeypatch.setattr(fused, name, fused.Tile(8, 4, 16, 1))
    network = recipe.fill(Gpen(GpenConfig(32, 1, 1 / 64)))
    x = recipe.input_tensor(32, "A")
    with torch.inference_mode():
        assert relative_l2(FusedGpen(network, torch.float32)(x), network(x)) < 5e-6


def test_a_short_type_stays_close() -> None:
    network = recipe.fill(Gpen(SMALL))
    x = recipe.input_tensor(16, "A")
    with torch.inference_mode():
        out = FusedGpen(network, torch.float16)(x)
        assert out.dtype == torch.float32 and relative_l2(out, network(x)) < 2e-3


def test_the_phases_of_a_transposed_convolution_are_its_rows_and_columns() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, 5, 5), torch.randn(6, 3, 3, 3)
    whole = functional.conv_transpose2d(x, weight, stride=2)  # (2, 3, 11, 11)
    parts = functional.conv2d(x, phases(weight), padding=1).reshape(2, 2, 2, 3, 6, 6)
    for row in range(2):
        for column in range(2):
            expected = whole[:, :, row::2, column::2]
            got = parts[:, row, column, :, : expected.shape[2], : expected.shape[3]]
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
