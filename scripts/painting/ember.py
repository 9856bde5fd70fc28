"""A burning sky over a fjord, spread with a palette knife: flat smears, ridges, flowing bands."""

import numpy as np

from painting.brush import (
    PATH_POINTS,
    Brush,
    finish,
    follow,
    new_canvas,
    paint,
    rake,
    sample,
    scatter,
)
from painting.colour import blend, palette, ramp, vary
from painting.noise import curl, fractal_noise, pixel_grid, ribbons, smoothstep, unit

WIDTH, HEIGHT = 1024, 768
SKY = palette("4a1240 8c1436 c8202c e84a1e f57f1c fbb03a fde08a")
RANGE = palette("10183a 1d2c5e 3d3a80 6d4a94 a8588a e0705a")
FJORD = palette("08222e 0f4450 1c7478 4aa79a c8c890 f59a3c fbd070")
SLOPE = palette("1a0a24 4a1038 8a1a34 c4381f e27a22 1c5a5e")
INK = palette("14081e 2a1038")
SUN = (0.93, 0.40)
HORIZON = 0.56
# x, height and half width, in heights of the picture
PEAKS = np.array([[0.08, 0.06, 0.09], [0.31, 0.20, 0.15], [0.60, 0.10, 0.09], [1.24, 0.13, 0.13]])

KNIFE = Brush(pitch=2.4, streak=1.1, vary=4, ridge=95, ragged=0.10, taper=0.12, grain=9)
EDGE = Brush(pitch=2.4, streak=0.8, vary=5, ridge=70, ragged=0.2, taper=0.7, grain=14)


def ember(seed: int = 21) -> np.ndarray:
    """The picture, uint8 (768, 1024, 3): its parts from back to front, each in three layers."""
    rng = np.random.default_rng(seed)
    canvas = new_canvas(WIDTH, HEIGHT, INK[1])
    x, y = (axis / canvas.shape[0] for axis in pixel_grid(canvas.shape[:2]))
    for part in (sky, mountains, fjord, slope):
        place, flow, colours, reach = part(rng, x, y)
        for spacing, length, width in ((52, 330, 84), (42, 230, 56), (40, 150, 34)):
            knife_layer(rng, canvas, place, flow, colours, (spacing, length * reach, width * reach))
        edge_lines(rng, canvas, place, flow, colours, 420 * reach**2)
    posts(rng, canvas)
    return finish(rake(canvas, 1.5, gloss=0.4))


def sky(rng, x, y):
    """Bands that sway across the sky and bend around the sun.

    Returns, as every part of the picture does, where it is (H, W) bool, the flow of its strokes
    (H, W, 2), their colours (H, W, 3) and a factor on their size.
    """
    dx, dy = x - SUN[0], y - SUN[1]
    distance = np.hypot(dx, 1.2 * dy)
    sway = 0.055 * np.sin(6.5 * x + 4 * y) + 0.035 * np.sin(13 * x - 9 * y + 1)
    level = y + sway + 0.02 * fractal_noise(rng, x.shape, 420, 2)
    bend = level + 0.30 * np.exp(-((distance / 0.17) ** 2))
    flow = curl(bend)
    stripe = np.sin(46 * bend + 5 * np.sin(5 * bend))
    tone = 0.20 + 0.42 * y / HORIZON + 0.17 * stripe + 0.10 * ribbons(rng, flow, 60, 50)
    colours = ramp(SKY, np.clip(tone + 0.30 * np.exp(-distance / 0.25) - 0.05, 0, 1))
    streaks = smoothstep(1.1, 2.0, ribbons(rng, flow, 60, 60)) * smoothstep(0.1, 0.3, distance)
    colours = blend(colours, palette("2a8a8c")[0], 0.85 * streaks)
    colours = blend(colours, palette("fff3c0")[0], smoothstep(0.066, 0.06, np.hypot(dx, dy)))
    return y < HORIZON, flow, colours, 1.0


