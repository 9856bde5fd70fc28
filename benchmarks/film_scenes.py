"""Clips of bundled photographs of which the true motion of every pixel is known.

    scene = SCENES["disc"]((192, 144), 8)

Nothing is rounded: frames between whole pixels are sampled from the photograph's cubic splines, and
flows are computed, not estimated.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.images.names import located

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import clips  # after the path

__all__ = ["SCENES", "Flow", "Scene", "ages", "ground", "stroll"]

STEP = 3, 1  # pixels that the ground moves in a frame, right and down
FASTER = 7, -2  # and the disc
SETTLED = 1000  # age of what a shot's first frame shows

Flow = np.ndarray


@dataclass(frozen=True)
class Scene:
    """Frames (h, w, 3) uint8; for each but the first its flow to the one before, and what is new.

    flows: (h, w, 2), pixels; None where the frame begins a shot
    shown: (h, w) bool, whether the frame before shows the pixel too
    seam: the same of the first frame, before which the last one is, in a clip that is a loop
    """

    frames: list[np.ndarray]
    flows: list[Flow | None]
    shown: list[np.ndarray]
    seam: tuple[Flow, np.ndarray] | None = None

    @property
    def starts(self) -> tuple[int, ...]:
        """The frames that begin a shot."""
        return 0, *(n for n, flow in enumerate(self.flows, 1) if flow is None)

    @classmethod
    def of(cls, footage: clips.Footage) -> "Scene":
        """Footage as a scene."""
        size, flows, shown = footage.frames.shape[1:3], [], []
        for n in range(1, len(footage.frames)):
            begins = n in footage.starts
            flows.append(None if begins else footage.flow(n, n - 1))
            shown.append(np.zeros(size, bool) if begins else ~footage.hidden(n, n - 1))
        return cls(list(footage.frames), flows, shown)


def ages(scene: Scene) -> Iterator[np.ndarray]:
    """For each frame, how many frames before it each pixel came into sight: (h, w), 0 for now.

    What the first frame of a shot shows has been there for long.
    """
    height, width = scene.frames[0].shape[:2]
    rows, columns = np.mgrid[:height, :width]
    age = np.full((height, width), SETTLED)
    yield age
    for flow, shown in zip(scene.flows, scene.shown, strict=True):
        if flow is None:
            age = np.full((height, width), SETTLED)
        else:
            x = np.rint(columns + flow[..., 0]).astype(int).clip(0, width - 1)
            y = np.rint(rows + flow[..., 1]).astype(int).clip(0, height - 1)
            age = np.where(shown, age[y, x] + 1, 0)
        yield age


def ground(name: str, size: tuple[int, int], frames: int) -> Iterator[np.ndarray]:
    """A photograph seen through a window that moves by STEP, in whole pixels."""
    width, height = size
    margin = STEP[0] * frames, STEP[1] * frames
    picture = Image.open(located(f"sample:{name}")).convert("RGB")
    whole = np.asarray(picture.resize((width + margin[0], height + margin[1]), Image.LANCZOS))
    for t in range(frames):
        left, top = margin[0] - STEP[0] * t, margin[1] - STEP[1] * t
        yield whole[top : top + height, left : left + width]


def pan(size: tuple[int, int], frames: int) -> Scene:
    """The ground alone."""
    seen = list(ground("chelsea", size, frames))
    flow = np.tile(-np.array(STEP, np.float32), (size[1], size[0], 1))
    inside = np.zeros(size[::-1], bool)
    inside[STEP[1] :, STEP[0] :] = True
    return Scene(seen, [flow] * (frames - 1), [inside] * (frames - 1))


def disc(size: tuple[int, int], frames: int) -> Scene:
    """A disc of another photograph over the ground."""
    width, height = size
    scene, over = pan(size, frames), next(ground("coffee", (height // 2, height // 2), 1))
    radius, y, x = height // 4, *np.mgrid[:height, :width]
    seen, flows, shown, before = [], [], [], None
    for t, frame in enumerate(scene.frames):
        left, top = width // 4 + FASTER[0] * t, height // 3 + FASTER[1] * t
        there = (x - left - radius) ** 2 + (y - top - radius) ** 2 < (radius - 1) ** 2
        frame = frame.copy()
        frame[there] = over[y[there] - top, x[there] - left]
        if before is not None:
            flow = np.where(there[..., None], -np.array(FASTER), -np.array(STEP))
            flows.append(flow.astype(np.float32))
            covered = np.zeros_like(there)  # the ground that the disc hid a frame before
            covered[STEP[1] :, STEP[0] :] = before[: -STEP[1], : -STEP[0]]
            shown.append(np.where(there, True, scene.shown[0] & ~covered))
        seen.append(frame)
        before = there
    return Scene(seen, flows, shown)


def circle(size: tuple[int, int], frames: int) -> Scene:
    """The ground, seen from a circle of 12 px that the camera goes round once, in whole pixels."""
    width, height = size
    picture = Image.open(located("sample:chelsea")).convert("RGB")
    whole = np.asarray(picture.resize((width + 24, height + 24), Image.LANCZOS))
    turns = 2 * np.pi * np.arange(frames) / frames
    places = np.rint(12 + 12 * np.stack([np.cos(turns), np.sin(turns)], -1)).astype(int)
    seen = [whole[y : y + height, x : x + width] for x, y in places]
    steps = places - np.roll(places, 1, 0)  # the flow to the frame before, pixels
    flows = [np.tile(step.astype(np.float32), (height, width, 1)) for step in steps]
    y, x = np.mgrid[:height, :width]
    shown = [
        (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height) for dx, dy in steps
    ]
    return Scene(seen, flows[1:], shown[1:], (flows[0], shown[0]))


def zoom(size: tuple[int, int], frames: int) -> Scene:
    """A camera that comes 3 % nearer every frame."""
    return Scene.of(clips.zoom(1.03, frames, size[::-1]))


def rotation(size: tuple[int, int], frames: int) -> Scene:
    """A camera that turns by 2° every frame."""
    return Scene.of(clips.rotation(2.0, frames, size[::-1]))


def passing(size: tuple[int, int], frames: int) -> Scene:
    """Two discs over a panning ground, one of which passes before the other."""
    return Scene.of(clips.passing(frames=frames, size=size[::-1]))


def mover(size: tuple[int, int], frames: int) -> Scene:
    """A camera on a tripod, before which a disc moves."""
    return Scene.of(clips.mover((5, 1), frames, size[::-1]))


def cut(size: tuple[int, int], frames: int) -> Scene:
    """Two panning cameras, one after the other."""
    half = frames // 2
    one = clips.pan((3, 1), half, size[::-1])
    return Scene.of(clips.joined(one, clips.pan((-3, 1), frames - half, size[::-1], "coffee")))


def fade(size: tuple[int, int], frames: int) -> Scene:
    """A pan whose picture darkens to a third."""
    return Scene.of(
        clips.faded(clips.pan((3, 1), frames, size[::-1]), np.geomspace(1, 1 / 3, frames))
    )


def exposure(size: tuple[int, int], frames: int) -> Scene:
    """A pan that becomes 3 % brighter every frame."""
    return Scene.of(clips.exposed(clips.pan((3, 1), frames, size[::-1]), 1.03))


def noise(size: tuple[int, int], frames: int) -> Scene:
    """A pan with a sensor's noise of σ = 4 levels."""
    return Scene.of(clips.noisy(clips.pan((3, 1), frames, size[::-1]), 4))


