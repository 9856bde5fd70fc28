"""A brush of bristles, the paths it follows, and the light that rakes over the dried paint.

A canvas is uint8 (H, W, 4) at twice the final size: red, green, blue and the height of the paint.
Every bristle is a polyline of its own colour and height, so a stroke shows streaks of unmixed
paint, ridges at its edges and ragged ends, and a later stroke truly covers an earlier one.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from painting.noise import unit

OVERSAMPLING = 2
SUBPIXEL_BITS = 4
PATH_POINTS = 20


@dataclass(frozen=True)
class Brush:
    """How a stroke looks, whatever its path and size.

    Attributes:
        pitch: distance between bristles, in canvas pixels.
        streak: how unevenly the two paints on the brush are mixed, 0 (fully) to 1 (side by side).
        vary: how much bristles differ in lightness, in levels.
        ridge: extra height at the two edges of a stroke, in levels of 255.
        ragged: the part of the length within which bristles may start late or lift early.
        taper: 0 for a flat knife, 1 for a stroke that narrows to points.
        grain: how much bristles differ in height, in levels of 255.
        cover: thickness of a bristle's mark over the pitch; below 1 the brush is dry.
    """

    pitch: float = 3.0
    streak: float = 0.6
    vary: float = 7.0
    ridge: float = 60.0
    ragged: float = 0.25
    taper: float = 0.6
    grain: float = 22.0
    cover: float = 1.3


def new_canvas(width: int, height: int, ground) -> np.ndarray:
    """An empty canvas, for a picture of `width` x `height`, primed with one colour (3,)."""
    shape = (height * OVERSAMPLING, width * OVERSAMPLING)
    return np.full((*shape, 4), [*ground, 60], np.uint8)


def scatter(rng, shape: tuple[int, int], spacing: float) -> np.ndarray:
    """Points (N, 2), as (x, y), on a jittered grid over the canvas and its rim, in random order."""
    y, x = (np.arange(-spacing, n + spacing, spacing) for n in shape)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    points = points + rng.uniform(-0.6, 0.6, points.shape) * spacing
    return rng.permutation(points).astype(np.float32)


def sample(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The pixels of `image` (H, W, ...) nearest to `points` (..., 2), clamped at the border."""
    x, y = np.moveaxis(points, -1, 0).astype(int)
    height, width = image.shape[:2]
    return image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]


def follow(field: np.ndarray, seeds: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Paths (N, PATH_POINTS, 2) of the given lengths along `field` (H, W, 2), centred on seeds."""
    step = (np.broadcast_to(lengths, len(seeds)) / (PATH_POINTS - 1))[:, None]
    ahead, behind = [seeds], [seeds]
    for _ in range(PATH_POINTS // 2):
        ahead.append(ahead[-1] + sample(field, ahead[-1]) * step)
        behind.append(behind[-1] - sample(field, behind[-1]) * step)
    return np.stack(behind[:0:-1] + ahead[:-1], axis=1).astype(np.float32)


def normals(paths: np.ndarray) -> np.ndarray:
    """Unit vectors across the paths, same shape (..., T, 2)."""
    along = unit(np.gradient(paths, axis=-2))
    return np.stack([-along[..., 1], along[..., 0]], axis=-1)


def paint(canvas: np.ndarray, brush: Brush, rng, paths, widths, paints) -> None:
    """Lay strokes on the canvas in order.

    Args:
        canvas: changed in place.
        brush: the look of every stroke.
        rng: where bristles get their accidents from.
        paths: (N, T, 2).
        widths: (N,) or one number, in canvas pixels.
        paints: (N, 2, 3), the two colours each stroke is loaded with.
    """
    widths = np.broadcast_to(widths, len(paths))
    for path, across, width, pair in zip(paths, normals(paths), widths, paints, strict=True):
        offsets = bristle_offsets(brush, len(path), width)
        lines = path + offsets[..., None] * across
        draw_bristles(canvas, brush, rng, lines, bristle_paint(brush, rng, len(lines), pair))


def bristle_offsets(brush: Brush, points: int, width: float) -> np.ndarray:
    """How far each of K bristles is from the middle of the path at each of T points, (K, T)."""
    count = max(int(width / brush.pitch), 2)
    along = np.linspace(-1, 1, points)
    profile = 1 - brush.taper * np.abs(along) ** 3
    return np.linspace(-0.5, 0.5, count)[:, None] * width * profile


def bristle_paint(brush: Brush, rng, count: int, pair: np.ndarray) -> np.ndarray:
    """Colour and height (K, 4) of the bristles, from left to right."""
    wander = np.cumsum(rng.normal(0, 1, count)) / np.sqrt(count)
    mix = np.clip(0.35 + brush.streak * wander, 0, 1)[:, None]
    colour = pair[0] * (1 - mix) + pair[1] * mix + rng.normal(0, brush.vary, (count, 1))
    edge = np.abs(np.linspace(-1, 1, count)) ** 3
    height = rng.uniform(90, 130) + brush.ridge * edge + rng.normal(0, brush.grain, count)
    return np.clip(np.column_stack([colour, height]), 0, 255)


def draw_bristles(canvas, brush: Brush, rng, lines: np.ndarray, paint: np.ndarray) -> None:
    """Draw every bristle (K, T, 2), some of them short of the ends of the stroke."""
    count, points = lines.shape[:2]
    slack = brush.ragged * points
    starts = rng.uniform(0, slack, count).astype(int)
    ends = points - rng.uniform(0, slack, count).astype(int)
    fixed = np.round(lines * 2**SUBPIXEL_BITS).astype(np.int32)
    thickness = max(round(brush.pitch * brush.cover), 1)
    for line, start, end, colour in zip(fixed, starts, ends, paint.tolist(), strict=True):
        part = [line[start:end]]
        cv2.polylines(canvas, part, False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def rake(canvas: np.ndarray, depth: float = 1.0, gloss: float = 0.25) -> np.ndarray:
    """The canvas under light from the upper left: float32 RGB (H, W, 3) in [0, 255].

    `depth` exaggerates the relief; `gloss` is the strength of the highlights on wet-looking edges.
    """
    height = cv2.GaussianBlur(canvas[..., 3].astype(np.float32), (0, 0), 1.4)
    down, across = np.gradient(height)
    slope = (0.6 * across + 0.8 * down) * depth / 40
    shade = 1 + 0.55 * np.tanh(slope)
    shine = 255 * gloss * np.clip(np.tanh(slope) - 0.35, 0, 1) ** 2
    return canvas[..., :3] * shade[..., None] + shine[..., None]


def finish(colours: np.ndarray) -> np.ndarray:
    """Float RGB at canvas size, averaged down to the final picture, uint8 (H, W, 3).

    Softened a little first, as a lens would: crisper edges only cost bytes.
    """
    height, width = (n // OVERSAMPLING for n in colours.shape[:2])
    soft = cv2.GaussianBlur(colours.astype(np.float32), (0, 0), 0.7)
    small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(small), 0, 255).astype(np.uint8)
