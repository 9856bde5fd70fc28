"""Weight files as other programs keep them, read as data: nothing in them is ever run."""

from impasto.encoder.weights.formats.reading import read_weights

__all__ = ["read_weights"]
