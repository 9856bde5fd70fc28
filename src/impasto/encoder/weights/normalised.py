"""Networks rescaled so that every layer has the same mean activation.

ReLU and pooling commute with a positive factor, so a layer's output can be divided by its mean
activation s, and the next layer's weights multiplied by it: for layer l

    weight *= s[l - 1] / s[l],  bias /= s[l],  s[0] = 1

and every ReLU's features are those of the original network divided by s[l], exactly. Gatys et al.
2016 (section 2) scale so that the mean activation *of each filter* over images and positions is 1.
Here one factor serves a whole layer: a few photographs say little about a filter that rarely fires.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from impasto.encoder.weights.bundle import Weights

__all__ = ["MEAN_ACTIVATIONS", "rescaled"]

MEAN_ACTIVATIONS = {
    "vgg19": (
        21.8233,
        93.52476,
        105.5968,
        85.09865,
        104.4621,
        132.9827,
        276.8266,
        382.2322,
        429.5861,
        274.5163,
        143.0731,
        34.17534,
        38.34525,
        15.63292,
        6.875036,
        0.9852855,
    ),
    "vgg16": (
        22.13087,
        114.0872,
        159.0603,
        156.1075,
        215.9548,
        224.7942,
        134.8797,
        123.157,
        65.7495,
        15.52287,
        17.25503,
        7.506005,
        0.9912006,
    ),
}
"""Network -> mean of each ReLU's output in order of evaluation, over the sample photographs.

Written by `scripts/measure_activations.py`.
"""


def rescaled(weights: Weights, activations: Iterable[float]) -> Weights:
    """The same network with each layer's features divided by a number.

    `activations` are these numbers, all positive, one for each convolution in order.
    """
    factors = pairwise((1.0, *activations))
    layers: Mapping[str, tuple[Tensor, Tensor]] = {
        name: (weight * (before / own), bias / own)
        for (name, (weight, bias)), (before, own) in zip(
            weights.layers.items(), factors, strict=True
        )
    }
    return replace(weights, layers=layers)
