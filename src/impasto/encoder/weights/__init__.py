"""Where a network's numbers come from: bundled, downloaded, or in a weight file."""

from impasto.encoder.weights.bundle import BUNDLED, Weights, bundled, bundled_file
from impasto.encoder.weights.catalogue import ENCODERS, weights_of
from impasto.encoder.weights.formats import read_weights

__all__ = [
    "BUNDLED",
    "ENCODERS",
    "Weights",
    "bundled",
    "bundled_file",
    "read_weights",
    "weights_of",
]
