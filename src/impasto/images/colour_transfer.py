"""Colour transfer: a painting in the content's colours, or a picture in those of another.

Pure functions of sRGB pictures (3, h, w) in [0, 1]; lightness is Oklab's. All compute in float64,
on the CPU where the device has none, and in strips, because a whole picture in float64 may not fit
into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from impasto.images.oklab import (
    encoded,
    from_oklab,
    nearer_lightness,
    reduced_chroma,
    to_oklab,
)
from impasto.images.precision import in_float64

__all__ = [
    "Palette",
    "histogram_matched",
    "luminance",
    "matched_lightness",
    "recoloured",
    "with_colours_of",
]

_STRIP = 2**20  # pixels
_MAX_MOVE = 0.08  # lightness that a colour may move to be in sRGB


def with_colours_of(painted: Tensor, content: Tensor, strength: float = 1.0) -> Tensor:
    """The painting in content's colours: its own Oklab L, with a and b moved to content's.

    Both are (3, h, w) in [0, 1], and so is the result; `strength` is how far, 0 to 1. A colour that
    sRGB lacks moves towards content's lightness by as little as it must and at most 0.08, then
    loses chroma; its hue stays. Chroma itself is transferred, not C / L, which would turn dark
    strokes in a light sky grey. Gatys et al. 2016 (arXiv:1606.05897) do this in YIQ, whose steps
    are less even to the eye.
    """
    if strength == 0:
        return painted

    def coloured(painted: Tensor, content: Tensor) -> Tensor:
        own, theirs = to_oklab(painted), to_oklab(content)
        lab = torch.cat([own[:1], own[1:].lerp(theirs[1:], strength)])
        move = (theirs[:1] - own[:1]).clamp(-_MAX_MOVE, _MAX_MOVE) * strength
        return from_oklab(reduced_chroma(nearer_lightness(lab, move))).clamp(0, 1)

    return _through(coloured, painted, content)


def luminance(rgb: Tensor) -> Tensor:
    """The grey picture of the same Oklab lightness: linear light L³ in each channel.

    (3, h, w) in [0, 1], and so is the result.
    """
    return _through(lambda colours: encoded(to_oklab(colours)[:1] ** 3).clamp(0, 1), rgb)


def matched_lightness(style: Tensor, content: Tensor) -> Tensor:
    """Style's luminance with content's mean and standard deviation: grey (3, h, w) in [0, 1].

    Both are pictures (3, h, w) in [0, 1], of any sizes.
    L ↦ (L - μₛ) σ / σₛ + μ (Gatys et al. 2016, luminance-only transfer), clamped.
    """
    grey = luminance(style)
    (own, mean), (spread, goal) = (
        torch.std_mean(x[0], correction=0) for x in (grey, luminance(content))
    )
    gain = spread / own.clamp_min(1e-4)
    factors = (mean, gain, goal)

    def matched(colours: Tensor) -> Tensor:
        mean, gain, goal = (factor.to(colours) for factor in factors)
        return ((colours - mean) * gain + goal).clamp(0, 1)

    return _through(matched, grey)


def histogram_matched(picture: Tensor, goal: Tensor, turns: int = 16) -> Tensor:
    """Picture (3, h, w) with the distribution of colours of goal (3, h', w'); all in [0, 1].

    Iterative distribution transfer (Pitié, Kokaram & Dahyot 2007): along the axes of `turns`
    rotations of RGB, one after another, values move to the goal's quantiles. The rotations are
    fixed. The last is the identity, so that red, green and blue each end in the goal's
    distribution. The maps are found on a sample and applied to all pixels.
    """
    sample, target = _sample(picture), _sample(goal)
    moves = []
    for axes in _rotations(turns):
        moves.append(_Move.between(axes, sample, target))
        sample = moves[-1](sample)

    def moved(colours: Tensor) -> Tensor:
        for move in moves:
            colours = move(colours)
        return colours.clamp(0, 1)

    return _through(moved, picture)


@dataclass(frozen=True, eq=False)
class Palette:
    """Mean (3, 1) and covariance (3, 3) of sRGB colours, float64 on the CPU; never singular."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(
        cls,
        picture: Tensor,
        where: Tensor | None = None,
        total: Callable[[Tensor], Tensor] = torch.as_tensor,
    ) -> Palette:
        """Palette of a picture (3, h, w) in [0, 1], weighted by `where` (h, w) in [0, 1].

        Without weights, and where all are 0, every pixel counts alike. `total` adds up over
        processes that have other rows of the picture.
        """
        strips = _strips(picture)
        weights: Sequence[Tensor] = [picture.new_ones(1, 1)] * len(strips)
        count = total(torch.tensor(float(picture[0].numel()), dtype=torch.float64))
        if where is not None and (weight := total(where.cpu().sum(dtype=torch.float64))) > 0:
            weights, count = _strips(where[None]), weight
        parts = [*zip(strips, (w.to(picture.device) for w in weights), strict=True)]
        sums = ((in_float64(c) * in_float64(w)).sum(1, keepdim=True) for c, w in parts)
        summed = total(torch.as_tensor(sum(sums)))
        mean = summed / count.to(summed.device)
        around = ((in_float64(c) - mean, in_float64(w)) for c, w in parts)
        covariance = total(torch.as_tensor(sum((c * w) @ c.T for c, w in around))).cpu() / count
        return cls(mean.cpu(), covariance + 1e-5 * covariance.new_ones(3).diag())

    @classmethod
    def blend(cls, palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
        """Palette of the colours of several pictures together; shares add up to 1."""
        parts = [*zip(palettes, shares, strict=True)]
        mean = torch.as_tensor(sum(share * p.mean for p, share in parts))
        spread = (share * (p.covariance + _square(p.mean - mean)) for p, share in parts)
        return cls(mean, torch.as_tensor(sum(spread)))


def _square(column: Tensor) -> Tensor:
    return column @ column.T


def recoloured(
    content: Tensor,
    style: Tensor | Palette,
    where: Tensor | None = None,
    own: Palette | None = None,
) -> Tensor:
    """Content (3, h, w) in [0, 1] mapped linearly to the style's mean colour and covariance.

    `style` is a picture (3, h', w') in [0, 1] or a Palette. Of all maps that do this, the one that
    moves colours least (optimal transport between Gaussians; Pitié & Kokaram 2007):
    x ↦ μₛ + A⁻½ (A½ B A½)½ A⁻½ (x - μ) with A the content's covariance, each pixel weighted by
    `where` (h, w) in [0, 1], and B the style's. The result (3, h, w) is not clipped. `own` takes
    the place of the content's own palette, so that several pictures are mapped alike.
    """
    own = own or Palette.of(content, where)
    other = Palette.of(style) if isinstance(style, Tensor) else style
    mean, a, goal, b = own.mean, own.covariance, other.mean, other.covariance
    root, unroot = _power(a, 0.5), _power(a, -0.5)
    transport = unroot @ _power(root @ b @ root, 0.5) @ unroot
    moved = torch.empty_like(content, memory_format=torch.contiguous_format)
    for colours, into in zip(_strips(content), _strips(moved), strict=True):
        exact = in_float64(colours)
        to, shift = transport.to(exact), goal.to(exact)
        into.copy_(to @ (exact - mean.to(exact)) + shift)
    return moved


@dataclass(frozen=True, eq=False)
class _Move:
    """Colours along three axes, each moved by a function that is tabulated at even steps.

    axes is (3, 3), one a row; start and step are (3, 1), table (3, k).
    """

    axes: Tensor
    start: Tensor
    step: Tensor
    table: Tensor

    @classmethod
    def between(cls, axes: Tensor, sample: Tensor, target: Tensor) -> _Move:
        """Optimal transport in one dimension, Q ∘ F, from sample (3, n) to target (3, m).

        A table bounds the slope where the sample's distribution jumps. Otherwise rounding would
        turn equal colours into different ones.
        """
        levels = torch.linspace(0, 1, 1024, dtype=torch.float64, device="cpu")
        knots, goals = ((axes @ x).quantile(levels, 1).T.numpy() for x in (sample, target))
        low, high = knots[:, :1], knots[:, -1:]
        step = np.maximum(high - low, 1e-3) / 4096
        places = low + step * (np.arange(4098) - 0.5)
        table = np.stack([np.interp(*line) for line in zip(places, knots, goals, strict=True)])
        table += places - places.clip(low, high)  # of slope 1 outside, so that like goes to like
        return cls(axes, *map(torch.from_numpy, (places[:, :1], step, table)))

    def __call__(self, colours: Tensor) -> Tensor:
        """The colours (3, n) moved."""
        axes, start, step, table = (
            x.to(colours) for x in (self.axes, self.start, self.step, self.table)
        )
        place = ((axes @ colours - start) / step).clamp(0, table.shape[1] - 1)
        before = place.long().clamp_max(table.shape[1] - 2)
        values = table.gather(1, before).lerp(table.gather(1, before + 1), place - before)
        return axes.T @ values


def _rotations(turns: int) -> Iterator[Tensor]:
    """`turns` orthogonal matrices (3, 3): always the same random ones, last the identity."""
    generator = torch.Generator("cpu").manual_seed(0)
    for _ in range(turns - 1):
        noise = torch.randn(3, 3, generator=generator, dtype=torch.float64, device="cpu")
        yield torch.linalg.qr(noise).Q
    yield torch.eye(3, dtype=torch.float64, device="cpu")


def _sample(picture: Tensor) -> Tensor:
    """At most 2¹⁸ colours of a picture, evenly spread: (3, n) in float64 on the CPU."""
    colours = picture.flatten(1)
    count = min(colours.shape[1], 2**18)
    places = torch.arange(count, device=picture.device) * colours.shape[1] // count
    return colours[:, places].cpu().double()


def _through(change: Callable[..., Tensor], *pictures: Tensor) -> Tensor:
    """Apply `change` to the colours (3, n), float64, of pictures of one size (3, h, w).

    The result (3, h, w) has the dtype and the device of the first picture.
    """
    changed = torch.empty_like(pictures[0], memory_format=torch.contiguous_format)
    for into, *strips in zip(*map(_strips, (changed, *pictures)), strict=True):
        into.copy_(change(*map(in_float64, strips)))
    return changed


def _strips(picture: Tensor) -> tuple[Tensor, ...]:
    """The pixels of a picture (c, h, w) in parts (c, n) of at most 2²⁰."""
    return torch.split(picture.flatten(1), _STRIP, 1)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T
    return power
