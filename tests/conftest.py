"""A tiny seeded network, small pictures, and what torch's warnings must not spoil."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see impasto.apps.cli.main

import numpy as np
import pytest
import torch
from hypothesis import settings

from impasto.encoder import Architecture, Weights

# Machines differ in speed, and continuous integration must not differ from itself.
settings.register_profile("impasto", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("impasto")

TINY = {
    "vgg19": Architecture("vgg19", (2, 2, 4, 4, 4), (4, 5, 6, 7, 8)),
    "vgg16": Architecture("vgg16", (2, 2, 3, 3, 3), (4, 5, 6, 7, 8)),
}


def tiny_weights(network="vgg19", seed=0, dtype=torch.float64):
    """He-initialised weights of a narrow network, so that features neither vanish nor explode."""
    net, generator = TINY[network], torch.Generator().manual_seed(seed)
    layers = {}
    for name, (inward, outward) in net.convolutions.items():
        weight = torch.randn(outward, inward, 3, 3, generator=generator, dtype=torch.float64)
        bias = torch.randn(outward, generator=generator, dtype=torch.float64)
        scale = 1 / 100 if name == "conv1_1" else 1.0  # the input is in 0-255
        weight *= (2 / (9 * inward)) ** 0.5 * scale
        layers[name] = (weight.to(dtype), (bias * 0.1).to(dtype))
    return Weights(net, layers)


def random_image(height, width, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, height, width, generator=generator, dtype=dtype)


def smooth_picture(width, height, phase=0.0):
    """A picture with structure at all scales, as a Picture."""
    from impasto.images import Picture

    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / (3 + c) + phase) * np.cos(y / (5 - c) + phase) for c in range(3)]
    return Picture(torch.from_numpy(np.stack(waves)) * 0.4 + 0.5)


@pytest.fixture
def tiny():
    return tiny_weights()


@pytest.fixture(scope="session")
def photo():
    return smooth_picture(48, 40)


@pytest.fixture(scope="session")
def painting():
    return smooth_picture(44, 36, phase=1.0)
