"""Style distances between the features themselves, which are sorted or matched one by one.

Notation: fᵢ are the canvas's features at its positions, wᵢ the share of each in the whole (shares
add up to 1), sⱼ the style image's features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.objective.statistics import Features
from impasto.objective.style_losses.base import declare

__all__ = ["nearest_neighbour", "sliced_wasserstein"]

_DIRECTIONS = 32
_CANDIDATES = 1024  # features of the style, evenly spread
_CHUNK = 4096  # positions matched at once
_SHORT = 1e-6  # of the style's mean squared length: keeps the direction of 0 finite


@declare(of=Features)
def sliced_wasserstein(canvas: Features, style: Features) -> Tensor:
    """Mean over 32 fixed directions θ of Σ wᵢ (x₍ᵢ₎ - Q(tᵢ))², a scalar: W₂² on θ.

    x are the sorted projections θ·f, tᵢ the middle of the i-th share of [0, 1], Q the quantiles of
    the style's projections, so that the two numbers of positions may differ.
    Source: Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis". They draw
    new directions for each evaluation, which rules out line searches and L-BFGS; ours are fixed.
    """
    values, order = _projected(canvas, style.once(_directions)).sort(1)  # (directions, n)
    shares = canvas.shares[order]
    middles = shares.cumsum(1) - shares / 2
    goal = _interpolated(style.once(_quantiles), middles)
    return (shares * (values - goal).square()).sum(1).mean()


def _projected(features: Features, directions: Tensor) -> Tensor:
    """Projections on each direction (directions, c), (directions, n)."""
    projected: Tensor = directions @ features.values.to(directions).T
    return projected


def _directions(style: Features) -> Tensor:
    """32 unit vectors, the same for each number of channels, (directions, c), float32 or better."""
    values = style.values
    channels = values.shape[1]
    generator = torch.Generator("cpu").manual_seed(channels)
    directions = torch.randn(
        _DIRECTIONS, channels, generator=generator, dtype=torch.float32, device="cpu"
    )
    unit: Tensor = directions / directions.norm(dim=1, keepdim=True)
    return unit.to(values.device, torch.promote_types(values.dtype, torch.float32))


def _quantiles(style: Features) -> Tensor:
    """The style's projections at the middles of n equal shares, (directions, n)."""
    values, order = _projected(style, style.once(_directions)).sort(1)
    shares = style.shares[order]
    count = values.shape[1]
    if torch.equal(shares, shares[:, :1].expand_as(shares)):
        return values
    middles = (shares.cumsum(1) - shares / 2).contiguous()
    equal = (torch.arange(count, dtype=torch.float32, device="cpu") + 0.5) / count
    wanted = equal.to(middles).expand_as(middles).contiguous()
    above = torch.searchsorted(middles, wanted).clamp(1, max(1, count - 1)).clamp_max(count - 1)
    below = (above - 1).clamp_min(0)
    low, high = middles.gather(1, below), middles.gather(1, above)
    part = ((wanted - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    return torch.lerp(values.gather(1, below), values.gather(1, above), part)


def _interpolated(quantiles: Tensor, at: Tensor) -> Tensor:
    """Quantiles at the middles of equal shares (k, m), interpolated at places of [0, 1] (k, n)."""
    count = quantiles.shape[1]
    place = (at * count - 0.5).clamp(0, count - 1)
    below = place.long().clamp(0, count - 1)  # of a place that is not a number
    above = (below + 1).clamp_max(count - 1)
    return torch.lerp(quantiles.gather(1, below), quantiles.gather(1, above), place - below)


@declare(of=Features, unit=1.0)
def nearest_neighbour(canvas: Features, style: Features) -> Tensor:
    """Σ wᵢ minⱼ (1 - cos(fᵢ - μₛ, sⱼ - μₛ)), a scalar.

    μₛ is the style's mean, and sⱼ are at most 1024 of its features.

    Source: Kolkin et al. 2022, "Neural Neighbor Style Transfer". They match all layers at once;
    here each layer has its own neighbours.
    """
    mean, short, candidates = style.once(_candidates)
    values = canvas.values
    centred = values.to(mean.dtype) - mean
    directions = centred / (centred.square().sum(1, keepdim=True) + short).sqrt()
    best = _matched(directions.detach(), candidates, values.dtype)
    return (canvas.shares * (1 - (directions * candidates[best]).sum(1))).sum()


def _candidates(style: Features) -> tuple[Tensor, Tensor, Tensor]:
    """The style's mean (c,), a small squared length, and directions from the mean (m, c)."""
    values = style.values
    accurate = torch.promote_types(values.dtype, torch.float32)
    mean = style.shares.to(accurate) @ values.to(accurate)
    seen = values[torch.cat(style.weights) > 0]
    centred = seen[:: -(-len(seen) // _CANDIDATES)].to(accurate) - mean
    squares = centred.square().sum(1, keepdim=True)
    short = (squares.mean() * _SHORT).clamp_min(torch.finfo(accurate).tiny)
    return mean, short, centred / (squares + short).sqrt()


def _matched(directions: Tensor, candidates: Tensor, arithmetic: torch.dtype) -> Tensor:
    """For each direction (n, c) the index of the candidate (m, c) of maximal cosine, (n,)."""
    goals = candidates.to(arithmetic).T.contiguous()
    chunks = torch.split(directions, _CHUNK)
    return torch.cat([(chunk.to(arithmetic) @ goals).argmax(1) for chunk in chunks])
