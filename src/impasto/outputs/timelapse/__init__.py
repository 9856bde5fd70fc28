"""A film of how a picture came."""

from impasto.outputs.timelapse.encoders import FILMS
from impasto.outputs.timelapse.film import Timelapse, check_film

__all__ = ["FILMS", "Timelapse", "check_film"]
