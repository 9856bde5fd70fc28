"""The frozen network: layer tables, weights, features and their pullback."""

from impasto.encoder.architecture import ARCHITECTURES, Architecture, architecture
from impasto.encoder.formats import read_weights
from impasto.encoder.names import ENCODERS, weights_of
from impasto.encoder.network import PADDINGS, POOLINGS, Encoder, Tape
from impasto.encoder.weights import BUNDLED, Weights, bundled

__all__ = [
    "ARCHITECTURES",
    "BUNDLED",
    "ENCODERS",
    "PADDINGS",
    "POOLINGS",
    "Architecture",
    "Encoder",
    "Tape",
    "Weights",
    "architecture",
    "bundled",
    "read_weights",
    "weights_of",
]
