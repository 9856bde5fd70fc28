"""The frozen network: layer tables, weights, features and their pullback."""

from impasto.encoder.architecture import ARCHITECTURES, Architecture, architecture
from impasto.encoder.network import PADDINGS, POOLINGS, Encoder, Tape
from impasto.encoder.weights import BUNDLED, Weights, bundled

__all__ = [
    "ARCHITECTURES",
    "BUNDLED",
    "PADDINGS",
    "POOLINGS",
    "Architecture",
    "Encoder",
    "Tape",
    "Weights",
    "architecture",
    "bundled",
]
