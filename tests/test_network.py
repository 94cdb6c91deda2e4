"""The network reproduces the published one: names, shapes and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gpen_ui.network import Gpen, GpenConfig
from tests import recipe
from tests.reference import Reference

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("tiny-64", "tiny-128", "GPEN-BFR-256", "GPEN-BFR-512", "GPEN-BFR-1024", "GPEN-BFR-2048")


def manifest(name: str) -> dict:
    return json.loads((GOLDEN / f"manifest-{name}.json").read_text())


def config_of(name: str) -> GpenConfig:
    facts = manifest(name)["config"]
    return GpenConfig(facts["size"], facts["channel_multiplier"], facts["narrow"])


def relative_l2(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_those_of_the_published_checkpoint(name: str) -> None:
    with torch.device("meta"):
        state = Gpen(config_of(name)).state_dict()
    expected = {key: tuple(entry["shape"]) for key, entry in manifest(name)["state_dict"].items()}
    assert {key: tuple(value.shape) for key, value in state.items()} == expected
    assert list(state) == list(expected)


@pytest.mark.parametrize("tag", ["A", "B"])
@pytest.mark.parametrize("name", ["tiny-64", "tiny-128"])
def test_whole_output_of_the_tiny_networks(name: str, tag: str) -> None:
    config = config_of(name)
    with torch.inference_mode():
        out = recipe.fill(Gpen(config))(recipe.input_tensor(config.size, tag))
    expected = np.load(GOLDEN / f"golden-{name}-{tag}-full.npz")["out"]
    assert relative_l2(out[0].permute(1, 2, 0), expected) < 2e-5


@pytest.mark.parametrize("name", ["GPEN-BFR-256", "GPEN-BFR-512", "GPEN-BFR-1024"])
def test_published_sizes_reproduce_their_golden_samples(name: str) -> None:
    config = config_of(name)
    network = recipe.fill(Gpen(config))
    with torch.inference_mode():
        x = recipe.input_tensor(config.size, "A")
        out = network(x)[0].permute(1, 2, 0).numpy()
        w = network.generator.style(network.encode(x)[0])
    golden = np.load(GOLDEN / f"golden-{name}-A.npz")
    step = config.size // 32
    sample = out[step // 2 :: step, step // 2 :: step]
    assert relative_l2(sample, golden["sub"]) < 2e-5
    assert relative_l2(out[golden["row_index"]], golden["rows"]) < 2e-5
    assert relative_l2(w, golden["w"]) < 1e-5
    eight_bit = (np.clip(sample * 0.5 + 0.5, 0, 1) * 255).astype(np.uint8)[:, :, ::-1]
    off = np.abs(eight_bit.astype(int) - golden["sub_u8_bgr"])
    assert off.max() <= 1 and (off > 0).mean() < 0.01


@pytest.mark.parametrize("config", [GpenConfig(64, 1, 1 / 16), GpenConfig(256, 2, 1 / 16), GpenConfig(2048, 2, 1 / 16)])
def test_equals_the_reference_also_in_a_batch(config: GpenConfig) -> None:
    network = recipe.fill(Gpen(config))
    batch = 1 if config.size > 1024 else 3
    torch.manual_seed(0)
    x = torch.rand(batch, 3, config.size, config.size) * 2 - 1
    with torch.inference_mode():
        out = network(x)
    assert relative_l2(out, Reference(config, network.state_dict())(x)) < 2e-5


def test_a_batch_equals_its_single_results() -> None:
    network = recipe.fill(Gpen(GpenConfig(128, 2, 1 / 16)))
    x = torch.cat([recipe.input_tensor(128, tag) for tag in "AB"])
    with torch.inference_mode():
        together = network(x)
        alone = torch.cat([network(x[:1]), network(x[1:])])
    assert relative_l2(together, alone) < 2e-6


def test_the_gradient_reaches_every_parameter() -> None:
    network = recipe.fill(Gpen(GpenConfig(32, 1, 1 / 16)))
    network(recipe.input_tensor(32, "A")).square().mean().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_a_wrong_input_shape_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"\(N, 3, 32, 32\), got \(1, 3, 64, 64\)"):
        Gpen(GpenConfig(32, 1, 1 / 16))(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("values", [{"size": 500}, {"size": 512, "channel_multiplier": 0}, {"size": 64, "narrow": 0}])
def test_impossible_configurations_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match=r"must be .*got"):
        GpenConfig(**values)
