"""How good a painted picture is, by measures that no recipe descends.

    photograph, painting -> Judge; picture -> Verdict

The network is the bundled VGG-16 with max pooling and edge padding, in float32, whatever network
painted. Pictures are (3, h, w) sRGB in [0, 1]; the photograph and every picture that is judged
have one size, and the painting that size's longest side, whatever size a recipe measured it at.
Lower is better throughout, but none says it alone: the photograph itself has no content distance,
and strokes, where they are wanted, are fine detail as noise is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from impasto.encoder import Encoder, weights_of

__all__ = [
    "CONTENT_TAP",
    "STYLE_TAPS",
    "Judge",
    "Normal",
    "Verdict",
    "border_colour",
    "border_detail",
    "colour_distance",
    "content_distance",
    "copied",
    "edge_correlation",
    "gram_distance",
    "judging_encoder",
    "noise",
    "strong_edges",
    "wasserstein",
]

STYLE_TAPS = tuple(f"relu{block}_1" for block in range(1, 6))
CONTENT_TAP = "relu4_2"
OBJECT_TAP = "relu5_1"

FRAME = 0.02  # of the longest side: how wide the border's frame is
WINDOW = 0.02  # of the longest side: the window in which flat is flat
FLAT = 0.25  # of the photograph's pixels
EDGES = 0.1  # of the photograph's pixels
BLUR = 1.0  # px: what is finer counts as noise

LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal distribution nearest to a layer's features: μ (c,) and Σ (c, c), float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Normal:
        """Mean and covariance over the positions of features (1, c, h, w)."""
        columns = features[0].flatten(1).double()  # (c, h·w)
        mean = columns.mean(1)
        centred = columns - mean[:, None]
        return cls(mean, centred @ centred.T / columns.shape[1])

    @property
    def gram(self) -> Tensor:
        """Σ f fᵀ / M = Σ + μ μᵀ, (c, c)."""
        return self.covariance + torch.outer(self.mean, self.mean)


def gram_distance(canvas: Normal, style: Normal) -> float:
    """‖G/M - A/M‖²_F / ‖A/M‖²_F at one layer: relative, so that layers count alike."""
    return float((canvas.gram - style.gram).square().sum() / style.gram.square().sum())


def wasserstein(canvas: Normal, style: Normal) -> float:
    """W₂² of two normal distributions / (‖μₛ‖² + tr Σₛ), at one layer.

    W₂² = ‖μ - μₛ‖² + tr(Σ + Σₛ - 2(Σₛ½ Σ Σₛ½)½) (Olkin and Pukelsheim 1982). What it is divided by
    is W₂² from the style to no features at all.
    """
    most = style.mean.square().sum() + style.covariance.trace()
    return float(_transport(canvas, style) / most)


def _transport(canvas: Normal, style: Normal) -> Tensor:
    """W₂², a scalar."""
    root = _square_root(style.covariance)
    between = root @ canvas.covariance @ root  # its square root's trace is Σ √eigenvalue
    shared = torch.linalg.eigvalsh(between).clamp_min(0).sqrt().sum()
    shapes = canvas.covariance.trace() + style.covariance.trace() - 2 * shared
    moved = (canvas.mean - style.mean).square().sum()
    return moved + shapes.clamp_min(0)


def _square_root(covariance: Tensor) -> Tensor:
    """Σ½ (c, c), symmetric; eigenvalues below 0 are rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def content_distance(features: Tensor, target: Tensor) -> float:
    """mean((F - P)²) / mean(P²) of features (1, c, h, w)."""
    return float((features - target).square().mean() / target.square().mean())


def copied(features: Tensor, style: Tensor) -> float:
    """The share of positions at which one connected piece of the painting is repeated.

    Each position of `features` (1, c, h, w) has a best match among those of `style` (1, c, h', w'):
    that of the greatest cosine, both less the style's mean. Two neighbours belong to one piece
    where their matches are neighbours too, in the same direction to one position. The largest piece
    counts, by how many places of the painting it has: a flat part that matches one place over and
    over is no object. A copy of the painting has 1.
    """
    rows, columns = _matches(features, style)
    height, width = rows.shape
    down = rows - torch.arange(height)[:, None]
    across = columns - torch.arange(width)
    piece = torch.arange(height * width).view(height, width)
    while True:
        before = piece.clone()
        for axis in (0, 1):
            length = piece.shape[axis] - 1
            one, other = piece.narrow(axis, 0, length), piece.narrow(axis, 1, length)
            joined = torch.minimum(one, other)
            same = (down.diff(dim=axis).abs() <= 1) & (across.diff(dim=axis).abs() <= 1)
            lowest = torch.where(same, joined, one), torch.where(same, joined, other)
            one.copy_(torch.minimum(one, lowest[0]))
            other.copy_(torch.minimum(other, lowest[1]))
        if torch.equal(piece, before):
            break
    places = rows * style.shape[-1] + columns
    found = torch.stack([piece.flatten(), places.flatten()]).unique(dim=1)
    return int(found[0].bincount().max()) / (height * width)


