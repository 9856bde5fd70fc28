"""What colours a painting ends in: the style's, the photograph's, or the style's in their place.

Pure functions from sRGB pictures (3, h, w) in [0, 1] to sRGB pictures; lightness is Oklab's. All
compute in float64, in strips: whole pictures in float64 would not fit beside the painting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Palette",
    "from_oklab",
    "histogram_matched",
    "luminance",
    "matched_lightness",
    "recoloured",
    "to_oklab",
    "with_colours_of",
]

_STRIP = 2**20  # pixels
_YIELDING = 0.08  # lightness that a colour may move to be shown

_LMS = torch.tensor(  # of linear RGB
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
_LAB = torch.tensor(  # of ∛LMS; in the digits of CSS Color 4, in which greys are a = b = 0
    [
        [0.2104542683, 0.7936177747, -0.0040720430],
        [1.9779985324, -2.4285922420, 0.4505937096],
        [0.0259040425, 0.7827717125, -0.8086757549],
    ],
    dtype=torch.float64,
)


def to_oklab(rgb: Tensor) -> Tensor:
    """SRGB (3, h, w) -> lightness L in [0, 1], green-red a and blue-yellow b in about ± 0.3.

    Oklab (Ottosson 2020, bottosson.github.io/posts/oklab): Lab = M₂ ∛(M₁ rgb), rgb linear.
    """
    return _through(_oklab, rgb)


def from_oklab(lab: Tensor) -> Tensor:
    """Inverse of `to_oklab`; not clipped, with values outside [0, 1] for colours sRGB lacks."""
    return _through(lambda colours: _encoded(_light(colours)), lab)


def with_colours_of(painted: Tensor, content: Tensor, strength: float = 1.0) -> Tensor:
    """The painting in the photograph's colours: painted's Oklab L, a and b moved to content's.

    Both (3, h, w). `strength` is how far, 0 to 1. What sRGB cannot show comes nearer to content's
    lightness by as little as it must and 0.08 at most, and then loses chroma; hue stays. Absolute
    chroma is kept, not C / L: dark strokes in a light sky would turn grey.
    Gatys et al. 2016 (arXiv:1606.05897) do this in YIQ, whose steps are less even to the eye.
    """
    if strength == 0:
        return painted

    def coloured(painted: Tensor, content: Tensor) -> Tensor:
        own, theirs = _oklab(painted), _oklab(content)
        lab = torch.cat([own[:1], own[1:].lerp(theirs[1:], strength)])
        lab = _nearer(lab, (theirs[:1] - own[:1]).clamp(-_YIELDING, _YIELDING) * strength)
        return _encoded(_light(_shown(lab))).clamp(0, 1)

    return _through(coloured, painted, content)


def luminance(rgb: Tensor) -> Tensor:
    """The grey picture (3, h, w) of the same Oklab lightness: linear light L³ in each channel."""
    return _through(lambda colours: _encoded(_oklab(colours)[:1] ** 3).clamp(0, 1), rgb)


def matched_lightness(style: Tensor, content: Tensor) -> Tensor:
    """Style's luminance with content's mean and deviation, grey (3, h, w) in [0, 1].

    L ↦ (L - μₛ) σ / σₛ + μ (Gatys et al. 2016, luminance-only transfer), clamped.
    """
    grey = luminance(style)
    (own, mean), (spread, goal) = (
        torch.std_mean(x[0], correction=0) for x in (grey, luminance(content))
    )
    gain = spread / own.clamp_min(1e-4)
    return _through(lambda colours: ((colours - mean) * gain + goal).clamp(0, 1), grey)


def histogram_matched(picture: Tensor, goal: Tensor, turns: int = 16) -> Tensor:
    """Picture (3, h, w) with the distribution of colours of goal (3, h', w').

    Iterative distribution transfer (Pitié, Kokaram & Dahyot 2007): along the axes of one rotation
    of RGB after another, values move to the goal's quantiles. The rotations are fixed and the last
    is none, so that red, green and blue each end in the goal's distribution. The maps are found on
    a sample and then applied to all pixels.
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
    """Mean (3, 1) and covariance (3, 3) of colours, in float64; the latter never singular."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, picture: Tensor, where: Tensor | None = None) -> Palette:
        """That of a picture (3, h, w), or of where in it; all of it if that is nowhere."""
        colours = _strips(picture)
        weights: Sequence[Tensor | float] = [1.0] * len(colours)
        count: float | Tensor = picture[0].numel()
        if where is not None and where.any():
            where = _with_float64(where.to(picture.device))
            weights = torch.split(where.double().flatten(), _STRIP)
            count = where.sum(dtype=torch.float64)
        parts = [*zip(colours, weights, strict=True)]
        sums = ((_exact(c) * w).sum(1, keepdim=True) for c, w in parts)
        mean = torch.as_tensor(sum(sums)) / count
        around = ((_exact(c) - mean, w) for c, w in parts)
        covariance = torch.as_tensor(sum((c * w) @ c.T for c, w in around)) / count
        return cls(mean, covariance + 1e-5 * covariance.new_ones(3).diag())

    @classmethod
    def blend_statistics(cls, palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
        """That of several pictures' colours together; shares add up to 1."""
        parts = [*zip(palettes, shares, strict=True)]
        mean = torch.as_tensor(sum(share * p.mean for p, share in parts))
        spread = (share * (p.covariance + _square(p.mean - mean)) for p, share in parts)
        return cls(mean, torch.as_tensor(sum(spread)))


