"""Distances between two sets of weights, layer by layer."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.encoder.weights.bundle import Weights
from impasto.images.spaces import ColourSpace

__all__ = ["SAME", "Distance", "distances", "expecting"]

SAME = 0.1
"""Two first layers at a smaller relative distance come from one training, up to rounding."""


@dataclass(frozen=True)
class Distance:
    """Relative distance ‖a - b‖ / ‖b‖ of a layer's weight and of its bias."""

    layer: str
    weight: float
    bias: float


def distances(weights: Weights, reference: Weights) -> list[Distance]:
    """Distance of each layer of `weights` from `reference`, a network of the same architecture.

    `reference` is first converted to the colours that `weights` expects.
    """
    reference = expecting(reference, weights.input)
    pairs = ((name, weights.layers[name], reference.layers[name]) for name in weights.layers)
    return [Distance(name, _apart(w, w0), _apart(b, b0)) for name, (w, b), (w0, b0) in pairs]


def expecting(weights: Weights, space: ColourSpace) -> Weights:
    """The same network for pictures in another colour space, with another first layer.

    A filter sees Σ weight[i] · (gain[i] · rgb[order[i]] + shift[i]) + bias, so gains move into the
    weights and shifts into the bias. Outputs are equal wherever a filter's window lies within the
    picture; the zeros that pad the border are another colour in each space.
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
