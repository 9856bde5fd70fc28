"""Breakers under a low sun as a colour woodcut: flat blues, carved lines, foam in scallops."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline

from painting.brush import OVERSAMPLING, finish
from painting.colour import blend, palette, ramp
from painting.noise import fractal_noise, pixel_grid, smoothstep

WIDTH, HEIGHT = 1024, 768
PAPER = palette("efe2c4")[0]
INK = palette("141c33")[0]
BLUES = palette("142a52 1f477d 3d719f 82a9b8 c3cfc4")
FOAM, SHADOW = palette("f3ead2 a9c3c6")
SUN = palette("c9482e")[0]

# a breaker of height 1 with its foot at the origin: the back of the wave and its hollow front
BACK = np.array(
    [
        [-1.35, 0.12],
        [-0.85, -0.18],
        [-0.42, -0.62],
        [-0.02, -0.95],
        [0.36, -0.99],
        [0.62, -0.78],
        [0.68, -0.56],
    ]
)
FRONT = np.array(
    [
        [0.75, 0.12],
        [0.30, -0.08],
        [0.05, -0.36],
        [0.04, -0.60],
        [0.20, -0.76],
        [0.44, -0.74],
        [0.68, -0.56],
    ]
)


@dataclass
class Block:
    """The print while it is being cut: `colour` (H, W, 3) float32 and the key block's `ink`."""

    colour: np.ndarray
    ink: np.ndarray

    def fill(self, outline: np.ndarray, colour: np.ndarray) -> None:
        """A flat shape (N, 2), in canvas pixels, that hides what lies behind it."""
        points = [np.round(outline).astype(np.int32)]
        cv2.fillPoly(self.colour, points, colour.tolist(), cv2.LINE_AA)
        cv2.fillPoly(self.ink, points, 0)

    def carve(self, line: np.ndarray, width, colour: np.ndarray | None = None) -> None:
        """A line (N, 2) of varying `width` (N,), in ink unless a colour is given."""
        along = np.gradient(line, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
        half = across * np.broadcast_to(width, len(line))[:, None] / 2
        outline = [
            np.round(np.concatenate([line + half, (line - half)[::-1]]) * 8).astype(np.int32)
        ]
        if colour is None:
            cv2.fillPoly(self.ink, outline, 255, cv2.LINE_AA, 3)
        else:
            cv2.fillPoly(self.colour, outline, colour.tolist(), cv2.LINE_AA, 3)
            cv2.fillPoly(self.ink, outline, 0, cv2.LINE_AA, 3)

    def discs(self, centres: np.ndarray, radii: np.ndarray, outline: float) -> None:
        """Foam: a cloud of discs with one scalloped outline around all of them."""
        for grow, ink in ((outline, 255), (0, 0)):
            for (x, y), radius in zip(centres.astype(int).tolist(), radii, strict=True):
                size = max(int(radius + grow), 1)
                cv2.circle(self.colour, (x, y), size, FOAM.tolist(), -1, cv2.LINE_AA)
                cv2.circle(self.ink, (x, y), size, ink, -1, cv2.LINE_AA)


def waves(seed: int = 4) -> np.ndarray:
    """The picture, uint8 (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    shape = (HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING)
    block = Block(sky(shape), np.zeros(shape, np.uint8))
    unit = shape[0]
    sky_lines(rng, block, unit)
    sea = iter(np.linspace(0.56, 1.08, 12))
    for foot, height, place, facing in (
        (0.66, 0.22, 1.02, -1),
        (0.72, 0.30, 0.16, 1),
        (0.90, 0.62, 0.52, 1),
        (1.02, 0.40, 1.26, -1),
        (1.10, 0.24, 0.22, 1),
    ):
        swells(rng, block, unit, sea_rows(sea, foot))
        breaker(rng, block, np.array([place, foot]) * unit, height * unit, facing)
    return finish(pull(rng, block))


def sea_rows(sea, limit: float) -> list[float]:
    """The next swells that lie behind a wave whose foot is at `limit`."""
    rows = []
    for y in sea:
        rows.append(y)
        if y > limit - 0.06:
            break
    return rows


def sky(shape) -> np.ndarray:
    """Paper that darkens to blue at the top, as wiped on the block by hand, and a red sun."""
    x, y = (axis / shape[0] for axis in pixel_grid(shape))
    colour = blend(np.broadcast_to(PAPER, (*shape, 3)), BLUES[2], 0.85 * smoothstep(0.26, -0.05, y))
    colour = blend(colour, palette("e9b98a")[0], 0.55 * smoothstep(0.30, 0.60, y))
    disc = smoothstep(0.117, 0.115, np.hypot(x - 1.02, y - 0.27))
    return np.ascontiguousarray(blend(colour, SUN, disc), np.float32)


def sky_lines(rng, block: Block, unit: int) -> None:
    """Wind carved in long level lines, thick in the dark of the sky and broken into haze below."""
    x = np.linspace(-0.05, 1.40, 160)
    for y in np.arange(0.0, 0.56, 0.0125):
        phase = 9 * y + rng.normal(0, 0.15)
        line = np.stack(
            [x, y + 0.008 * np.sin(5 * x + phase) + 0.004 * np.sin(13 * x - phase)], axis=-1
        )
        swell = np.sin(4.2 * x + 23 * y + rng.normal(0, 0.5)) + np.sin(9 * x - 11 * y)
        width = np.clip(1.9 * swell + 4.6 - 9 * y, 0, 8)
        block.carve(line * unit, width, BLUES[1] * (1 - y) + BLUES[3] * y)
    for y, start, end in (
        (0.20, 0.78, 1.12),
        (0.245, 0.92, 1.34),
        (0.33, 0.84, 1.2),
        (0.13, 0.3, 0.75),
    ):
        cloud_bar(block, unit, y, start, end)


def cloud_bar(block: Block, unit: int, y: float, start: float, end: float) -> None:
    """A flat band of mist with rounded ends, outlined."""
    x = np.linspace(start, end, 60)
    body = 0.011 * np.sqrt(np.clip(1 - np.linspace(-1, 1, 60) ** 8, 0, 1))
    top, bottom = (np.stack([x, y + s * body], axis=-1) for s in (-1, 1))
    outline = np.concatenate([top, bottom[::-1], top[:1]]) * unit
    block.fill(outline, PAPER)
    block.carve(outline, 3)


def swells(rng, block: Block, unit: int, rows: list[float]) -> None:
    """Rows of pointed swells, back to front, each hatched below its crest."""
    x = np.linspace(-0.05, 1.40, 400)
    for y in rows:
        scale = 0.25 + 1.6 * (y - 0.5)
        beat = np.pi * x / (0.26 * scale + 0.06) + rng.uniform(0, 9)
        crest = y - 0.075 * scale * (np.abs(np.sin(beat)) ** 0.7 - 0.6) * (
            1 + 0.4 * np.sin(3 * x + 20 * y)
        )
        line = np.stack([x, crest], axis=-1) * unit
        body = np.concatenate([line, [[1.5 * unit, 1.3 * unit], [-0.1 * unit, 1.3 * unit]]])
        block.fill(body, ramp(BLUES, np.clip(0.62 - 0.9 * (y - 0.5) + rng.normal(0, 0.08), 0, 1)))
        block.carve(line, 5 + 3 * np.sin(beat))
        hatch(rng, block, line, unit * 0.014 * (0.6 + scale))


def hatch(rng, block: Block, line: np.ndarray, gap: float) -> None:
    """Echoes of a crest (N, 2), ever flatter and more broken, cream and dark by turns."""
    middle = line[:, 1].mean()
    for k in range(1, 8):
        echo = line.copy()
        echo[:, 1] = middle + (line[:, 1] - middle) * (1 - 0.07 * k) + gap * k
        x = line[:, 0] / line[-1, 0]
        press = np.sin(40 * x + rng.uniform(0, 6)) + np.sin(17 * x + 2 * k) + 0.5 - 0.12 * k
        width = np.clip(press, 0, 1.4) * gap * 0.30
        block.carve(echo, width, FOAM if k % 2 else BLUES[0])


def spline(points: np.ndarray, count: int) -> np.ndarray:
    """A smooth curve (count, 2) through `points`."""
    return CubicSpline(np.linspace(0, 1, len(points)), points)(np.linspace(0, 1, count))


def breaker(rng, block: Block, foot: np.ndarray, height: float, facing: int) -> None:
    """A curling wave: blue bands between its back and its front, carved lines, and foam."""
    place = np.array([facing, 1]) * height
    back, front = (spline(side, 160) * place + foot for side in (BACK, FRONT))
    shares = np.linspace(0, 1, 12) ** 0.9
    edges = [back * (1 - s) + front * s for s in shares]
    tones = [0, 2, 1, 3, 0, 2, 4, 1, 3, 0, 2]
    for left, right, tone in zip(edges, edges[1:], tones, strict=False):
        block.fill(np.concatenate([left, right[::-1]]), BLUES[tone])
        form_lines(rng, block, left, right, FOAM if tone < 2 else BLUES[0], height)
    t = np.linspace(0, 1, 160)
    for edge in edges:
        block.carve(edge, height * 0.008 * (1.15 - t) * (1 + 0.3 * np.sin(9 * t)))
    block.carve(back, height * 0.016 * np.sin(np.pi * np.clip(t, 0.1, 0.9)))
    crest_foam(rng, block, back, front, height)


def form_lines(rng, block: Block, left, right, colour, height: float) -> None:
    """Thin tapered cuts along a band, between its edges (N, 2)."""
    for share in (0.3, 0.55, 0.78):
        start, end = rng.uniform(0, 0.5), rng.uniform(0.6, 0.97)
        part = slice(int(start * len(left)), int(end * len(left)))
        line = (left * (1 - share) + right * share)[part]
        taper = np.sin(np.linspace(0, np.pi, len(line))) ** 0.7
        block.carve(line, height * 0.006 * taper, colour)


def crest_foam(rng, block: Block, back, front, height: float) -> None:
    """Foam that spills from the crest: a scalloped mass, claws that reach out of it, and spray."""
    facing = np.sign(front[-1, 0] - front[90, 0])
    lip = np.concatenate([back[92:], front[:104:-1]])
    along = np.gradient(lip, axis=0) * facing
    headings = np.arctan2(-along[:, 0], along[:, 1])
    for size, step in ((1.2, 6), (0.75, 5)):
        for k in rng.permutation(np.arange(0, len(lip), step)):
            claw(rng, block, lip[k], headings[k], facing, size * height * rng.uniform(0.6, 1.15))
        mass = lip + rng.normal(0, 0.009 * height, lip.shape)
        block.discs(mass, height * rng.uniform(0.010, 0.024, len(lip)), max(height * 0.004, 2))
    curls(rng, block, lip, height)
    flung = np.array([facing * rng.gamma(2, 0.10, 110), rng.normal(0.02, 0.16, 110)]).T
    spray = back[-1] + [0, -0.1 * height] + flung * height
    block.discs(spray, height * rng.uniform(0.003, 0.010, 110), 2)


def claw(rng, block: Block, root, heading: float, facing: float, height: float) -> None:
    """A finger of foam that bends forward and splits in two, under one outline."""
    t = np.linspace(0, 1, 24)
    prongs = []
    for turn in (-0.5, 0.9):
        bend = heading + facing * (2.3 * t**1.5 * rng.uniform(0.6, 1.2) + turn * t)
        steps = np.stack([np.cos(bend), np.sin(bend)], axis=-1) * height * 0.0048
        prongs.append(root + np.cumsum(steps, axis=0) * rng.uniform(0.7, 1.1))
    radii = height * (0.021 - 0.0165 * np.sqrt(t))
    block.discs(np.concatenate(prongs), np.tile(radii, 2), max(height * 0.004, 2))


def curls(rng, block: Block, lip, height: float) -> None:
    """Blue hooks carved into the mass of foam, which give it its roundness."""
    for root in lip[::3] + rng.normal(0, 0.008 * height, lip[::3].shape):
        start, size = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.008, 0.018)
        angle = start + np.linspace(0, 3.6, 14)
        hook = root + np.stack([np.cos(angle), np.sin(angle)], axis=-1) * size
        width = height * 0.0055 * np.sin(np.linspace(0.3, np.pi, 14))
        block.carve(hook, np.maximum(width, 1), BLUES[2] if rng.uniform() < 0.6 else SHADOW)


def pull(rng, block: Block) -> np.ndarray:
    """Print the block: wood grain in the colours, slightly shifted key lines, paper fibres."""
    shape = block.ink.shape
    _, y = pixel_grid(shape)
    rings = (
        y / 11 + 2.6 * fractal_noise(rng, shape, 420, 2) + 0.3 * fractal_noise(rng, shape, 30, 2)
    )
    wood = np.sin(rings) + 0.4 * fractal_noise(rng, shape, 8, 2)
    pigment = np.linalg.norm(block.colour - PAPER, axis=-1) / 255
    colour = block.colour + (9 * pigment * wood + 2.2 * fractal_noise(rng, shape, 12, 2))[..., None]
    worn = 0.94 - 0.13 * smoothstep(0.9, 2.2, fractal_noise(rng, shape, 24, 4))
    key = ndimage.shift(block.ink, (2, -2), order=0) / 255 * worn
    return blend(colour, INK, key)
