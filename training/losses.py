"""The losses of a step, each a plain function of tensors in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.recognizer import Recognizer

_SCALES = (1, 2, 4, 8)
_LUMA_RGB = (0.299, 0.587, 0.114)
ENERGY_CELL_PX = 16  # side of the cells in which fine detail is weighed


def pixel_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference at full size, and of the averages over 2, 4 and 8 px, which hold tone and shape."""
    total = restored.new_zeros((), dtype=torch.float32)
    for scale in _SCALES:
        difference = restored.float() - clean.float()
        total = total + (functional.avg_pool2d(difference, scale) if scale > 1 else difference).abs().mean()
    return total / len(_SCALES)


def squared_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean squared difference, from which PSNR follows; it pulls the more, the farther a pixel is off."""
    return (restored.float() - clean.float()).square().mean()


def identity_loss(recognizer: Recognizer, restored: Tensor, clean: Tensor) -> Tensor:
    """Mean dlib distance, which is the number that is measured; rounded at zero so that its slope stays finite."""
    with torch.no_grad():
        wanted = recognizer.embed_faces(clean)
    squared = (recognizer.embed_faces(restored) - wanted).square().sum(dim=1)
    return (squared + 1e-3).sqrt().mean()


def fine_detail(faces: Tensor) -> Tensor:
    """Absolute Laplacian of the brightness: (N, 3, H, W) -> (N, 1, H - 2, W - 2)."""
    luma = torch.einsum("c,nchw->nhw", torch.tensor(_LUMA_RGB, device=faces.device), faces.float())[:, None]
    middle = luma[..., 1:-1, 1:-1]
    around = luma[..., :-2, 1:-1] + luma[..., 2:, 1:-1] + luma[..., 1:-1, :-2] + luma[..., 1:-1, 2:]
    return (around - 4 * middle).abs()


def texture_energy(restored: Tensor, clean: Tensor) -> Tensor:
    """Difference of the mean fine detail of 16 px cells, at full and half size.

    Pixel losses prefer a smooth cheek to hairs at the wrong place; this one asks for as much detail as there was,
    without asking where inside the cell.
    """
    total = restored.new_zeros((), dtype=torch.float32)
    for scale in (1, 2):
        have, want = (functional.avg_pool2d(x.float(), scale) if scale > 1 else x for x in (restored, clean))
        cells = [functional.avg_pool2d(fine_detail(x), ENERGY_CELL_PX, ENERGY_CELL_PX // 2) for x in (have, want)]
        total = total + (cells[0] - cells[1]).abs().mean()
    return total


def generator_verdict(fake: Tensor) -> Tensor:
    """Non-saturating loss of the generator (Goodfellow et al., 2014)."""
    return functional.softplus(-fake.float()).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of the discriminator."""
    return functional.softplus(-real.float()).mean() + functional.softplus(fake.float()).mean()


def feature_matching(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean absolute difference of the discriminator's features of a restored face and of its clean original."""
    parts = [(have.float() - want.float().detach()).abs().mean() for have, want in zip(fake, real, strict=True)]
    return torch.stack(parts).mean()


def gradient_penalty(discriminator: nn.Module, pictures: Tensor, place: Tensor) -> Tensor:
    """R1 (Mescheder et al., ICML 2018): the squared slope of the verdicts on real pictures, for each patch judged."""
    pictures = pictures.detach().requires_grad_(True)
    verdict, _ = discriminator(pictures, place)
    (slope,) = torch.autograd.grad(verdict.float().sum(), pictures, create_graph=True)
    return slope.float().square().sum() / verdict.numel()
