"""Names of `impasto.losses` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved("impasto.losses", style_loss="impasto:style_loss", Moments="impasto:Moments")
