"""Smart brush: a few strokes -> the mask of the object under them.

    strokes ── colours of each side ──> likely object ── GrabCut at 512 px ──> rough mask
            ── the part that the strokes touch ── guided filter at full size ──> mask

GrabCut (Rother, Kolmogorov, Blake 2004) is OpenCV's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, SettingsError

__all__ = ["guided_filter", "object_mask"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Where = NDArray[np.bool_]
Stroke = Sequence[Sequence[float]]

CUT_SIDE, ROUGH_SIDE = 512, 176  # longest sides at which GrabCut works, pixels
_ROUNDS = 4  # of GrabCut: colours, cut, colours, …
_REACH = 5  # pixels of the smaller picture from an edge where the larger one decides
_CLUSTERS = 6  # colours of each side
_SAMPLES = 4000  # pixels that the colours are taken from
_FRAME = 0.03  # of the shorter side: what is taken for the surroundings where no stroke says
_ALL = (0, 0, 1, 1)  # GrabCut's rectangle, which masks make meaningless
_EPSILON = 1e-4  # variance of a guide in [0, 1] that counts as an edge


def object_mask(
    picture: Bytes,
    inside: Stroke,
    outside: Stroke,
    softness: float = 0.0,
    base: Bytes | None = None,
) -> Bytes:
    """The object under strokes in a picture (h, w, 3), sRGB: its mask (h, w), 0 to 255.

    The same arguments give the same mask.

    Args:
        picture: what is looked at.
        inside: points (x, y, radius) on the object: x of the width, y of the height, the radius of
            the longer side, all 0 to 1. What lies outside the picture is cut off.
        outside: the same of what is not the object; where both are, it wins.
        softness: 0 for a sharp edge to 1 for one that fades over 2 % of the longer side.
        base: a mask (h, w) to start from, white on the object; strokes correct it.

    Raises:
        SettingsError: there is neither a stroke inside nor anything white in the base.
        ImageError: the picture or the base has another shape or type.
    """
    _check(picture, base)
    height, width = picture.shape[:2]
    factor = min(1.0, CUT_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small: Bytes = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    start = None if base is None else cv2.resize(base, size, interpolation=cv2.INTER_AREA) > 127
    no = _discs(outside, size)
    yes = _discs(inside, size) & ~no
    if not yes.any() and (start is None or not start.any()):
        raise SettingsError(
            "no stroke lies on the object; expected one at least that says what to find"
        )
    cv2.setRNGSeed(0)
    rough = _cut(small, yes, no, start)
    fine = _refined(picture, rough, yes, no)
    return _finished(fine, softness)


def guided_filter(guide: Floats, values: Floats, radius: int, epsilon: float) -> Floats:
    """Values (h, w) smoothed with the edges of a guide (h, w); both float32.

    q = mean(a) guide + mean(b), where in each window of (2 radius + 1)² px
    a = cov(guide, values) / (var(guide) + epsilon), b = mean(values) - a mean(guide)
    (He, Sun, Tang 2010, "Guided Image Filtering", eq. 5, 6 and 8).
    """

    def mean(x: Floats) -> Floats:
        side = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(cv2.boxFilter(x, -1, side, borderType=cv2.BORDER_REFLECT))

    of_guide, of_values = mean(guide), mean(values)
    variance = mean(guide * guide) - of_guide * of_guide
    covariance = mean(guide * values) - of_guide * of_values
    a = covariance / (np.maximum(variance, 0) + np.float32(epsilon))
    b = of_values - a * of_guide
    return mean(a) * guide + mean(b)


def _check(picture: Bytes, base: Bytes | None) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ImageError(
            f"the picture is {picture.dtype} {picture.shape}; expected uint8 (h, w, 3)"
        )
    if base is not None and (base.shape != picture.shape[:2] or base.dtype != np.uint8):
        expected = f"expected uint8 {picture.shape[:2]}"
        raise ImageError(f"the base is {base.dtype} {base.shape}; {expected}")


def _discs(stroke: Stroke, size: tuple[int, int]) -> Where:
    """Where the points of a stroke are: (h, w), at least a pixel for each in the picture."""
    width, height = size
    drawn = np.zeros((height, width), np.uint8)
    for point in stroke:
        if len(point) != 3 or not np.isfinite(point).all():
            continue
        x, y, radius = (float(np.clip(value, -2, 3)) for value in point)
        centre = (round(x * width - 0.5), round(y * height - 0.5))
        if radius >= 0:
            cv2.circle(drawn, centre, round(radius * max(size)), 255, -1)
    return drawn > 0


def _cut(
    small: Bytes,
    yes: Where,
    no: Where,
    start: Where | None,
) -> Where:
    """Where the object is (h, w): found in a smaller picture, then cut again along its edge.

    The colours of both sides are those of the smaller picture; far from the edge nothing changes.
    """
    height, width = small.shape[:2]
    factor = min(1.0, ROUGH_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    tiny: Bytes = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
    tiny_no = _shrunk(no, size)
    tiny_yes = _shrunk(yes, size) & ~tiny_no
    likely = _likely(tiny, tiny_yes, tiny_no) if start is None else _shrunk(start, size, 0.5)
    labels = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[tiny_yes], labels[tiny_no] = cv2.GC_FGD, cv2.GC_BGD
    if min(_objects(labels).sum(), (~_objects(labels)).sum()) < _CLUSTERS:
        return (cv2.resize(_objects(labels).astype(np.uint8), (width, height)) > 0) & ~no | yes
    behind, before = np.zeros((1, 65)), np.zeros((1, 65))  # OpenCV's five colours of each side
    cv2.grabCut(tiny, labels, _ALL, behind, before, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = _touched(_objects(labels), tiny_yes)
    if factor == 1:
        return found
    labels = _band(found, (width, height))
    labels[yes], labels[no] = cv2.GC_FGD, cv2.GC_BGD
    cv2.grabCut(small, labels, _ALL, behind, before, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return _touched(_objects(labels), yes)


def _objects(labels: Bytes) -> Where:
    """Where GrabCut's labels say object: GC_FGD is 1, GC_PR_FGD 3."""
    found: Where = labels % 2 == 1
    return found


