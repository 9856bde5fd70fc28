"""Mountains in mist and bamboo in the foreground, in one ink on warm paper, with a red seal."""

import cv2
import numpy as np

from painting.brush import OVERSAMPLING, PATH_POINTS, Brush, finish, paint
from painting.colour import blend, palette
from painting.noise import fractal_noise, pixel_grid, smoothstep, value_noise

WIDTH, HEIGHT = 832, 1024
PAPER, SHADE = palette("f1e4c6 dcc79c")
VERMILION = palette("c8341f")[0]
ABSORPTION = np.array([1.0, 0.97, 0.88], np.float32)  # the ink is a little warm when thin

WET = Brush(pitch=2.0, streak=0.5, vary=5, ragged=0.04, taper=0.25, cover=1.6)
DRY = Brush(pitch=3.2, streak=1.2, vary=22, ragged=0.45, taper=0.3, cover=0.75)
LEAF = Brush(pitch=1.8, streak=0.7, vary=8, ragged=0.06, taper=1.0, cover=1.6)


def ink(seed: int = 8) -> np.ndarray:
    """The picture, uint8 (1024, 832, 3)."""
    rng = np.random.default_rng(seed)
    shape = (HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING)
    x, y = (axis / shape[0] for axis in pixel_grid(shape))
    grain = tooth(rng, shape)
    density = mountains(rng, x, y, grain) + strokes_density(rng, shape, crags, grain, 3)
    density += shallows(rng, x, y, grain)
    density += strokes_density(rng, shape, bamboo, grain, 1.2)
    colours = sun(rng, figure(rng, shape), x, y, grain)
    colours = colours * np.exp(-np.clip(density, 0, 3.2)[..., None] * ABSORPTION)
    seal(rng, colours, (0.715, 0.86), 0.046)
    seal(rng, colours, (0.715, 0.922), 0.030)
    return finish(colours)


def figure(rng, shape) -> np.ndarray:
    """Warm, unevenly aged paper with short fibres, (H, W, 3)."""
    age = 0.30 + 0.10 * fractal_noise(rng, shape, 300, 5)
    colours = blend(np.broadcast_to(PAPER, (*shape, 3)), SHADE, np.clip(age, 0, 1))
    fibres = np.zeros(shape, np.float32)
    for _ in range(2600):
        start, turn = rng.uniform(0, shape[::-1]), rng.uniform(0, np.pi)
        bend = turn + np.cumsum(rng.normal(0, 0.25, 8))
        line = start + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=-1) * 7, axis=0)
        cv2.polylines(fibres, [line.astype(np.int32)], False, rng.normal(0, 9), 2, cv2.LINE_AA)
    return colours + fibres[..., None]


def tooth(rng, shape) -> np.ndarray:
    """The grain of the paper that pigment settles in, (H, W), deviation 1."""
    return 0.75 * fractal_noise(rng, shape, 9, 2) + 0.65 * fractal_noise(rng, shape, 60, 4)


def mountains(rng, x, y, grain) -> np.ndarray:
    """Ink density (H, W) of ridges, far to near, each dark at its crest and lost in mist below."""
    total = np.zeros_like(x)
    for crest, strength, fade in (
        (ridge(rng, x, 0.27, ((0.60, 0.13, 0.10), (0.36, 0.06, 0.07))), 0.45, 0.10),
        (ridge(rng, x, 0.42, ((0.46, 0.19, 0.075), (0.72, 0.08, 0.06))), 0.9, 0.11),
        (ridge(rng, x, 0.58, ((0.66, 0.15, 0.085), (0.30, 0.05, 0.10))), 1.6, 0.10),
    ):
        depth = y - crest - 0.0013 * grain
        mist = np.exp(-np.clip(depth, 0, None) / fade) - 0.06
        rim = 0.35 * np.exp(-np.clip(depth, 0, None) / 0.008)
        pools = 1 + 0.26 * fractal_noise(rng, x.shape, 240, 5) + 0.13 * grain
        wash = strength * np.clip(mist + rim, 0, None) * np.clip(pools, 0.2, None)
        inside = smoothstep(-0.0015, 0.0025, depth)
        total = total * (1 - inside * np.clip(1 - depth / 0.4, 0, 1)) + wash * inside
    return total


