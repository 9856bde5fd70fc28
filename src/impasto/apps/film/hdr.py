"""High dynamic range to light that a screen of standard range shows."""

from __future__ import annotations

import numpy as np

__all__ = ["WHITE", "Curve", "eetf", "hlg_light", "pq_light", "pq_signal"]

WHITE = 203.0  # cd/m² of diffuse white in HDR, ITU-R BT.2408; it becomes the brightest of SDR


class Curve:
    """HDR to SDR: the EETF of ITU-R BT.2390, 5.4, on the brightest channel.

    The other channels are scaled alike, so that hue stays. Up to a knee the curve changes nothing;
    above it a Hermite spline leads the film's peak to diffuse white (203 cd/m²).
    """

    def __init__(self, peak: float) -> None:
        signal = np.linspace(0, 1, 4097, dtype=np.float64)
        nits = pq_light(signal)
        top = pq_signal(np.array(max(peak, WHITE)))
        mapped = pq_light(top * eetf(np.minimum(signal / top, 1), pq_signal(np.array(WHITE)) / top))
        self._signal = signal.astype(np.float32)
        gain = mapped / np.maximum(nits, 1e-6) / WHITE
        gain[0] = 1 / WHITE
        self._gain = gain.astype(np.float32)

    def __call__(self, nits: np.ndarray) -> np.ndarray:
        """Light (…, 3) in cd/m² to light in [0, 1] of the screen's white."""
        brightest = pq_signal(nits.max(-1))
        gain = np.interp(brightest, self._signal, self._gain).astype(np.float32)
        light: np.ndarray = nits * gain[..., None]
        return light


def eetf(signal: np.ndarray, most: np.ndarray | float) -> np.ndarray:
    """PQ signals in [0, 1] of the source's peak to at most `most` (ITU-R BT.2390, 5.4.1).

    With knee k = 1.5 most - 0.5 and t = (e - k) / (1 - k), a signal e > k becomes
    (2t³ - 3t² + 1) k + (t³ - 2t² + t) (1 - k) + (-2t³ + 3t²) most.
    """
    knee = 1.5 * most - 0.5
    if most >= 1:
        return signal
    t = (signal - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return np.where(signal > knee, spline, signal)


M1, M2, C1, C2, C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875  # SMPTE ST 2084


def pq_light(signal: np.ndarray) -> np.ndarray:
    """PQ signal in [0, 1] to cd/m²."""
    power = signal ** (1 / M2)
    light: np.ndarray = 10_000 * (np.maximum(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1)
    return light


def pq_signal(nits: np.ndarray) -> np.ndarray:
    """cd/m² to PQ signal."""
    power = (np.maximum(nits, 0) / 10_000) ** M1
    signal: np.ndarray = ((C1 + C2 * power) / (1 + C3 * power)) ** M2
    return signal


def hlg_light(signal: np.ndarray) -> np.ndarray:
    """HLG signal (…, 3) to cd/m² on a display of 1000 cd/m² (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    light: np.ndarray = 1000 * np.maximum(luminance, 1e-6)[..., None] ** 0.2 * scene
    return light
