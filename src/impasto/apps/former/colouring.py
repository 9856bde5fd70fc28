"""Names of `impasto.colouring` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.colouring",
    with_colours_of="impasto.images.colour_transfer:with_colours_of",
)
