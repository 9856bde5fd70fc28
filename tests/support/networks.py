"""Tiny seeded networks; `encoder="tiny"` is one, for tests that are not about VGG."""

import torch

from impasto.encoder import ENCODERS, narrow_vgg, seeded_weights

TINY = {name: narrow_vgg(name) for name in ("vgg19", "vgg16")}


def tiny_weights(network="vgg19", seed=0, dtype=torch.float64, **record):
    """Seeded weights of a narrow network."""
    return seeded_weights(TINY[network], seed, dtype, **record)


def depths(architecture):
    """Number of convolutions before the first pooling, between it and the next, and so on."""
    strides = [architecture.stride(name) for name in architecture.convolutions]
    return [strides.count(stride) for stride in sorted({*strides})]


def named_tiny():
    """Four to eight channels a layer, seeded, in float32 as a file's would be."""
    return tiny_weights(dtype=torch.float32, name="tiny", sha256="71" * 32)


def register_tiny():
    """Make `encoder="tiny"` and `--encoder tiny` known in this process."""
    ENCODERS.register("tiny", named_tiny)
