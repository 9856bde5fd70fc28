"""Smooth random fields and the flow fields made of them. All are float32 of shape (H, W)."""

import cv2
import numpy as np

Shape = tuple[int, int]


def value_noise(rng, shape: Shape, cell: float | tuple[float, float]) -> np.ndarray:
    """Noise in about [-1, 1] whose features are `cell` pixels wide; a pair is (down, across)."""
    cells = np.broadcast_to(cell, 2)
    grid_shape = [int(np.ceil(n / c)) + 3 for n, c in zip(shape, cells, strict=True)]
    grid = rng.uniform(-1, 1, grid_shape).astype(np.float32)
    return cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)


def fractal_noise(rng, shape: Shape, cell: float, octaves: int = 4) -> np.ndarray:
    """Octaves of value noise, each half as wide and half as strong; standard deviation 1."""
    layers = (value_noise(rng, shape, max(cell / 2**k, 2)) / 2**k for k in range(octaves))
    total = sum(layers)
    return (total - total.mean()) / total.std()


def pixel_grid(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """The x and the y of every pixel, each (H, W)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return x, y


def curl(potential: np.ndarray) -> np.ndarray:
    """Unit vectors (H, W, 2), as (x, y), along the level lines of a potential."""
    down, across = np.gradient(potential)
    return unit(np.dstack([down, -across]))


def unit(field: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) scaled to length 1; those of length 0 stay 0."""
    length = np.linalg.norm(field, axis=-1, keepdims=True)
    return (field / np.maximum(length, 1e-9)).astype(np.float32)


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, an S-curve between (reversed if `low` > `high`)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def smear(image: np.ndarray, field: np.ndarray, length: int, stride: float = 2.0) -> np.ndarray:
    """`image` averaged along the streamlines of `field` (H, W, 2), `length` steps each way.

    Turns blotchy noise into ribbons that run with the flow (a line integral convolution).
    """
    total, start = image.copy(), np.dstack(pixel_grid(image.shape[:2]))
    for sign in (stride, -stride):
        position = start
        for _ in range(length):
            step = cv2.remap(field, position, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
            position = position + sign * step
            total += cv2.remap(image, position, None, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
    return total / (2 * length + 1)


def ribbons(rng, field: np.ndarray, cell: float, length: int) -> np.ndarray:
    """Noise drawn out along `field` (H, W, 2): (H, W), mean 0, standard deviation 1.

    Made at a quarter of the size, as it is smooth.
    """
    height, width = field.shape[:2]
    small = cv2.resize(field, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    noise = fractal_noise(rng, small.shape[:2], cell / 4, 3).astype(np.float32)
    drawn = cv2.resize(smear(noise, small, length), (width, height), interpolation=cv2.INTER_CUBIC)
    return (drawn - drawn.mean()) / drawn.std()
