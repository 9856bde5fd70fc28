"""Random weights: a network that has seen no pictures, for checks of gradients and for tests."""

import torch

from impasto.encoder.architecture import Architecture, vgg
from impasto.encoder.weights.bundle import Weights

__all__ = ["narrow_vgg", "seeded_weights"]

_LEVELS = 100  # the input is in 0-255


def narrow_vgg(name: str = "vgg19") -> Architecture:
    """A VGG-19 or VGG-16 with all its layers, of four to eight channels."""
    depths = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
    return vgg(name, depths[name], (4, 5, 6, 7, 8))


def seeded_weights(
    net: Architecture,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    *,
    name: str | None = None,
    sha256: str | None = None,
) -> Weights:
    """He-initialised weights of a network, so that features neither vanish nor explode."""
    generator, layers = torch.Generator().manual_seed(seed), {}
    for index, (layer, conv) in enumerate(net.convolutions.items()):
        weight = torch.randn(conv.shape, generator=generator, dtype=torch.float64)
        bias = torch.randn(conv.outward, generator=generator, dtype=torch.float64)
        scale = 1.0 if index else 1 / _LEVELS
        weight *= (2 / (conv.kernel**2 * conv.inward)) ** 0.5 * scale
        layers[layer] = (weight.to(dtype), (bias * 0.1).to(dtype))
    return Weights(net, layers, sha256=sha256, name=name)