def _matches(features: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of each position's best match, (h, w) each."""
    mean = style.mean((2, 3), keepdim=True)
    mine, theirs = (F.normalize((x - mean)[0].flatten(1), dim=0) for x in (features, style))
    best = (mine.T @ theirs).argmax(1).view(features.shape[2:])
    return best // style.shape[-1], best % style.shape[-1]


def lightness(picture: Tensor) -> Tensor:
    """Rec. 709's luma of a picture (3, h, w) in levels of 255, (h, w) float64."""
    return torch.einsum("c,chw->hw", picture.new_tensor(LUMA).double(), picture.double()) * 255


def noise(picture: Tensor, photograph: Tensor) -> float:
    """RMS of L - blur(L) over the pixels where the photograph is flat, in levels of 255.

    L is the picture's lightness, blur a Gaussian of σ = 1 px. Of white noise of deviation s it
    is 0.87 s.
    """
    light = lightness(picture)
    residual = light - blurred(light, BLUR)
    return float(residual[flat_parts(photograph)].square().mean().sqrt())


def colour_distance(picture: Tensor, painting: Tensor) -> float:
    """W₂ of the normal distributions of two pictures' sRGB colours, in levels of 255."""
    colours = (Normal.of(x[None]) for x in (picture, painting))
    return float(_transport(*colours).sqrt()) * 255


def edge_correlation(picture: Tensor, photograph: Tensor, where: Tensor) -> float:
    """Σ ∇L·∇P / √(Σ‖∇L‖² Σ‖∇P‖²) over the pixels `where`, (h, w) bool.

    L and P are the lightness of the two, ∇ the steps to the pixels to the right and below. 1 for
    the same edges of any strength, 0 for edges that have nothing to do with each other.
    """
    inside = where[:-1, :-1]
    mine, theirs = (steps(x)[:, inside] for x in (picture, photograph))
    most = (mine.square().sum() * theirs.square().sum()).sqrt()
    return float((mine * theirs).sum() / most.clamp_min(1e-9))


def strong_edges(photograph: Tensor) -> Tensor:
    """The tenth of the pixels at which the photograph is steepest, (h, w) bool; see `slopes`."""
    steep = F.pad(slopes(photograph), (0, 1, 0, 1))
    rank = max(1, round((1 - EDGES) * steep.numel()))
    return steep > steep.flatten().kthvalue(rank).values


def flat_parts(photograph: Tensor) -> Tensor:
    """The quarter of the pixels with the least local deviation of lightness, (h, w) bool.

    More where many pixels have the same.
    """
    window = 2 * round(WINDOW * max(photograph.shape) / 2) + 1
    variance = local_variance(lightness(photograph), window)
    rank = max(1, round(FLAT * variance.numel()))
    return variance <= variance.flatten().kthvalue(rank).values


def local_variance(light: Tensor, window: int) -> Tensor:
    """Variance of (h, w) in an odd window around each pixel, as far as it is within the picture."""

    def mean(x: Tensor) -> Tensor:
        margin = window // 2
        return F.avg_pool2d(x[None, None], window, 1, margin, count_include_pad=False)[0, 0]

    return (mean(light.square()) - mean(light).square()).clamp_min(0)


def blurred(light: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of (h, w), cut off at 4 σ; beyond the edge the picture is mirrored."""
    reach = round(4 * sigma)
    x = torch.arange(-reach, reach + 1, dtype=light.dtype)
    bell = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = torch.outer(bell, bell) / bell.sum() ** 2
    wide = F.pad(light[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(wide, kernel[None, None])[0, 0]


def border_colour(picture: Tensor, photograph: Tensor) -> float:
    """How much darker, brighter or otherwise coloured the frame is; see `border_error`."""
    return border_error(picture.double() * 255, photograph.double() * 255, 1.0)


def border_detail(picture: Tensor, photograph: Tensor) -> float:
    """How much rougher or smoother the frame is: `border_error` of ln(1 + slope²)."""
    painted, own = ((slopes(x)[None] + 1).log() for x in (picture, photograph))
    return border_error(painted, own, 0.01)


def border_error(picture: Tensor, photograph: Tensor, least: float) -> float:
    """How much the border stands out, in the picture less in the photograph; both (c, h, w).

    From each side inwards the means of strips, each 2 % of the longest side deep, go in steps; e is
    the RMS of the first, from the frame to the band just inside it, over the RMS of those further
    in, but at least `least`. The error is e of the picture - e of the photograph: 0 for a border
    like the photograph's, n for a first step larger by n common ones. Contrast is taken out so
    that a bold painting is not blamed for it, and the photograph's own border is allowed for.

    A network that pads zeros sees a border where there is none, and paints it: dark, bright or
    smooth as far as its layers' padding reaches.
    """
    return _first_step(picture, least) - _first_step(photograph, least)


def _first_step(x: Tensor, least: float) -> float:
    steps = [means.diff(dim=0) for means in strips(x)]  # each (n - 1, c)
    first, others = torch.stack([s[0] for s in steps]), torch.cat([s[1:] for s in steps])
    return _rms(first) / max(_rms(others), least)


def strips(x: Tensor) -> Iterator[Tensor]:
    """Means of strips along each side of (c, h, w), from the side halfway to the other, (n, c)."""
    depth = max(1, round(FRAME * max(x.shape)))
    for turned in (x, x.flip(1), x.mT, x.mT.flip(1)):  # (c, away from the side, along it)
        count = turned.shape[1] // (2 * depth)
        yield turned[:, : count * depth].unflatten(1, (count, depth)).mean((2, 3)).T


def slopes(picture: Tensor) -> Tensor:
    """(L right - L)² + (L below - L)² of a picture (3, h, w), (h - 1, w - 1)."""
    return steps(picture).square().sum(0)


def steps(picture: Tensor) -> Tensor:
    """L right - L and L below - L of a picture (3, h, w), (2, h - 1, w - 1)."""
    light = lightness(picture)
    here = light[:-1, :-1]
    return torch.stack([light[:-1, 1:] - here, light[1:, :-1] - here])


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


@dataclass(frozen=True)
class Verdict:
    """The measures of one picture; the style distances are averaged over layers."""

    gram: float
    wasserstein: float
    content: float
    noise: float
    copied: float
    border_colour: float
    border_detail: float


def judging_encoder() -> Encoder:
    """The bundled VGG-16, which no preset of impasto's own paints by."""
    return Encoder(weights_of("vgg16"), pooling="max", padding="replicate", dtype=torch.float32)


class Judge:
    """Judges pictures by one photograph (3, h, w) of their size and one painting."""

    def __init__(self, photograph: Tensor, painting: Tensor, encoder: Encoder) -> None:
        self._encoder, self._photograph = encoder, photograph
        self._content = self._features(photograph, (CONTENT_TAP,))[CONTENT_TAP]
        features = self._features(painting, STYLE_TAPS)
        self._objects = features[OBJECT_TAP]
        self._style = [Normal.of(features[tap]) for tap in STYLE_TAPS]

    def verdict(self, picture: Tensor) -> Verdict:
        """All measures of a picture (3, h, w)."""
        features = self._features(picture, (*STYLE_TAPS, CONTENT_TAP))
        canvas = (Normal.of(features[tap]) for tap in STYLE_TAPS)
        layers = list(zip(canvas, self._style, strict=True))
        return Verdict(
            gram=fmean(gram_distance(*layer) for layer in layers),
            wasserstein=fmean(wasserstein(*layer) for layer in layers),
            content=content_distance(features[CONTENT_TAP], self._content),
            noise=noise(picture, self._photograph),
            copied=copied(features[OBJECT_TAP], self._objects),
            border_colour=border_colour(picture, self._photograph),
            border_detail=border_detail(picture, self._photograph),
        )

    def _features(self, picture: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
        return self._encoder.features(picture, taps)[1]
