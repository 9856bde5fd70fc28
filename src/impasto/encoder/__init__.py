"""The frozen network: operations, weights, features and their pullback."""

from impasto.encoder.architecture import ARCHITECTURES, Architecture, architecture, vgg
from impasto.encoder.convolutions import describe_convolutions
from impasto.encoder.network import PADDINGS, Cotangent, Encoder, Tape
from impasto.encoder.operations import Conv, Ends, Halo, Operation, Pool, Relu
from impasto.encoder.pooling import POOLINGS
from impasto.encoder.weights import BUNDLED, Weights, bundled
from impasto.encoder.weights.catalogue import ENCODERS, weights_of
from impasto.encoder.weights.formats import read_weights
from impasto.encoder.weights.seeded import narrow_vgg, seeded_weights

__all__ = [
    "ARCHITECTURES",
    "BUNDLED",
    "ENCODERS",
    "PADDINGS",
    "POOLINGS",
    "Architecture",
    "Conv",
    "Cotangent",
    "Encoder",
    "Ends",
    "Halo",
    "Operation",
    "Pool",
    "Relu",
    "Tape",
    "Weights",
    "architecture",
    "bundled",
    "describe_convolutions",
    "narrow_vgg",
    "read_weights",
    "seeded_weights",
    "vgg",
    "weights_of",
]
