"""Whose colours a picture has: one module a mode, chosen by the setting `colour`."""

from impasto.run.colour_modes.base import ColourMode, colour_mode

__all__ = ["ColourMode", "colour_mode"]
