"""How far two sets of weights are apart, layer by layer."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.encoder.weights.bundle import Weights
from impasto.images.spaces import ColourSpace

__all__ = ["SAME", "Distance", "distances", "expecting"]

SAME = 0.1
"""Relative distance below which two first layers are of one training, but for rounding."""


@dataclass(frozen=True)
class Distance:
    """Relative distance ‖a - b‖ / ‖b‖ of a layer's weight and of its bias."""

    layer: str
    weight: float
    bias: float


def distances(weights: Weights, reference: Weights) -> list[Distance]:
    """How far each layer of `weights` is from `reference`, a network of the same architecture.

    `reference` is brought to the colours that `weights` expects first.
    """
    reference = expecting(reference, weights.input)
    pairs = ((name, weights.layers[name], reference.layers[name]) for name in weights.layers)
    return [Distance(name, _apart(w, w0), _apart(b, b0)) for name, (w, b), (w0, b0) in pairs]


def expecting(weights: Weights, space: ColourSpace) -> Weights:
    """The same network for pictures in another colour space, by another first layer.

    A filter sees Σ weight[i] · (gain[i] · rgb[order[i]] + shift[i]) + bias, so gains move into the
    weights and shifts into the bias. Outputs are equal wherever a filter's window lies within the
    picture; the 0 that pads the border is another colour in each space.
    """
    if space == weights.input:
        return weights
    first = weights.architecture.taps[0]
    source, (weight, bias) = weights.input, weights.layers[first]
    rgb = torch.empty_like(weight, dtype=torch.float64)
    rgb[:, source.order] = weight.double() * _column(source.gain, weight)
    moved = rgb[:, space.order] / _column(space.gain, weight)
    shift = weight.double() * _column(source.shift, weight) - moved * _column(space.shift, weight)
    layer = (moved.to(weight.dtype), (bias.double() + shift.sum((1, 2, 3))).to(bias.dtype))
    return replace(weights, layers={**weights.layers, first: layer}, input=space)


def _column(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device).view(3, 1, 1)


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())
