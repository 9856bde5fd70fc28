"""Palettes and mixing. Colours are sRGB floats in [0, 255], shape (..., 3)."""

import numpy as np


def palette(text: str) -> np.ndarray:
    """Colours (K, 3) from words such as `"0b1026 e8b54a"`."""
    return np.array([list(bytes.fromhex(word)) for word in text.split()], np.float32)


def ramp(colours: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Colours (..., 3) at `position` in [0, 1] along evenly spaced `colours` (K, 3)."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(position, stops, colours[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def blend(below: np.ndarray, above: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """`above` laid over `below` with opacity `cover` in [0, 1] of shape (...), without channels."""
    cover = np.asarray(cover, np.float32)[..., None]
    return below + (above - below) * cover


def vary(rng, colours: np.ndarray, amount: float) -> np.ndarray:
    """The same colours, each lighter or darker and warmer or cooler by about `amount` levels."""
    light = rng.normal(0, amount, (*colours.shape[:-1], 1))
    warmth = rng.normal(0, amount / 2, (*colours.shape[:-1], 1)) * [1, 0.1, -1]
    return np.clip(colours + light + warmth, 0, 255).astype(np.float32)
