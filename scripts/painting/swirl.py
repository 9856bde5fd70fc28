"""A night of whirling lights over hills and a flame of cypress, in thick directional strokes."""

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
SKY = palette("0c1433 13265e 1b4788 2670a6 4a9db6 93cdbb e6e6b6")
HALO = palette("fffbe0 fff0a8 f8cf5c e9a838 c8b263 7fb39a 3f8fae 22619c")
LAND = palette("0a1a30 103a52 1b5f62 3f8560 8fa850 d6b94e")
NEBULA = palette("e9efc4 b9dcc0 7dbcc0 4794b8 2c6fa6 1d4d8d")
CYPRESS = palette("060b16 0e1f24 1b3a2c 3b562c 75692c a8702c")
INK = palette("070b1c 10183a")

# x, y and radius in heights of the picture, sense of rotation, brightness of the light inside
VORTICES = np.array(
    [
        [0.60, 0.34, 0.25, 1, 0.75],
        [0.88, 0.46, 0.15, -1, 0.7],
        [0.16, 0.20, 0.13, 1, 1.0],
        [1.14, 0.17, 0.19, 1, 1.0],
        [0.42, 0.11, 0.09, -1, 1.0],
        [0.83, 0.12, 0.08, -1, 1.0],
        [0.09, 0.50, 0.09, 1, 1.0],
        [1.22, 0.46, 0.07, -1, 1.0],
        [0.36, 0.55, 0.06, -1, 1.0],
    ]
)


def swirl(seed: int = 11) -> np.ndarray:
    """The picture, uint8 (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    canvas = new_canvas(WIDTH, HEIGHT, INK[1])
    shape = canvas.shape[:2]
    x, y = (axis / shape[0] for axis in pixel_grid(shape))
    crest = skyline(x)
    flow, colours = sky(rng, x, y)
    land_flow, land_colours = land(rng, x, y - crest)
    below = y > crest
    flow[below], colours[below] = land_flow[below], land_colours[below]
    for spacing, length, width in ((34, 230, 34), (24, 150, 24), (20, 95, 15)):
        strokes(rng, canvas, flow, colours, spacing, length, width)
    outline(rng, canvas, np.arange(shape[1]), crest[0])
    cypress(rng, canvas, foot=0.335, top=0.50, girth=0.045)
    cypress(rng, canvas, foot=0.215, top=0.06, girth=0.085)
    return finish(rake(canvas, 1.5))


def skyline(x: np.ndarray) -> np.ndarray:
    """How far down the hills begin, in heights of the picture, at each `x`."""
    return 0.735 - 0.07 * np.sin(2.6 * x + 0.4) - 0.035 * np.sin(6.3 * x + 2) - 0.05 * x


def sky(rng, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Flow (H, W, 2) and colours (H, W, 3): whirls in a drifting wind, lights with haloes."""
    wind = fractal_noise(rng, x.shape, 500, 2) * 0.03 + y + 0.04 * np.sin(5 * x)
    flow = curl(wind)
    for cx, cy, radius, sense, _ in VORTICES:
        flow += whirl(x - cx, y - cy, radius, sense)
    flow = unit(flow)
    tone = 0.40 + 0.19 * ribbons(rng, flow, 70, 60) + 0.25 * (y - 0.35)
    colours = ramp(SKY, tone)
    for cx, cy, radius, _, glow in VORTICES:
        colours = halo(colours, np.hypot(x - cx, y - cy) / radius, glow)
    return flow, colours


def whirl(dx, dy, radius: float, sense: float) -> np.ndarray:
    """Vectors (H, W, 2) that turn about the origin, spiral in slightly and fade out at `radius`."""
    distance = np.hypot(dx, dy)
    strength = 6 * np.exp(-((distance / radius) ** 2) * 1.6)
    turn = unit(np.dstack([-sense * dy - 0.22 * dx, sense * dx - 0.22 * dy]))
    return turn * strength[..., None]