def _square(column: Tensor) -> Tensor:
    return column @ column.T


def recoloured(content: Tensor, style: Tensor | Palette, where: Tensor | None = None) -> Tensor:
    """Content (3, h, w) mapped linearly to the style's mean colour and covariance.

    Of all maps that do, the one that moves colours least (optimal transport between Gaussians;
    Pitié & Kokaram 2007): x ↦ μₛ + A⁻½ (A½ B A½)½ A⁻½ (x - μ) with A the content's covariance and
    B the style's; where there are weights (h, w), A is that of the content there. Not clipped.
    """
    own = Palette.of(content, where)
    other = Palette.of(style) if isinstance(style, Tensor) else style
    mean, a, goal, b = own.mean, own.covariance, other.mean, other.covariance
    root, unroot = _power(a, 0.5), _power(a, -0.5)
    transport = unroot @ _power(root @ b @ root, 0.5) @ unroot
    moved = torch.empty_like(content, memory_format=torch.contiguous_format)
    for colours, into in zip(_strips(content), _strips(moved), strict=True):
        into.copy_(transport @ (_exact(colours) - mean) + goal)
    return moved


def _linear(rgb: Tensor) -> Tensor:
    """SRGB values -> light (IEC 61966-2-1), odd below 0."""
    size = rgb.abs()
    return torch.where(size > 0.04045, rgb.sign() * ((size + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _encoded(light: Tensor) -> Tensor:
    """Inverse of `_linear`."""
    size = light.abs()
    curve = light.sign() * (1.055 * size ** (1 / 2.4) - 0.055)
    return torch.where(size > 0.0031308, curve, light * 12.92)


def _oklab(rgb: Tensor) -> Tensor:
    """SRGB (3, n) -> Oklab (3, n)."""
    lms = _LMS.to(rgb) @ _linear(rgb)
    return _LAB.to(rgb) @ (lms.sign() * lms.abs() ** (1 / 3))


def _light(lab: Tensor) -> Tensor:
    """Oklab (3, n) -> linear RGB (3, n), outside [0, 1] for colours that sRGB lacks."""
    return _LMS.inverse().to(lab) @ (_LAB.inverse().to(lab) @ lab) ** 3


def _fits(lab: Tensor) -> Tensor:
    """Whether sRGB shows these colours (3, n): (n,)."""
    light = _light(lab)
    return ((light >= -1e-12) & (light <= 1 + 1e-12)).all(0)


def _nearer(lab: Tensor, lightness: Tensor) -> Tensor:
    """Oklab (3, n), where sRGB lacks the colour with as much of `lightness` (1, n) as it needs."""
    lost = ~_fits(lab)
    start, enough = lab[:, lost], lab.new_ones(int(lost.sum()))
    move, less = lightness[:, lost], torch.zeros_like(enough)
    for _ in range(8):
        middle = (less + enough) / 2
        fits = _fits(torch.cat([start[:1] + middle * move, start[1:]]))
        less, enough = torch.where(fits, less, middle), torch.where(fits, middle, enough)
    nearer = lab.clone()
    nearer[:1, lost] = start[:1] + enough * move
    return nearer


def _shown(lab: Tensor) -> Tensor:
    """Oklab (3, n), where sRGB lacks the colour with the most chroma that it shows; L in [0, 1].

    By bisection between the colour and the grey as light, to 1e-5 of the chroma.
    """
    lost = ~_fits(lab)
    beyond, inside = lab[:, lost], lab[:, lost]
    inside[1:] = 0
    for _ in range(16):
        middle = (inside + beyond) / 2
        fits = _fits(middle)
        inside, beyond = torch.where(fits, middle, inside), torch.where(fits, beyond, middle)
    shown = lab.clone()
    shown[:, lost] = inside
    return shown


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

        A table, for its slope is bounded where the sample's distribution jumps: of equal colours,
        rounding would otherwise make different ones.
        """
        levels = torch.linspace(0, 1, 1024, dtype=torch.float64)
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
    generator = torch.Generator().manual_seed(0)
    for _ in range(turns - 1):
        yield torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    yield torch.eye(3, dtype=torch.float64)


def _sample(picture: Tensor) -> Tensor:
    """At most 2¹⁸ colours of a picture, evenly spread: (3, n) in float64 on the CPU."""
    colours = picture.flatten(1)
    count = min(colours.shape[1], 2**18)
    places = torch.arange(count, device=picture.device) * colours.shape[1] // count
    return colours[:, places].cpu().double()


def _through(change: Callable[..., Tensor], *pictures: Tensor) -> Tensor:
    """Change, of the colours (3, n) of pictures of one size, for all of them in strips."""
    changed = torch.empty_like(pictures[0], memory_format=torch.contiguous_format)
    for into, *strips in zip(*map(_strips, (changed, *pictures)), strict=True):
        into.copy_(change(*map(_exact, strips)))
    return changed


def _exact(values: Tensor) -> Tensor:
    """The values in float64, on the CPU where their device has none."""
    return _with_float64(values).double()


def _with_float64(values: Tensor) -> Tensor:
    """The values on their device, or on the CPU where that has no float64."""
    return values.cpu() if values.device.type == "mps" else values


def _strips(picture: Tensor) -> tuple[Tensor, ...]:
    """A picture's pixels (3, n) in parts, for float64 of all would be twice the picture."""
    return torch.split(picture.flatten(1), _STRIP, 1)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T
    return power
