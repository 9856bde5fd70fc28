"""Weight files of other programs, read as data: nothing in them is executed."""

from impasto.encoder.weights.formats.reading import read_weights

__all__ = ["read_weights"]
