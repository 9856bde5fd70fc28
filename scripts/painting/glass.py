"""A rose window: hand-cut panes of streaky coloured glass in lead, with light behind them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from painting.brush import OVERSAMPLING, finish
from painting.colour import blend, palette, ramp
from painting.noise import fractal_noise, pixel_grid, smoothstep

SIZE = 896
RUBY = palette("3a0410 8f0f22 d22a2c f4694a")
AMBER = palette("5a2304 b8650c f0a51e ffe08a")
COBALT = palette("060b3a 10297f 2559bd 9cc8f0")
TEAL = palette("04302f 0b6a66 2aa595 a5e3c4")
VIOLET = palette("1f0a40 51218c 8c4fc4 d3a5ea")
LEAF = palette("0b2a10 2a6a24 74a832 d8e27a")
ROSE = palette("4a0a30 a32562 e0699a ffc9cf")
GLASS = np.stack([RUBY, AMBER, COBALT, TEAL, VIOLET, LEAF, ROSE])
R, A, C, T, V, L, P = range(7)


@dataclass(frozen=True)
class Ring:
    """`count` panes around the centre at `radius` (1: half the picture), in alternating glass."""

    radius: float
    count: int
    turn: float
    glass: tuple[int, ...]


RIMS = (0.125, 0.29, 0.535, 0.62, 0.915)
RINGS = (
    Ring(0.0, 1, 0, (A,)),
    Ring(0.085, 6, 0, (R,)),
    Ring(0.165, 12, 0, (C, A)),
    Ring(0.25, 12, 0.5, (C,)),
    Ring(0.365, 12, 0.5, (T,)),
    Ring(0.40, 12, 0, (R,)),
    Ring(0.49, 12, 0.5, (V,)),
    Ring(0.51, 24, 0.5, (A,)),
    Ring(0.577, 36, 0.5, (C, L, C)),
    Ring(0.70, 12, 0.5, (C,)),
    Ring(0.725, 12, 0, (R, P)),
    Ring(0.80, 24, 0.5, (C, T)),
    Ring(0.80, 12, 0, (A,)),
    Ring(0.87, 48, 0.5, (V, R)),
)


def glass(seed: int = 3) -> np.ndarray:
    """The picture, uint8 (896, 896, 3)."""
    rng = np.random.default_rng(seed)
    x, y = hand_cut(rng)
    seeds, kinds = rose()
    field = spandrels(rng, 260)
    kinds = np.concatenate([kinds, field_glass(rng, field)])
    seeds = np.concatenate([seeds, field])
    pane, edge = panes(seeds, x, y)
    radius = np.hypot(x, y)
    colours = lit_glass(rng, pane, edge, kinds, seeds)
    return finish(leading(rng, colours, edge, radius))


def hand_cut(rng) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in [-1, 1] of every canvas pixel, wavering as a glazier's cuts do."""
    shape = (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING)
    x, y = (axis / (shape[0] / 2) - 1 for axis in pixel_grid(shape))
    return tuple(axis + 0.0028 * fractal_noise(rng, shape, 150, 2) for axis in (x, y))