def _shrunk(where: Where, size: tuple[int, int], least: float = 0.01) -> Where:
    """A smaller mask, of the pixels that are covered by at least that part."""
    shares = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(shares >= least)


def _band(found: Where, size: tuple[int, int]) -> Bytes:
    """Labels at a larger size that are sure except near the edge."""
    side = 2 * _REACH + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    mask = found.astype(np.uint8)
    labels = np.where(found, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(mask, kernel) > 0] = cv2.GC_FGD
    labels[cv2.dilate(mask, kernel) == 0] = cv2.GC_BGD
    larger: Bytes = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
    return larger


def _likely(small: Bytes, yes: Where, no: Where) -> Where:
    """Where a pixel's colour is nearer to the strokes inside than to those outside.

    The frame of the picture counts as outside, except near strokes inside. Only what hangs together
    with the strokes is likely.
    """
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    around = no | _frame(yes)
    if not around.any():
        return np.ones(yes.shape, bool)
    near, far = _distance(lab, lab[yes]), _distance(lab, lab[around])
    likely: Where = _touched((near < far) | yes, yes)
    return likely


def _frame(yes: Where) -> Where:
    """The border of the picture without what is near a stroke."""
    height, width = yes.shape
    thick = max(1, round(_FRAME * min(height, width)))
    frame = np.ones(yes.shape, bool)
    frame[thick:-thick, thick:-thick] = False
    apart = cv2.distanceTransform((~yes).astype(np.uint8), cv2.DIST_L2, 3)
    result: Where = frame & (apart > 4 * thick)
    return result


def _distance(lab: Floats, colours: Floats) -> Floats:
    """Distance (h, w) of each pixel to the nearest of the clusters of some colours (n, 3)."""
    step = max(1, len(colours) // _SAMPLES)
    colours = np.ascontiguousarray(colours[::step])
    count = min(_CLUSTERS, len(colours))
    criteria = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 20, 0.5)
    labels = np.zeros((len(colours), 1), np.int32)
    _, _, centres = cv2.kmeans(colours, count, labels, criteria, 1, cv2.KMEANS_PP_CENTERS)
    nearest: Floats = np.full(lab.shape[:2], np.inf, np.float32)
    for centre in np.asarray(centres):
        nearest = np.minimum(nearest, ((lab - centre) ** 2).sum(2))
    return nearest


def _touched(mask: Where, yes: Where) -> Where:
    """The parts of a mask that strokes touch; all of it where there are none."""
    if not yes.any():
        return mask
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    kept = np.unique(parts[yes & mask])
    result: Where = np.isin(parts, kept) & mask
    return result


def _refined(picture: Bytes, rough: Where, yes: Where, no: Where) -> Floats:
    """The rough mask at the picture's size, its edge where the picture has one: (h, w), 0 to 1."""
    height, width = picture.shape[:2]
    if rough.all() or not rough.any():
        return np.full((height, width), float(rough.all()), np.float32)
    scale = max(height / rough.shape[0], width / rough.shape[1])
    large: Floats = rough.astype(np.float32)
    large = _floats(cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR))
    radius = max(2, round(1.5 * scale))
    guide = _contrast(picture, large, 4 * radius)
    for _ in range(2):  # the second time from an edge that is already near
        large = np.clip(guided_filter(guide, large, radius, _EPSILON), 0, 1)
        large = _floats(np.clip((large - 0.5) * 3 + 0.5, 0, 1))
    return large


def _floats(values: object) -> Floats:
    return np.asarray(values, np.float32)


def _contrast(picture: Bytes, mask: Floats, reach: int) -> Floats:
    """The mixture of channels, in [0, 1], that tells the two sides of an edge apart best: (h, w).

    Fisher's discriminant w = (S + λ)⁻¹ (m₁ - m₀) of the pixels up to `reach` px from the edge.
    """
    pixels = picture.astype(np.float32) / 255
    side = (2 * reach + 1, 2 * reach + 1)
    share = cv2.boxFilter(mask, -1, side, borderType=cv2.BORDER_REFLECT)
    band = (share > 0.02) & (share < 0.98)
    within, without = pixels[band & (mask > 0.5)], pixels[band & (mask <= 0.5)]
    if len(within) < 8 or len(without) < 8:
        return _floats(pixels.mean(2))
    spread = np.cov(within.T) + np.cov(without.T) + 1e-3 * np.eye(3)
    weights = np.linalg.solve(spread, within.mean(0) - without.mean(0))
    weights /= max(float(np.abs(weights).sum()), 1e-6)
    return _floats(pixels @ _floats(weights))


def _finished(fine: Floats, softness: float) -> Bytes:
    """0 to 255, feathered over `softness` times 2 % of the longer side."""
    softness = float(np.clip(softness, 0, 1)) if np.isfinite(softness) else 0.0
    sigma = softness * 0.01 * max(fine.shape)
    if sigma >= 0.3:
        fine = _floats(cv2.GaussianBlur(fine, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))
    levels: Bytes = np.rint(fine * 255).astype(np.uint8)
    return levels