def stroll(size: tuple[int, int], frames: int) -> Scene:
    """A disc that goes round before a camera that sways, for as long as one likes."""
    (width, height), t = size, np.arange(frames)
    turns = 2 * np.pi * t
    sway = height / 8 * np.stack([np.sin(turns / 100), np.sin(turns / 70)], -1)
    centres = np.array([width, height]) / 2
    centres = centres + height / 4 * np.stack([np.cos(turns / 60), np.sin(turns / 60)], -1)
    back = clips.Layer(clips.splines("chelsea", size[::-1]), _shifted(sway))
    over = clips.splines("coffee", size[::-1])
    front = clips.Layer(over, _shifted(centres[0] - centres), centres, height / 5)
    return Scene.of(clips.filmed([back, front], frames, size[::-1]))


def _shifted(places: np.ndarray) -> clips.Affine:
    """A camera at places (n, 2)."""
    matrices = np.tile(np.eye(3), (len(places), 1, 1))
    matrices[:, :2, 2] = places
    return clips.Affine(matrices)


SCENES: dict[str, Callable[[tuple[int, int], int], Scene]] = {
    each.__name__: each
    for each in (
        pan, disc, circle, zoom, rotation, passing, mover, cut, fade, exposure, noise, stroll,
    )
}  # fmt: skip
