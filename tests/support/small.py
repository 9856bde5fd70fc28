"""Most tests paint a few pixels to see what comes of them, and as few as they say."""

import importlib

schedule = importlib.import_module("impasto.settings.schedule")
painted_larger = schedule.painted_larger


def paint_as_small_as_asked():
    """In this process small results are not painted larger and shrunk."""
    schedule.painted_larger = lambda settings, longest: False
