"""Tests that kill what they run do not wait for the first checkpoint of a long run."""

from impasto.outputs import checkpointing


def save_soon():
    """In this process a run saves its state three times a second, whatever that takes."""
    checkpointing._MIN_PAUSE, checkpointing._SHARE = 0.3, 1.0
