"""An evening by the water in dots of divided colour that only mix in the eye."""

import cv2
import numpy as np

from painting.brush import finish, new_canvas, rake, sample, scatter
from painting.colour import blend, palette, ramp, vary
from painting.noise import fractal_noise, pixel_grid, smoothstep

WIDTH, HEIGHT = 1024, 768
HORIZON = 0.56
SUN = (0.86, 0.47)
GROUND = palette("c9a27a")[0]
SKY = palette("2f4f9a 5d7fc0 9fa9d0 e3b3b4 f6bd86 fbd56f fff0b0")
HILLS = palette("4a4a8f 5f6fb0 8f86b8")
WATER = palette("24407f 3566a6 5b93c0 9fb7c8 f0b98e fbdb8c")
BANK = palette("1f3f4a 2f6a4a 6a9a3f b9bf4a f0cf62")
CROWN = palette("141f4a 1d3f5a 2b6a4f 5f9440 a9b840 f2cf5a")
TRUNK = palette("2a1a4a 4a2a4f 8a4a4a")
ORANGE, VIOLET = palette("ff8a3c 5b3fa0")

# layers from underneath to the top: spacing and radius of the dots in canvas pixels
LAYERS = ((23, 19), (20, 15), (18, 11.5), (17, 9))


def dots(seed: int = 5) -> np.ndarray:
    """The picture, uint8 (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    canvas = new_canvas(WIDTH, HEIGHT, GROUND)
    scene, flatness = landscape(rng, canvas.shape[:2])
    for spacing, radius in LAYERS:
        dab(rng, canvas, scene, flatness, spacing, radius)
    return finish(rake(canvas, 0.55, gloss=0.1))


def dab(rng, canvas, scene, flatness, spacing: float, radius: float) -> None:
    """One layer of dots; `flatness` (H, W) in [0, 1] draws them out sideways, as on water."""
    centres = scatter(rng, canvas.shape[:2], spacing)
    colours = divide(rng, sample(scene, centres + rng.normal(0, 5, centres.shape)))
    flat = sample(flatness, centres)
    radii = radius * rng.lognormal(0, 0.15, len(centres))
    axes = np.stack([radii * (1 + 0.6 * flat), radii * (1 - 0.25 * flat)], axis=-1)
    angles = rng.normal(0, 1, len(centres)) * (35 - 27 * flat)
    heights = rng.uniform(120, 230, len(centres))
    values = np.column_stack([colours, heights]).tolist()
    for centre, axis, angle, value in zip(
        centres.astype(int).tolist(), axes.astype(int).tolist(), angles, values, strict=True
    ):
        cv2.ellipse(canvas, centre, axis, angle, 0, 360, value, -1, cv2.LINE_AA)


def divide(rng, colours: np.ndarray) -> np.ndarray:
    """Split colours (N, 3) into pure ones that average back to about the same.

    Half of the dots keep their hue, more saturated; others take a neighbouring hue, the
    complement, orange (in the light) or violet (in the shade), and a few are chalky.
    """
    grey = colours.mean(axis=-1, keepdims=True)
    pure = vary(rng, grey + (colours - grey) * 1.45, 14)
    turned = np.roll(pure, rng.choice([-1, 1]), axis=-1)
    neighbour = pure * 0.74 + turned * 0.26
    counter = grey + 22 + (grey - colours) * 0.5 + rng.normal(0, 10, colours.shape)
    accent = np.where(grey > 128, ORANGE, VIOLET) * 0.55 + colours * 0.45
    chalk = colours * 0.66 + 78
    kind = rng.choice(5, len(colours), p=[0.50, 0.22, 0.08, 0.13, 0.07])
    return np.clip(np.choose(kind[:, None], [pure, neighbour, counter, accent, chalk]), 0, 255)


def landscape(rng, shape) -> tuple[np.ndarray, np.ndarray]:
    """What the dots depict: colours (H, W, 3), and where the surface lies flat (H, W)."""
    x, y = (axis / shape[0] for axis in pixel_grid(shape))
    scene = sky(rng, x, y)
    scene = hills(rng, scene, x, y)
    water = y > HORIZON
    scene[water] = reflections(rng, scene, x, y)[water]
    scene, bank = shore(rng, scene, x, y)
    for trunk, crown, size in (
        ((0.20, 0.87), (0.215, 0.34), 0.20),
        ((0.47, 0.80), (0.46, 0.47), 0.11),
    ):
        scene = tree(rng, scene, x, y, trunk, crown, size)
    return scene, (water & ~bank).astype(np.float32)


def sky(rng, x, y) -> np.ndarray:
    """Blue above, gold towards the sun, with long clouds lit from below."""
    glow = np.exp(-np.hypot((x - SUN[0]) * 0.75, (y - SUN[1]) * 1.3) / 0.33)
    tone = 0.62 * (y / HORIZON) ** 1.3 + 0.55 * glow - 0.02
    cloud = fractal_noise(rng, x.shape, 260, 4) + 1.6 * np.sin(22 * y + 3 * x + 1.2 * np.sin(4 * x))
    colours = ramp(SKY, np.clip(tone, 0, 1))
    lit = ramp(palette("8f7fb8 e39a9a ffd9a0"), np.clip(glow + 0.25, 0, 1))
    colours = blend(colours, lit, 0.75 * smoothstep(0.6, 2.0, cloud) * smoothstep(0.03, 0.2, y))
    disc = smoothstep(0.062, 0.054, np.hypot(x - SUN[0], y - SUN[1]))
    return blend(colours, palette("fff6d0")[0], disc)


def hills(rng, scene, x, y) -> np.ndarray:
    """Two blue ranges behind the water."""
    for depth, colour in enumerate(HILLS[::-1][1:]):
        crest = HORIZON - 0.075 + 0.045 * depth + 0.028 * np.sin(5 * x + 2.2 * depth + 4)
        crest = crest + 0.010 * np.sin(17 * x + depth)
        tint = blend(colour, palette("f0a080")[0], 0.5 * np.exp(-np.abs(x - SUN[0]) / 0.25))
        scene = blend(scene, tint, smoothstep(0, 0.006, y - crest))
    return scene


def reflections(rng, scene, x, y) -> np.ndarray:
    """The sky mirrored in ripples, with a broken path of sunlight."""
    depth = np.clip((y - HORIZON) / (1 - HORIZON), 0, 1)
    ripple = np.sin(150 * depth**0.6 + 5 * np.sin(6 * x)) + 0.8 * fractal_noise(rng, x.shape, 50, 2)
    path = np.exp(-(((x - SUN[0]) / (0.05 + 0.10 * depth)) ** 2))
    tone = 0.55 - 0.55 * depth + 0.10 * ripple + 0.18 * np.exp(-np.abs(x - SUN[0]) / 0.3)
    colours = ramp(WATER, np.clip(tone, 0, 1))
    return blend(colours, palette("ffe9a0")[0], path * smoothstep(-0.5, 0.8, ripple))


def shore(rng, scene, x, y) -> tuple[np.ndarray, np.ndarray]:
    """A grassy bank in the lower left, and where it is (H, W) bool."""
    edge = 0.76 + 0.13 * x + 0.12 * smoothstep(0.3, 0.9, x) + 0.012 * np.sin(14 * x)
    light = 0.45 + 0.22 * fractal_noise(rng, x.shape, 120, 4) + 0.35 * (x - 0.45)
    colours = ramp(BANK, np.clip(light - 0.9 * (y - edge), 0, 1))
    bank = y > edge
    return blend(scene, colours, bank), bank


def tree(rng, scene, x, y, foot, crown, size: float) -> np.ndarray:
    """A trunk from `foot` to the middle of a crown of leafy masses, lit from the right."""
    t = np.clip((y - crown[1]) / (foot[1] - crown[1]), 0, 1)
    axis = crown[0] + (foot[0] - crown[0]) * t + 0.012 * np.sin(5 * t)
    trunk = (np.abs(x - axis) < size * (0.07 + 0.07 * t**3)) & (y > crown[1]) & (y < foot[1])
    bark = ramp(TRUNK, np.clip(0.5 + (x - axis) / size * 6, 0, 1))
    scene = blend(scene, bark, trunk)
    for _ in range(38):
        angle, reach = rng.uniform(0, 2 * np.pi), size * np.sqrt(rng.uniform())
        middle = np.array(crown) + reach * np.array([np.cos(angle), 0.95 * np.sin(angle)])
        scene = leaves(rng, scene, x - middle[0], y - middle[1], size * rng.uniform(0.2, 0.36))
    return scene


def leaves(rng, scene, dx, dy, radius: float) -> np.ndarray:
    """One ragged clump of foliage around the origin, light on its right and upper side."""
    box = (np.abs(dx) < 1.5 * radius) & (np.abs(dy) < 1.5 * radius)
    rows, columns = (np.flatnonzero(box.any(axis=a)) for a in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    dx, dy = dx[window] / radius, dy[window] / radius
    ragged = np.hypot(dx, dy * 1.15) + 0.10 * fractal_noise(rng, dx.shape, 40, 3)
    light = np.clip(0.42 + 0.36 * dx - 0.34 * dy + rng.normal(0, 0.06), 0, 1)
    scene[window] = blend(scene[window], ramp(CROWN, light), ragged < 1)
    return scene