def ridge(rng, x, base: float, peaks) -> np.ndarray:
    """How far down a ridge begins at each pixel; `peaks` are (x, height, width)."""
    crest = base + 0.015 * fractal_noise(rng, (1, x.shape[1]), 130, 6)
    for middle, height, width in peaks:
        crest = crest - height * np.exp(-(np.abs((x[:1] - middle) / width) ** 1.5))
    return np.broadcast_to(crest, x.shape)


def strokes_density(rng, shape, draw, grain, blur: float) -> np.ndarray:
    """Ink density of what `draw(canvas, rng)` paints in greys on white, broken by the paper."""
    canvas = np.full((*shape, 4), 255, np.uint8)
    draw(canvas, rng)
    grey = cv2.GaussianBlur(canvas[..., 0].astype(np.float32), (0, 0), blur)
    density = -np.log(np.clip(grey, 12, 255) / 255)
    return density * np.clip(1 + 0.17 * grain, 0.1, 1.6)


def greys(rng, low: float, high: float, count: int) -> np.ndarray:
    """Paint pairs (count, 2, 3) of greys between two levels of 255."""
    return np.repeat(rng.uniform(low, high, (count, 2, 1)), 3, axis=2)


def crags(canvas, rng) -> None:
    """Dry strokes that fall down the flanks of the peaks."""
    t = np.linspace(0, 1, PATH_POINTS)
    for (px, py), count, low in (
        ((0.46, 0.24), 46, 120),
        ((0.66, 0.44), 60, 60),
        ((0.6, 0.15), 20, 170),
    ):
        start = rng.normal(0, 1, (count, 1)) * 0.05
        drop = rng.uniform(0.05, 0.15, (count, 1))
        fx = px + start * (1 + 0.5 * t) + 0.006 * np.sin(9 * t + 60 * start)
        fy = py + 1.5 * np.abs(start) + drop * t
        paths = np.stack([fx, fy], axis=-1) * canvas.shape[0]
        paint(canvas, DRY, rng, paths, rng.uniform(14, 44, count), greys(rng, low, low + 70, count))


def shallows(rng, x, y, grain) -> np.ndarray:
    """Level strokes of thin wash for the water and a dark spit of land."""
    streak = value_noise(rng, x.shape, (14, 420)) + 0.6 * value_noise(rng, x.shape, (7, 160))
    reach = smoothstep(0.70, 0.78, y) * smoothstep(1.0, 0.86, y)
    water = 0.42 * reach * smoothstep(0.25, 0.9, streak + 0.12 * grain)
    bank = y - 0.90 - 0.05 * np.sin(4 * x + 1.8) - 0.02 * fractal_noise(rng, x.shape, 200, 5)
    wash = (1.0 + 0.3 * grain) * np.exp(-np.clip(bank, 0, None) / 0.07)
    return water + np.clip(wash, 0, None) * smoothstep(-0.002, 0.004, bank)


def bamboo(canvas, rng) -> None:
    """Stalks behind and in front, each with its leaves."""
    for foot, lean, width, grey, leaves in (
        (0.26, 0.05, 24, 165, 9),
        (0.045, 0.05, 34, 130, 10),
        (0.13, -0.035, 58, 45, 17),
    ):
        stalk(canvas, rng, foot, lean, width, grey)
        for height in rng.uniform(0.02, 0.72, leaves):
            side = rng.choice([-1, 1])
            node = np.array(
                [foot + lean * (1 - height) + 0.08 * side * rng.uniform(0.2, 1), height]
            )
            twig(canvas, rng, np.array([foot + lean * (1 - height), height - 0.03]), node, grey)
            spray(canvas, rng, node, side, max(grey - 35, 14))


