"""Whether a term or a style loss of your own has the gradient of its value, in tiles too.

Each is evaluated in float64, with a narrow network that has seen no pictures, at a canvas of noise:
its gradient along some directions is compared with central differences of its value, and the whole
canvas with the same canvas in windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from impasto.encoder import Encoder, narrow_vgg, seeded_weights
from impasto.errors import SettingsError, TermError
from impasto.images.spaces import CAFFE
from impasto.objective.measure import StyleStatistics, measure_statistics
from impasto.objective.objective import CanvasFunction, Objective
from impasto.objective.style_losses import StyleLoss, find_style_loss
from impasto.objective.terms import StyleTarget, StyleTerm, TermContext, TermFactory
from impasto.objective.tiles import Tiling, min_tile

__all__ = ["check_style_loss", "check_term", "gradient_error"]

TOLERANCE = 0.01  # relative; a wrong factor is far above it
_SIZE = (64, 48)  # width and height of the canvas, pixels, unless tiles need more
_SPREAD = 40.0  # deviation of the canvas from mean grey, levels of 255
_STEPS = (1e-6, 1e-4, 1e-2)  # of differences, in parts of the canvas's deviation
_SLOPE = 1e-3


def check_term(make: TermFactory, *, encoder: Encoder | None = None) -> float:
    """The largest relative error of the gradient of a term, which `Run(terms=[make])` would take.

    `encoder` is the network that the term sees, best in float64; by default a narrow VGG-19 of
    random weights. Raises TermError where the gradient is not that of the value, where a pixel term
    replaces the gradient of others in place of adding to it, and where the canvas in tiles has
    another value or gradient than the canvas as a whole.
    """
    net = encoder or _narrow()
    term = make(_context(net, _SIZE))
    taps = tuple(getattr(term, "taps", ()))
    tile = min_tile(net.architecture, taps) if taps else max(_SIZE)
    size = max(_SIZE[0], tile + tile // 2), max(_SIZE[1], tile)
    if size != _SIZE:
        term = make(_context(net, size))
    objective, canvas = Objective(net, [term]), _noise(size, 1)
    added = Objective(net, [_Slope(), term])(canvas).gradient - _SLOPE
    if not torch.allclose(added, objective(canvas).gradient):
        raise TermError(f"{term.name} replaces the gradient of other terms; add its own in place")
    return _checked(objective, term.name, canvas, tile)


def check_style_loss(name: str, *, taps: Sequence[str] = ("relu1_1", "relu2_1")) -> float:
    """The largest relative error of the gradient of the style loss called `name`, at `taps`.

    Autograd finds it, so it is wrong only where the function leaves autograd, as by `.item()`,
    `.detach()` or `.data`, or is not smooth. Raises TermError there, and where the loss has no
    gradient at all; SettingsError for an unknown name.
    """
    net, loss = _narrow(), find_style_loss(name)
    target = StyleTarget(_noise_style(net, taps, loss))
    term = StyleTerm(net.architecture, [target], dict.fromkeys(taps, 1.0), loss)
    tile = min_tile(net.architecture, taps)
    try:
        return _checked(Objective(net, [term]), name, _noise(_SIZE, 1), tile)
    except RuntimeError as error:  # autograd's own words for a value that depends on nothing
        raise TermError(f"{name} cannot be differentiated: {error}") from error


def gradient_error(function: CanvasFunction, canvas: Tensor, directions: int = 2) -> float:
    """The largest relative difference between the gradient of `function` and central differences.

    `canvas` is (3, h, w), best in float64; it is compared along its gradient and along random
    `directions`. Of several lengths of a difference the best counts: short ones meet rounding, and
    long ones the kinks of ReLUs. 0 is exact, 1 as wrong as no gradient at all.
    """
    if directions < 1:
        raise SettingsError(f"directions is {directions}; expected 1 or more")
    gradient, spread = function(canvas).gradient, float(canvas.std())

    def error(direction: Tensor, step: float) -> float:
        ends = (function(canvas + side * direction).loss for side in (step, -step))
        numeric = float(next(ends) - next(ends)) / (2 * step)
        analytic = float((gradient * direction).sum())
        scale = max(abs(numeric), abs(analytic), float(gradient.norm()))
        return abs(numeric - analytic) / scale if scale else 0.0

    along = (_direction(gradient, index) for index in range(directions + 1))
    return max(min(error(each, length * spread) for length in _STEPS) for each in along)


def _checked(objective: Objective, name: str, canvas: Tensor, tile: int) -> float:
    """The error of the gradient, whole and in tiles; TermError where it is too large."""
    error = gradient_error(objective, canvas)
    if not error < TOLERANCE:
        raise TermError(
            f"the gradient of {name} is off by {error:.1%} of what its value does; derive it again"
        )
    whole, parts = objective(canvas), objective.retiled(Tiling(tile))(canvas)
    values = whole.loss, parts.loss
    if not torch.allclose(*values, rtol=TOLERANCE):
        raise TermError(
            f"{name} is {float(values[0]):.4g} of the whole canvas and {float(values[1]):.4g} in "
            f"tiles; make it a sum over positions, divided by numbers of the whole canvas only"
        )
    apart = (whole.gradient - parts.gradient).norm() / whole.gradient.norm().clamp_min(1e-30)
    if not apart < TOLERANCE:
        raise TermError(
            f"the gradient of {name} differs by {float(apart):.1%} in tiles; it may depend on "
            f"what is measured of the whole canvas, and on a tile's own features, alone"
        )
    return error


def _narrow() -> Encoder:
    return Encoder(seeded_weights(narrow_vgg()), dtype=torch.float64)


def _noise(size: tuple[int, int], seed: int) -> Tensor:
    """A canvas (3, h, w) of noise around mean grey, float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, size[1], size[0])
    return torch.randn(shape, generator=generator, dtype=torch.float64) * _SPREAD


def _direction(gradient: Tensor, index: int) -> Tensor:
    """The gradient's own direction, then random ones: a deviation of 1 for each value."""
    generator = torch.Generator().manual_seed(index)
    random = torch.randn(gradient.shape, generator=generator, dtype=torch.float64).to(gradient)
    length = gradient.norm()
    own = gradient * (gradient.numel() ** 0.5 / length) if length else random
    return random if index else own


def _context(encoder: Encoder, size: tuple[int, int]) -> TermContext:
    content = CAFFE.to_srgb(_noise(size, 0)).clamp(0, 1)
    return TermContext(encoder, CAFFE, size, content, Tiling(), partial(_style_of_part, encoder))


def _style_of_part(encoder: Encoder, part: Tensor, name: str, weight: float) -> StyleTerm:
    """What a run gives terms for a part of the canvas: here Grams of noise, at the first layer."""
    tap, loss = "relu1_1", find_style_loss("gram")
    target = StyleTarget(_noise_style(encoder, (tap,), loss), part, weight)
    return StyleTerm(encoder.architecture, [target], {tap: 1.0}, loss, name=name)


def _noise_style(encoder: Encoder, taps: Sequence[str], loss: StyleLoss) -> StyleStatistics:
    style = CAFFE.to_srgb(_noise(_SIZE, 2)).clamp(0, 1)
    return measure_statistics(encoder, style, taps, loss=loss)


class _Slope:
    """Σ x / 1000: a gradient that a term finds there, and has to add to."""

    name = "what was there before"

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        gradient.add_(_SLOPE)
        return _SLOPE * canvas.sum()
