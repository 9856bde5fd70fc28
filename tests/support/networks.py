"""Tiny seeded networks; `encoder="tiny"` is one, for tests that are not about VGG."""

import torch

from impasto.encoder import ENCODERS, Weights, vgg

TINY = {
    "vgg19": vgg("vgg19", (2, 2, 4, 4, 4), (4, 5, 6, 7, 8)),
    "vgg16": vgg("vgg16", (2, 2, 3, 3, 3), (4, 5, 6, 7, 8)),
}


def tiny_weights(network="vgg19", seed=0, dtype=torch.float64, **record):
    """He-initialised weights of a narrow network, so that features neither vanish nor explode."""
    net, generator = TINY[network], torch.Generator().manual_seed(seed)
    layers = {}
    for name, conv in net.convolutions.items():
        weight = torch.randn(conv.shape, generator=generator, dtype=torch.float64)
        bias = torch.randn(conv.outward, generator=generator, dtype=torch.float64)
        scale = 1 / 100 if name == "conv1_1" else 1.0  # the input is in 0-255
        weight *= (2 / (9 * conv.inward)) ** 0.5 * scale
        layers[name] = (weight.to(dtype), (bias * 0.1).to(dtype))
    return Weights(net, layers, **record)


def named_tiny():
    """Four to eight channels a layer, seeded, in float32 as a file's would be."""
    return tiny_weights(dtype=torch.float32, name="tiny", sha256="71" * 32)


def register_tiny():
    """Make `encoder="tiny"` and `--encoder tiny` known in this process."""
    ENCODERS.register("tiny", named_tiny)
