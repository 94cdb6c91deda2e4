"""Where training starts: a network that returns its input, untrained or grafted onto a trained one.

The finest encoder level, a 1x1 convolution of the input, is joined to the decoder right before the last toRGB. A pair
of channels that hold +c and -c passes both leaky ReLUs, and their difference is a multiple of c. Three such pairs and a
toRGB that reads them carry the input to the output, so that "input + correction" is a point in the space of the
published network, and training starts at "no harm to a good face" rather than at noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.network import Gpen
from gpen_ui.network.layers import ACTIVATION_GAIN, LEAK, ModulatedConv, StyledConv, ToRgb

PAIRS = 6  # +r, +g, +b, -r, -g, -b


def start_from_identity(network: Gpen) -> None:
    """Sets a freshly made network so that it returns its input; the other weights stay as drawn."""
    encoder, last, to_rgbs = _ends(network)
    with torch.no_grad():
        for to_rgb in to_rgbs:
            to_rgb.conv.weight.zero_()
            to_rgb.bias.zero_()
        last.noise.weight.fill_(1.0)
        _carry_input(encoder, last, to_rgbs[-1], torch.arange(PAIRS), share=1.0)


def start_from_model(network: Gpen, state: dict[str, Tensor], share: float, seed: int = 0) -> None:
    """Loads a trained network and blends the input into its output: share x input + (1 - share) x old output.

    The pairs take the place of the six finest encoder channels that are missed least. Those channels are functions of
    three colours alone, so the others, refitted by least squares, stand in for them where they were read.
    """
    network.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    encoder, last, to_rgbs = _ends(network)
    generator = torch.Generator().manual_seed(seed)
    colours = torch.rand(20000, 3, generator=generator) * 2 - 1
    with torch.no_grad():
        chosen = _replace_least_missed(network, encoder, colours)
        for to_rgb in to_rgbs:
            to_rgb.conv.weight.mul_(1 - share)
            to_rgb.bias.mul_(1 - share)
        _carry_input(encoder, last, to_rgbs[-1], chosen, share)


def _ends(network: Gpen) -> tuple[nn.Sequential, StyledConv, list[ToRgb]]:
    """The finest encoder level, the last styled convolution and all toRGBs, coarsest first."""
    decoder = network.generator
    last = decoder.convs[-1]
    encoder = network.get_submodule("ecd0.0")
    assert isinstance(last, StyledConv) and isinstance(encoder, nn.Sequential)
    return encoder, last, [decoder.to_rgb1, *decoder.to_rgbs]  # type: ignore[list-item]


def _carry_input(encoder: nn.Sequential, last: StyledConv, to_rgb: ToRgb, chosen: Tensor, share: float) -> None:
    """Lets the encoder channels `chosen` (6,) hold +c and -c, and the last toRGB add `share` times their difference."""
    conv, activation = encoder[0], encoder[1]
    width = conv.weight.shape[0]
    signs = torch.cat((torch.eye(3), -torch.eye(3)))  # (6, 3)
    conv.weight[chosen] = (signs / conv.scale)[:, :, None, None]
    activation.bias[chosen] = 0
    joined = chosen + width  # the features are the second half of the joined channels
    last.activate.bias[joined] = 0
    factor = last.noise.weight.item()
    # the pair's difference for c = 1: gain, leak, factor, gain, leak, in that order, on +c minus on -c
    slopes = (1, LEAK) if factor > 0 else (LEAK, 1)
    difference = ACTIVATION_GAIN**2 * factor * (slopes[0] + LEAK * slopes[1])
    modulated: ModulatedConv = to_rgb.conv
    modulated.modulation.weight[joined] = 0
    modulated.modulation.bias[joined] = 1
    modulated.weight[0, :, joined, 0, 0] = signs.T * (share / (difference * modulated.scale))


def _features(encoder: nn.Sequential, colours: Tensor) -> Tensor:
    """Finest encoder features of single pixels: (M, 3) -> (M, channels)."""
    return encoder(colours[:, :, None, None])[:, :, 0, 0]


def _replace_least_missed(network: Gpen, encoder: nn.Sequential, colours: Tensor) -> Tensor:
    """Frees six finest encoder channels; their readers get a least-squares substitute from the channels that stay."""
    weight = network.get_parameter("ecd1.0.1.weight")  # the next encoder level reads these features
    first: StyledConv = network.generator.convs[-2]  # type: ignore[assignment]
    after: StyledConv = network.generator.convs[-1]  # type: ignore[assignment]
    old = _features(encoder, colours)  # (M, C)
    width = old.shape[1]
    joined_weight = after.conv.weight[0, :, width:]
    joined_old = functional.leaky_relu(old * first.noise.weight + first.activate.bias[width:], LEAK)  # (M, C)
    readers_of = ((old, weight), (joined_old, joined_weight))
    missed = [(read.square().sum(dim=(0, 2, 3)) * table.var(dim=0)).sqrt() for table, read in readers_of]
    chosen = torch.argsort(sum(part / part.mean() for part in missed))[:PAIRS]
    kept = torch.tensor([number for number in range(width) if number not in set(chosen.tolist())])
    first.activate.bias[width + chosen] = 0
    for table, readers in readers_of:
        basis = torch.cat((table[:, kept], torch.ones(len(table), 1)), dim=1)
        substitute = torch.linalg.lstsq(basis, table[:, chosen]).solution[:-1]  # (kept, 6)
        readers[:, kept] += torch.einsum("kc,ocyx->okyx", substitute, readers[:, chosen])
        readers[:, chosen] = 0
    return chosen
