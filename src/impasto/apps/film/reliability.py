"""How far the flow between two frames can be trusted, pixel by pixel.

    back, forth = motion(frame, before), motion(before, frame)
    trust = confidence(frame, before, back, forth)  # 0 where `before` does not show the same thing
    weights = closest_first([trust, trust_of_the_frame_2_before, …])
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.apps.film.flow import Flow
from impasto.apps.film.warp import coverage, places
from impasto.errors import ImageError

__all__ = ["Confidence", "closest_first", "confidence", "disagreement", "motion_edges", "residual"]

Confidence = NDArray[np.float32]
"""(h, w) in [0, 1]."""

_LARGEST_RESIDUAL = 12.0  # levels of 255
_GAINS = 0.5, 2.0  # beyond them, one frame tells little about the other
_SOFTNESS = 0.8  # σ in px (Ruder et al. 2016)


def confidence(
    frame: np.ndarray, before: np.ndarray, back: Flow, forth: Flow, edges: float | None = None
) -> Confidence:
    """c (h, w) float32 in [0, 1]: 1 where `before`, warped by `back`, shows what `frame` does.

    It is 0 where the flow leaves the picture, where forward and backward flow disagree, or where
    the warped frame differs by more than 12 levels of 255 after a change of exposure is fitted.
    Those areas grow by one pixel; a Gaussian with σ = 0.8 px softens them (Ruder et al. 2016,
    *Artistic style transfer for videos*, section 4.2).

    frame, before: (h, w, 3), uint8 or uint16
    back, forth: flow from `frame` to `before` and from `before` to `frame`
    edges: floor of `motion_edges`, whose pixels become 0 too; None leaves the test out
    ImageError: sizes differ
    """
    sizes = {x.shape[:2] for x in (frame, before, back, forth)}
    if len(sizes) > 1:
        raise ImageError(f"frames and flows of {len(sizes)} sizes; confidence needs one: scale them")
    wrong = ~coverage(back) | disagreement(back, forth)
    wrong |= residual(frame, before, back, ~wrong) > _LARGEST_RESIDUAL
    if edges is not None:
        wrong |= motion_edges(back, edges)
    grown = cv2.dilate(wrong.astype(np.float32), np.ones((3, 3), np.uint8))
    soft: Confidence = 1 - cv2.GaussianBlur(grown, (0, 0), _SOFTNESS)
    return soft.clip(0, 1)


def disagreement(back: Flow, forth: Flow) -> NDArray[np.bool_]:
    """(h, w) bool: there and back again does not end where it began.

    |b + f∘b|² ≥ 0.01 (|b|² + |f∘b|²) + 0.5, b and f in pixels (Sundaram et al. 2010, *Dense point
    trajectories by GPU-accelerated large displacement optical flow*, eq. 5).
    """
    forth = cv2.remap(forth, places(back), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart, lengths = _squared(back + forth), _squared(back) + _squared(forth)
    wrong: NDArray[np.bool_] = apart >= 0.01 * lengths + 0.5
    return wrong


def motion_edges(back: Flow, floor: float) -> NDArray[np.bool_]:
    """(h, w) bool: the flow changes abruptly, |∇u|² + |∇v|² > 0.01 |b|² + floor.

    Sundaram et al. and Ruder et al. take 0.002 as the floor.
    """
    slopes = [np.gradient(back[..., c], axis=a) for c in (0, 1) for a in (0, 1) if back.shape[a] > 1]
    steep = sum((s * s for s in slopes), np.zeros(back.shape[:2], np.float32))
    found: NDArray[np.bool_] = steep > 0.01 * _squared(back) + floor
    return found


def residual(
    frame: np.ndarray, before: np.ndarray, back: Flow, known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(h, w) levels of 255: mean |frame - g W(before)| of a pixel's channels and its neighbours'.

    g is one gain a channel, fitted by least squares to what is not clipped among the `known`
    pixels, twice: the second time without what the first gain does not explain. It lies in [½, 2].
    """
    now = _levels(frame)
    old = cv2.remap(
        _levels(before), places(back), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    off = now - old
    for _ in range(2):
        usable = known[..., None] & (now > 2) & (now < 250) & (old > 2) & (old < 250)
        usable &= np.abs(off) <= 3 * max(1.0, float(np.median(np.abs(off))))
        gains = (now * old * usable).sum((0, 1)) / np.maximum((old * old * usable).sum((0, 1)), 1)
        off = now - (old * np.where(gains > 0, gains, 1).clip(*_GAINS)).clip(0, 255)
    mean: NDArray[np.float32] = cv2.blur(np.abs(off).mean(-1), (3, 3))
    return mean


def closest_first(confidences: Sequence[Confidence]) -> list[Confidence]:
    """Weights of several frames before, nearest first: each fills what nearer ones do not know.

    c'ⱼ = max(cⱼ - Σ_{k nearer} cₖ, 0) (Ruder et al. 2016, eq. 9), so that their sum is 1 at most.
    """
    weights: list[Confidence] = []
    nearer: Confidence | np.float32 = np.float32(0)
    for trust in confidences:
        weights.append(np.maximum(trust - nearer, np.float32(0)))
        nearer = nearer + trust
    return weights


def _squared(flow: Flow) -> NDArray[np.float32]:
    """Squared length (h, w) of each vector."""
    length: NDArray[np.float32] = (flow * flow).sum(-1)
    return length


def _levels(frame: np.ndarray) -> NDArray[np.float32]:
    """The frame in levels of 255, float32."""
    return frame.astype(np.float32) * np.float32(255 / np.iinfo(frame.dtype).max)