def rose() -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 2) of the panes of the rose, and the glass (N,) each is cut from."""
    centres, kinds = [], []
    for ring in RINGS:
        angle = (np.arange(ring.count) + ring.turn) * 2 * np.pi / ring.count
        centres.append(ring.radius * np.stack([np.sin(angle), np.cos(angle)], axis=-1))
        kinds.append(np.resize(ring.glass, ring.count))
    return np.concatenate(centres), np.concatenate(kinds)


def spandrels(rng, count: int, rounds: int = 12) -> np.ndarray:
    """Centres (N, 2) of the panes outside the rose, relaxed so that none is a sliver (Lloyd)."""
    samples = rng.uniform(-1.1, 1.1, (40000, 2))
    samples = samples[np.linalg.norm(samples, axis=1) > RIMS[-1]]
    centres = samples[:count]
    for _ in range(rounds):
        nearest = cKDTree(centres).query(samples)[1]
        share = np.bincount(nearest, minlength=count)
        sums = [np.bincount(nearest, samples[:, axis], count) for axis in (0, 1)]
        centres = np.stack(sums, axis=-1) / np.maximum(share, 1)[:, None]
    return centres


def field_glass(rng, centres: np.ndarray) -> np.ndarray:
    """Glass (N,) for the corners: mostly blues, with a vine of green and sparks of red."""
    kinds = rng.choice([C, C, C, C, V, T], len(centres))
    vine = np.abs(np.linalg.norm(centres, axis=1) - 1.16 - 0.05 * np.sin(centres[:, 0] * 20)) < 0.04
    kinds[vine] = L
    sparks = rng.uniform(size=len(centres)) < 0.10
    return np.where(sparks, rng.choice([R, A], len(centres)), kinds)


def panes(seeds, x, y) -> tuple[np.ndarray, np.ndarray]:
    """The index of the pane at every pixel, and the distance to its border (both (H, W)).

    A pane is the Voronoi cell of its seed among those between the same two rims.
    """
    points = np.stack([x, y], axis=-1).reshape(-1, 2)
    tree = cKDTree(lift(seeds))
    _, (first, second) = (part.T for part in tree.query(lift(points), k=2, workers=-1))
    apart = seeds[second] - seeds[first]
    middle = (seeds[second] + seeds[first]) / 2
    distance = ((middle - points) * apart).sum(axis=1) / np.linalg.norm(apart, axis=1)
    return first.reshape(x.shape), distance.reshape(x.shape).astype(np.float32)


def lift(points: np.ndarray) -> np.ndarray:
    """Points (N, 3) with a third coordinate that keeps those between different rims far apart."""
    zone = np.searchsorted(RIMS, np.linalg.norm(points, axis=1))
    return np.column_stack([points, 10 * zone])


def lit_glass(rng, pane, edge, kinds, seeds) -> np.ndarray:
    """Colours (H, W, 3): each pane streaked its own way, darker by the lead and at the rim."""
    count = len(kinds)
    streaks = np.stack([streak(rng, pane.shape, angle) for angle in np.arange(4) * 45])
    chosen = np.take_along_axis(streaks, rng.integers(0, 4, count)[pane][None], axis=0)[0]
    glow = 0.16 * np.exp(-((np.linalg.norm(seeds, axis=1) / 0.75) ** 2))
    level = (rng.normal(0.38, 0.12, count) + glow)[pane]
    tone = level + 0.10 * chosen + 0.34 * smoothstep(0, 0.038, edge) - 0.10
    sheets = np.stack([ramp(sheet, np.clip(tone, 0, 1)) for sheet in GLASS])
    colours = np.take_along_axis(sheets, kinds[pane][None, ..., None], axis=0)[0]
    return colours * (1 + 0.10 * chosen)[..., None] + 14 * bubbles(rng, pane.shape)[..., None]


def streak(rng, shape, angle: float) -> np.ndarray:
    """Cords and waves of blown glass along `angle` in degrees, (H, W), deviation 1."""
    size = int(np.hypot(*shape)) + 8
    cords = fractal_noise(rng, (size, size // 6), 40, 4).astype(np.float32)
    wide = ndimage.zoom(cords, (1, 6.2), order=1)[:size, :size]
    turned = ndimage.rotate(wide, angle, reshape=False, order=1, mode="reflect")
    top = (size - shape[0]) // 2
    return turned[top : top + shape[0], top : top + shape[1]]


def bubbles(rng, shape) -> np.ndarray:
    """Small seeds in the glass: bright points (H, W), up to about 1."""
    spots = (rng.uniform(size=shape) > 0.9996).astype(np.float32)
    blurred = ndimage.gaussian_filter(spots, 2)
    return np.clip(blurred / 0.03, 0, 1.5)


def leading(rng, colours, edge, radius) -> np.ndarray:
    """Lay lead cames over the borders, heavier on the rims, with a dull metal sheen."""
    ring = np.min([np.abs(radius - r) for r in RIMS], axis=0)
    wobble = 1 + 0.14 * fractal_noise(rng, edge.shape, 60, 3)
    lead = np.maximum(0.0085 * wobble - edge, 0.013 * wobble - ring)
    bar = smoothstep(-0.0015, 0.0015, lead)
    crown = np.clip(lead / 0.010, 0, 1)
    down, across = np.gradient(ndimage.gaussian_filter(crown, 2))
    sheen = 1 + 7 * np.clip(down + across, -0.1, 0.3)
    metal = ramp(palette("0c0b10 2a2830 4a4648"), crown * 0.8) * sheen[..., None]
    return blend(colours, metal + 4 * rng.normal(size=(*edge.shape, 1)), bar)
