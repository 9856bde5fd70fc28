"""The frozen network: layer tables, weights, features and their pullback."""

from impasto.encoder.architecture import ARCHITECTURES, Architecture, architecture
from impasto.encoder.convolution import describe_convolutions
from impasto.encoder.network import PADDINGS, Cotangent, Encoder, Ends, Tape
from impasto.encoder.pooling import POOLINGS
from impasto.encoder.weights import BUNDLED, Weights, bundled
from impasto.encoder.weights.catalogue import ENCODERS, weights_of
from impasto.encoder.weights.formats import read_weights

__all__ = [
    "ARCHITECTURES",
    "BUNDLED",
    "ENCODERS",
    "PADDINGS",
    "POOLINGS",
    "Architecture",
    "Cotangent",
    "Encoder",
    "Ends",
    "Tape",
    "Weights",
    "architecture",
    "bundled",
    "describe_convolutions",
    "read_weights",
    "weights_of",
]