def mountains(rng, x, y):
    """Violet peaks whose flanks fall away on both sides, warm where they face the sun."""
    crest = 0.50 + 0.006 * np.sin(40 * x) + 0.006 * fractal_noise(rng, x.shape, 90, 2)
    for middle, height, width in PEAKS:
        crest = crest - height * np.exp(-(np.abs((x - middle) / width) ** 1.4))
    middles = PEAKS[:, 0]
    nearest = middles[np.abs(x[..., None] - middles).argmin(axis=-1)]
    fall = np.tanh((x - nearest) / 0.05)
    flow = unit(np.dstack([0.8 * fall + 0.25 * np.sin(30 * x + 9 * y), np.ones_like(x)]))
    facets = np.sin(24 * (x - 0.8 * fall * y) + 3 * np.sin(8 * x))
    facing = fall * np.sign(SUN[0] - nearest)
    tone = 0.36 + 0.18 * facets + 0.24 * facing + 0.4 * (crest - y + 0.08)
    place = (y > crest) & (y < HORIZON)
    return place, flow, ramp(RANGE, np.clip(tone, 0, 1)), 0.5


def fjord(rng, x, y):
    """The water: horizontal smears of teal that carry the fire of the sky below the sun."""
    level = y + 0.012 * np.sin(9 * x + 20 * y)
    flow = curl(level)
    depth = (y - HORIZON) / (1 - HORIZON)
    fire = np.exp(-(((x - SUN[0]) / (0.07 + 0.22 * depth)) ** 2))
    tone = 0.30 - 0.15 * depth + 0.15 * ribbons(rng, flow, 60, 50) + 0.55 * fire
    return y > HORIZON, flow, ramp(FJORD, np.clip(tone, 0, 1)), 0.85


def slope(rng, x, y):
    """The near shore, falling from the left: long diagonal furrows in crimson and violet."""
    edge = 0.60 + 0.36 * smoothstep(0.0, 1.25, x) + 0.012 * np.sin(11 * x)
    fold = y - 0.42 * x + 0.05 * np.sin(5 * x + 3 * y)
    flow = curl(fold)
    tone = 0.42 + 0.30 * np.sin(48 * fold) + 0.14 * ribbons(rng, flow, 60, 50)
    return y > edge, flow, ramp(SLOPE, np.clip(tone, 0, 1)), 1.0


def seeds_in(rng, place, spacing: float) -> np.ndarray:
    """Points (N, 2) scattered over `place` (H, W) bool."""
    seeds = scatter(rng, place.shape, spacing)
    return seeds[sample(place, seeds)]


def knife_layer(rng, canvas, place, flow, colours, sizes) -> None:
    """Flat smears all over `place`; `sizes` are their spacing, length and width."""
    spacing, length, width = sizes
    seeds = seeds_in(rng, place, spacing)
    paths = follow(flow, seeds, length * rng.lognormal(0, 0.35, len(seeds)))
    near, far = (sample(colours, seeds + rng.normal(0, s, seeds.shape)) for s in (4, 40))
    paints = np.stack([vary(rng, near, 12), vary(rng, far, 20)], axis=1)
    paint(canvas, KNIFE, rng, paths, width * rng.lognormal(0, 0.25, len(seeds)), paints)


def edge_lines(rng, canvas, place, flow, colours, length: float) -> None:
    """Long thin lines with the edge of the knife: lights on lights, darks on darks."""
    seeds = seeds_in(rng, place, 95)
    paths = follow(flow, seeds, length * rng.lognormal(0, 0.3, len(seeds)))
    near = sample(colours, seeds)
    light = near.mean(axis=-1, keepdims=True) > 105
    accent = np.where(light, near * 0.6 + np.array([255, 225, 150]) * 0.4, near * 0.55)
    paints = np.stack([accent, near], axis=1)
    paint(canvas, EDGE, rng, paths, rng.uniform(9, 18, len(seeds)), paints)


def posts(rng, canvas) -> None:
    """A leaning fence that runs down the shore, each post with a lit side."""
    for k in range(9):
        near = (k / 8) ** 1.5
        foot = np.array([0.10 + 1.0 * near, 0.69 + 0.29 * near])
        top = foot - [0.01 * rng.normal(), 0.06 + 0.10 * near]
        path = np.linspace(foot, top, PATH_POINTS)[None] * canvas.shape[0]
        width = 14 + 18 * near
        paint(canvas, KNIFE, rng, path, width, vary(rng, INK[None], 4))
        paint(
            canvas,
            EDGE,
            rng,
            path + np.array([width * 0.3, 0]),
            width * 0.4,
            palette("f08a2a c4381f")[None],
        )