def stalk(canvas, rng, foot: float, lean: float, width: float, grey: float) -> None:
    """Joints from the ground up, each one pull of a half-dry brush, with dark rings between."""
    scale, y = canvas.shape[0], 1.06
    while y > -0.1:
        joint = rng.uniform(0.12, 0.17)
        t = np.linspace(0.03, 0.97, PATH_POINTS)
        rise = y - joint * t
        path = np.stack([foot + lean * (1 - rise), rise], axis=-1)[None] * scale
        for brush, tone in ((WET, grey + 45), (DRY, grey)):
            paint(canvas, brush, rng, path, width, greys(rng, tone, tone + 45, 1))
        ring = (
            path[0, -1]
            + np.stack([np.linspace(-0.6, 0.6, PATH_POINTS), np.zeros(PATH_POINTS)], axis=-1)
            * width
        )
        ring[:, 1] += 5 * np.cos(np.linspace(-2, 2, PATH_POINTS))
        paint(canvas, LEAF, rng, ring[None], 10, greys(rng, grey * 0.4, grey * 0.6, 1))
        y -= joint


def twig(canvas, rng, start, end, grey: float) -> None:
    """A thin line from a joint to where leaves hang."""
    t = np.linspace(0, 1, PATH_POINTS)[:, None]
    path = start + (end - start) * t + [0, -0.012] * np.sin(np.pi * t)
    paint(canvas, LEAF, rng, path[None] * canvas.shape[0], 6, greys(rng, grey, grey + 30, 1))


def spray(canvas, rng, node, side: int, grey: float) -> None:
    """A handful of leaves that hang and spread from `node`, one press of the brush each."""
    count = rng.integers(4, 8)
    angles = np.pi / 2 - side * rng.uniform(-0.5, 1.25, count)
    t = np.linspace(0, 1, PATH_POINTS)[:, None]
    for angle in angles:
        length = rng.uniform(0.07, 0.145)
        along = np.array([np.cos(angle), np.sin(angle)])
        path = node + along * length * t + [0, 0.022] * t**2
        width = rng.uniform(20, 32)
        paint(
            canvas, LEAF, rng, path[None] * canvas.shape[0], width, greys(rng, grey, grey + 50, 1)
        )


def sun(rng, colours, x, y, grain) -> np.ndarray:
    """A pale red disc, wetter at its rim, washed out towards the bottom."""
    distance = np.hypot(x - 0.63, y - 0.155) + 0.0015 * grain
    pool = 0.55 + 0.25 * smoothstep(0.045, 0.066, distance) + 0.06 * grain
    disc = pool * smoothstep(0.070, 0.067, distance) * smoothstep(0.24, 0.12, y)
    return blend(colours, colours * VERMILION / 235, np.clip(disc, 0, 1))


def seal(rng, colours, corner, size: float) -> None:
    """Press a square red seal with carved strokes into the picture, in place."""
    side = int(size * colours.shape[0])
    block = np.full((side, side), 255, np.uint8)
    for k in range(5):
        at, span = int(side * (0.2 + 0.15 * k)), rng.uniform(0.15, 0.85, 2)
        ends = [(int(side * s), at) for s in (span.min() * 0.6, max(span.max(), 0.6))]
        ends = ends if k % 2 else [end[::-1] for end in ends]
        cv2.line(block, *ends, 0, max(side // 14, 2), cv2.LINE_AA)
    worn = cv2.GaussianBlur(block, (0, 0), 1.5) / 255 + 0.16 * fractal_noise(
        rng, block.shape, 12, 3
    )
    left, top = (int(c * colours.shape[0]) for c in corner)
    window = colours[top : top + side, left : left + side]
    window[:] = blend(window, VERMILION, 0.92 * smoothstep(0.35, 0.7, worn))
