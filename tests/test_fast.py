"""The fast form computes the same function as the proven network, and short number types stay close to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest
import torch

from gpen_ui.engine import precision, processor
from gpen_ui.engine.fast import FastGpen, fir_adds, fir_depthwise, upsample_picture
from gpen_ui.engine.placement import PlainNetwork, place
from gpen_ui.engine.processor import ProcessorGpen, by_parity, can_fuse, doubled
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.network.layers import Blur, Upsample
from gpen_ui.paths import home_folder
from gpen_ui.weights import load_network
from tests import pictures, recipe

CONFIGS = [GpenConfig(64, 1, 1 / 16), GpenConfig(256, 2, 1 / 16)]


Form = Callable[[Gpen, torch.dtype], FastGpen]
FORMS = [
    pytest.param(FastGpen, id="depthwise"),
    pytest.param(partial(FastGpen, adds=True), id="adds"),
    pytest.param(
        ProcessorGpen,
        id="processor",
        marks=pytest.mark.skipif(not can_fuse(torch.float32), reason="this PyTorch cannot fuse on this processor"),
    ),
]


def relative_l2(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_equals_the_network_in_float32(config: GpenConfig, form: Form) -> None:
    network = recipe.fill(Gpen(config))
    x = torch.cat([recipe.input_tensor(config.size, tag) for tag in "AB"])
    with torch.inference_mode():
        assert relative_l2(form(network, torch.float32)(x), network(x)) < 5e-6


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_short_types_stay_close_and_give_float32_pictures(dtype: torch.dtype, bound: float, form: Form) -> None:
    network = recipe.fill(Gpen(CONFIGS[0]))
    x = recipe.input_tensor(64, "A")
    with torch.inference_mode():
        out = form(network, dtype)(x)
        assert out.dtype == torch.float32
        assert relative_l2(out, network(x)) < bound


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_equals_its_single_results_and_the_network_is_left_alone(form: Form) -> None:
    network = recipe.fill(Gpen(CONFIGS[0]))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fast = form(network, torch.float32)
    x = torch.cat([recipe.input_tensor(64, tag) for tag in "AB"])
    with torch.inference_mode():
        together = fast(x)
        alone = torch.cat([fast(x[:1]), fast(x[1:])])
        again = fast(x)
    assert relative_l2(together, alone) < 2e-6 and torch.equal(together, again)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_all_forms_of_the_filters_agree() -> None:
    x = torch.rand(2, 5, 17, 16)
    for padding_px, gain in ((2, 1.0), (1, 4.0)):
        expected = Blur(padding_px, gain)(x)
        for form in (fir_adds, fir_depthwise):
            torch.testing.assert_close(form(x, padding_px, gain), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(upsample_picture(x[:, :3]), Upsample()(x[:, :3]), atol=1e-5, rtol=1e-5)


def test_four_convolutions_are_the_transposed_one() -> None:
    x, weight = torch.randn(2, 5, 6, 7), torch.randn(5, 4, 3, 3)
    expected = torch.nn.functional.conv_transpose2d(x, weight, stride=2)
    torch.testing.assert_close(doubled(x, by_parity(weight.transpose(0, 1))), expected)


@pytest.mark.skipif(not can_fuse(torch.float32), reason="this PyTorch cannot fuse on this processor")
@pytest.mark.parametrize("channels_last", [False, True])
def test_however_the_face_lies_in_memory_all_levels_are_in_channels_last(channels_last: bool) -> None:
    """In the other layout the same picture takes twice as long."""
    x = recipe.input_tensor(64, "A")
    x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if channels_last else x.contiguous().clone()
    features = ProcessorGpen(recipe.fill(Gpen(CONFIGS[0])), torch.bfloat16).encode(x)
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in features)


@pytest.mark.parametrize(("size", "parts"), [(64, [5]), (512, [2, 2, 1]), (1024, [1] * 5)])
def test_a_processor_takes_a_large_batch_in_parts(size: int, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def watched(network: FastGpen, x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x * 2

    monkeypatch.setattr(FastGpen, "forward", watched)
    network, batch = place(Gpen(GpenConfig(size, 1, 1 / 16)), "cpu", torch.float32), torch.rand(5, 3, size, size)
    assert torch.equal(network(batch), batch * 2), "every face, in its order"
    assert seen == parts


@pytest.mark.parametrize(
    "broken", [AttributeError("no such operation"), RuntimeError("not on this processor"), torch.zeros(1, 4, 8, 8)]
)
def test_a_processor_that_cannot_fuse_runs_the_plain_form(
    broken: Exception | torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conv(*_: object, **__: object) -> torch.Tensor:
        if isinstance(broken, Exception):
            raise broken
        return broken

    monkeypatch.setattr(processor, "conv_leaky", conv)
    network = recipe.fill(Gpen(CONFIGS[0]))
    with torch.inference_mode():
        x = recipe.input_tensor(64, "A")
        assert relative_l2(place(network, "cpu", torch.float32)(x), network(x)) < 5e-6


def test_bfloat16_stays_within_two_levels_on_the_embedded_model() -> None:
    network = load_network(home_folder() / "models" / "gpen-lite-512.pth")
    face = cv2.resize(pictures.degraded(pictures.astronaut()[30:230, 120:320], factor=0.5), (512, 512))
    x = torch.from_numpy(face).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        off = ((place(network, "cpu", torch.bfloat16)(x) - network(x)).abs() * 127.5).flatten()
    assert float(off.kthvalue(int(off.numel() * 0.999)).values) <= 2 and float(off.max()) <= 4


def test_a_face_that_overflows_is_computed_again_exactly_and_said() -> None:
    network = recipe.fill(Gpen(CONFIGS[0]))

    class Overflowing(FastGpen):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = super().forward(x)
            out[0] = float("inf")
            return out

    runner = FaceRunner(PlainNetwork(Overflowing(network, torch.bfloat16)), "cpu", 2, reload=lambda: network)
    crop = np.full((64, 64, 3), 90, np.float32)
    result = runner.run([crop])[0]
    exact = FaceRunner(PlainNetwork(FastGpen(network)), "cpu", 1).run([crop])[0]
    assert isinstance(result, np.ndarray) and isinstance(exact, np.ndarray) and np.abs(result - exact).max() < 1e-3
    assert [note.key for note in runner.notes] == ["redone_exactly"]


@pytest.mark.parametrize(
    ("bfloat16_s", "chosen"), [(0.04, torch.bfloat16), (0.09, torch.float32), (1.5, torch.float32)]
)
def test_the_processor_gets_the_short_type_only_where_it_is_clearly_quicker(
    bfloat16_s: float, chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = {torch.float32: 0.1, torch.bfloat16: bfloat16_s}
    monkeypatch.setattr(precision, "trial_seconds", timed.__getitem__)
    assert precision.choose_dtype("cpu") == chosen
    assert precision.choose_dtype("cpu", "float32") == precision.choose_dtype("cuda:0", "float32") == torch.float32


def test_the_trial_runs_in_both_types() -> None:
    assert all(precision.trial_seconds(dtype) > 0 for dtype in (torch.float32, torch.bfloat16))
