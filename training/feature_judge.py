"""A second discriminator, which judges from the features of a frozen classifier instead of pixels.

Sauer et al., "Projected GANs converge faster", NeurIPS 2021. A judge that starts from pixels soon knows how much detail
there is, and is long in learning of which kind; the classifier's features tell hair from lines from the first step on.
Every level has a judge of its own: the fine ones see texture, the coarse ones parts of a face.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.discriminator import EqualConv, activate
from training.perceptual import FEATURE_WIDTHS, Perceptual

WIDTH = 64
SPREADS = (1.7, 6.6, 6.1, 5.1)  # standard deviations of the levels' features, of four photos of faces


class _Head(nn.Module):
    """Verdicts from one level: convolutions of 3 px, so that each sees a neighbourhood of about 5 features."""

    def __init__(self, inputs: int, halved: bool) -> None:
        super().__init__()
        self.entry = EqualConv(inputs + 2, WIDTH, 1)
        self.conv1 = EqualConv(WIDTH, WIDTH, 3)
        self.conv2 = EqualConv(WIDTH, WIDTH, 3)
        self.verdict = EqualConv(WIDTH, 1, 1)
        self.halved = halved

    def forward(self, features: Tensor, place: Tensor) -> Tensor:
        x = activate(self.entry(torch.cat((features, place), dim=1)))
        x = activate(self.conv1(x))
        if self.halved:
            x = functional.avg_pool2d(x, 2)
        verdict: Tensor = self.verdict(activate(self.conv2(x)))
        return verdict


class FeatureJudge(nn.Module):
    """Features of the levels at 1/2, 1/4, 1/8 and 1/16 of the side (`Perceptual.features`) and the place of each pixel
    in its face (N, 2, S, S) -> a verdict map (N, 1, ., .) of each level, higher is more real."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Head(width, level == 0) for level, width in enumerate(FEATURE_WIDTHS))

    def forward(self, features: list[Tensor], place: Tensor) -> list[Tensor]:
        verdicts = []
        for head, level, spread in zip(self.heads, features, SPREADS, strict=True):
            where = functional.adaptive_avg_pool2d(place, level.shape[-1])
            verdicts.append(head(level / spread, where))
        return verdicts


def look_closer(pictures: Tensor, zoom: int) -> Tensor:
    """The middle 1/zoom of (N, C, S, S), enlarged to the same side: the classifier halves what it gets before its first
    level, so at a zoom of 2 that level is as fine as the picture's own pixels. Places are enlarged likewise."""
    if zoom == 1:
        return pictures
    side = pictures.shape[-1]
    kept = side // zoom
    edge = (side - kept) // 2
    middle = pictures[..., edge : edge + kept, edge : edge + kept]
    return functional.interpolate(middle, size=(side, side), mode="bilinear", align_corners=False)


class JudgedFeatures(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] and places -> the judge's verdicts; the classifier stays as it is."""

    def __init__(self, classifier: Perceptual, judge: FeatureJudge, zoom: int = 1) -> None:
        super().__init__()
        self.classifier, self.judge, self.zoom = classifier, judge, zoom

    def forward(self, pictures: Tensor, place: Tensor) -> list[Tensor]:
        pictures, place = look_closer(pictures, self.zoom), look_closer(place, self.zoom)
        verdicts: list[Tensor] = self.judge(self.classifier.features(pictures), place)
        return verdicts


def feature_penalty(judge: FeatureJudge, features: list[Tensor], place: Tensor) -> Tensor:
    """R1 as in `losses.gradient_penalty`, with features in the place of pixels: the mean over the levels."""
    features = [level.detach().float().requires_grad_(True) for level in features]
    verdicts = judge(features, place.float())
    slopes = torch.autograd.grad(sum(verdict.sum() for verdict in verdicts), features, create_graph=True)
    parts = [
        (slope * spread).square().sum() / verdict.numel()  # the slope along features of spread 1
        for slope, spread, verdict in zip(slopes, SPREADS, verdicts, strict=True)
    ]
    return torch.stack(parts).mean()