def halo(colours, distance, glow: float) -> np.ndarray:
    """Rings of light around a centre; `distance` is 1 at the edge of the halo."""
    rings = distance + 0.07 * np.sin(distance * 22)
    cover = glow * smoothstep(1.25, 0.7, distance)
    lights = HALO if glow == 1 else NEBULA
    return blend(colours, ramp(lights, np.clip(rings, 0, 1)), cover)


def land(rng, x, depth) -> tuple[np.ndarray, np.ndarray]:
    """Flow and colours of the hills; `depth` is the distance below the skyline."""
    fold = depth + 0.05 * np.sin(7 * x + 9 * depth) + 0.02 * fractal_noise(rng, x.shape, 300, 2)
    flow = curl(fold)
    furrows = 0.5 + 0.5 * np.sin(fold * 60)
    tone = 0.02 + 0.52 * furrows + 0.12 * ribbons(rng, flow, 60, 40) + 0.5 * depth
    return flow, ramp(LAND, tone)


def strokes(rng, canvas, flow, colours, spacing: float, length: float, width: float) -> None:
    """One layer of strokes over the whole canvas, each in its local colour and a neighbour's."""
    seeds = scatter(rng, canvas.shape[:2], spacing)
    paths = follow(flow, seeds, length * rng.lognormal(0, 0.3, len(seeds)))
    near = sample(colours, seeds)
    other = sample(colours, seeds + rng.normal(0, 26, seeds.shape))
    paints = np.stack([vary(rng, near, 13), vary(rng, other, 20)], axis=1)
    paint(canvas, Brush(), rng, paths, width * rng.lognormal(0, 0.2, len(seeds)), paints)


def outline(rng, canvas, x, crest) -> None:
    """A dark broken outline along the skyline; `x` in canvas pixels, `crest` in heights, (W,)."""
    line = np.stack([x, crest * canvas.shape[0]], axis=-1)
    starts = np.arange(-40, len(x), 90)
    index = np.clip(starts[:, None] + np.linspace(0, 150, PATH_POINTS), 0, len(x) - 1).astype(int)
    paths = line[index] + rng.normal(0, 4, (len(starts), 1, 2))
    paints = vary(rng, INK[rng.integers(0, 2, (len(starts), 2))], 5)
    paint(canvas, Brush(taper=0.8), rng, paths, rng.uniform(8, 16, len(starts)), paints)


def cypress(rng, canvas, foot: float, top: float, girth: float) -> None:
    """A dark flame of tongues; where it stands, where it ends and how wide, in heights."""
    for layer, count in enumerate((260, 240, 150)):
        rise = np.sort(rng.uniform(-0.05, 0.93, count))
        tongues = [flame(rng, r, 1 - 0.12 * layer) for r in rise]
        paths = np.stack(tongues) * [girth, top - 1.04] + [foot, 1.04]
        shade = np.clip(rng.normal(0.10 + 0.19 * layer, 0.16, (count, 2)), 0, 1)
        paints = vary(rng, ramp(CYPRESS, shade), 5)
        width = girth * (230 - 60 * layer) * rng.lognormal(0, 0.2, count)
        brush = Brush(taper=0.9, streak=0.9, pitch=2.5)
        paint(canvas, brush, rng, paths * canvas.shape[0], width, paints)


def flame(rng, rise: float, spread: float) -> np.ndarray:
    """One tongue (PATH_POINTS, 2) of a tree that is 1 high and about 1 from its axis to its side.

    It starts at height `rise`, keeps to its place between axis and side while the tree narrows,
    and flares outwards at the tip.
    """
    t = np.linspace(0, 1, PATH_POINTS)
    side = rng.uniform(-1, 1) * spread
    height = rise + (0.10 + 0.13 * (1 - rise)) * t
    reach = np.clip(1 - height, 0.02, 1) ** 0.75 * (0.75 + 0.25 * np.sin(11 * height + 1))
    sway = 0.20 * np.sin(8.5 * height) + 0.07 * np.sin(27 * height + 2 * side)
    flare = 0.32 * side * t**3 * np.clip(1.1 - rise, 0, 1)
    return np.stack([side * reach + sway + flare, height], axis=-1)
