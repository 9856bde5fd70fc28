"""How steady a film is, what it gives up for that, and what a frame costs.

    python benchmarks/film.py [--size 256] [--frames 8] [--steadiness 0 0.5 1]

Clips are made of bundled photographs, so that the true motion of every pixel is known: a camera
that pans, and a disc that passes over a panning ground. Each is painted frame by frame, as stills
that know nothing of each other, and as a film of each steadiness. The table has

- E_warp: mean squared difference of a frame from the one before, moved by the true motion, where
  both show the same; and its part of that of the stills
- loss: of content, style and variation, without the temporal terms; in parts of the stills'
- seconds a frame, but a shot's first, in parts of a still's

By --out DIR the frames are kept, to be looked at in turn.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image

import impasto
from impasto import Picture, Settings
from impasto.apps.film.clip import Clip
from impasto.apps.film.driver import Film
from impasto.apps.film.events import FrameDone
from impasto.apps.film.sources import Sources
from impasto.apps.film.warp import warped
from impasto.apps.film.work import Work
from impasto.hardware.allocator import tuned_malloc
from impasto.images.samples import found
from impasto.objective import StyleCache
from impasto.settings import FilmSettings
from measuring import heading, say, table

STEP = 3, 1  # pixels that the ground moves in a frame, right and down
FASTER = 7, -2  # and the disc

Flow = np.ndarray


@dataclass(frozen=True)
class Scene:
    """Frames (h, w, 3) uint8; for each but the first its flow to the one before, and what is new.

    flows: (h, w, 2), pixels
    shown: (h, w) bool, whether the frame before shows the pixel too
    """

    frames: list[np.ndarray]
    flows: list[Flow]
    shown: list[np.ndarray]


def ground(name: str, size: tuple[int, int], frames: int) -> Iterator[np.ndarray]:
    """A photograph seen through a window that moves by STEP, in whole pixels."""
    width, height = size
    margin = STEP[0] * frames, STEP[1] * frames
    picture = Image.open(found(f"sample:{name}")).convert("RGB")
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


SCENES: dict[str, Callable[[tuple[int, int], int], Scene]] = {"pan": pan, "disc": disc}


@dataclass(frozen=True)
class Painted:
    """Canvases (3, h, w) of all frames, the losses, and seconds a frame but the first."""

    canvases: list[torch.Tensor]
    losses: list[float]
    seconds: float

    def unsteadiness(self, scene: Scene) -> float:
        """Mean over frames of E_warp."""
        found = []
        pairs = zip(self.canvases, self.canvases[1:], scene.flows, scene.shown, strict=False)
        for before, now, flow, shown in pairs:
            apart = (now - warped(before, flow)).square().mean(0)
            found.append(float(apart[torch.from_numpy(shown)].mean()))
        return fmean(found)


def stills(scene: Scene, style: str, settings: Settings) -> Painted:
    """Each frame by itself."""
    canvases, losses, cache, taken = [], [], StyleCache(), []
    for frame in scene.frames:
        began = time.perf_counter()
        picture = Picture(torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255)
        run = impasto.Run(picture, style, settings, cache=cache)
        *_, last = run
        canvases.append(last.picture().pixels)
        losses.append(last.loss)
        taken.append(time.perf_counter() - began)
    return Painted(canvases, losses, fmean(taken[1:]))


def film(scene: Scene, style: str, settings: Settings, how: FilmSettings, out: Path) -> Painted:
    """As a film, in a work folder."""
    source = out / "source"
    source.mkdir(parents=True)
    for index, frame in enumerate(scene.frames):
        Image.fromarray(frame).save(source / f"{index:04d}.png")
    work = Work(out / "work", {})
    made = Film(Clip.open(source), Sources([style]), settings, how, work)
    began, entries = 0.0, []
    for event in made.events():
        if isinstance(event, FrameDone):
            entries.append(event.entry)
            began = began or time.perf_counter()
    taken = (time.perf_counter() - began) / (len(entries) - 1)
    levels = (work.read(entry.index).astype(np.float32) / 65535 for entry in entries)
    canvases = [torch.from_numpy(each).permute(2, 0, 1) for each in levels]
    return Painted(canvases, [entry.loss or 0.0 for entry in entries], taken)


def rows(name: str, style: str, o: argparse.Namespace, out: Path) -> Iterator[list[str]]:
    """Table rows of a scene: stills, then films."""
    size = o.size, round(o.size * 0.75) // 2 * 2
    scene = SCENES[name](size, o.frames)
    settings = Settings.of(o.recipe, size=size, supersample_below=0)
    say(f"{name}: stills")
    alone = stills(scene, style, settings)
    apart = alone.unsteadiness(scene)
    yield [f"{name}: stills", f"{apart:.2e}", "1.00", "1.00", "1.00"]
    for steadiness in o.steadiness:
        say(f"{name}: steadiness {steadiness}")
        how = FilmSettings.of(steadiness=steadiness)
        made = film(scene, style, settings, how, out / f"{name}-{steadiness}")
        unsteady = made.unsteadiness(scene)
        later = zip(made.losses[1:], alone.losses[1:], strict=True)
        yield [
            f"{name}: film, steadiness {steadiness}",
            f"{unsteady:.2e}",
            f"{unsteady / apart:.3f}",
            f"{fmean(one / other for one, other in later):.3f}",
            f"{made.seconds / alone.seconds:.3f}",
        ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--recipe", default="standard")
    parser.add_argument("--style", default="sample:waves")
    parser.add_argument("--steadiness", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--out", type=Path, help="keep the frames there")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, tuned_malloc((o.size, o.size)):
        out = o.out or Path(temporary)
        lines = [row for name in SCENES for row in rows(name, o.style, o, out)]
    print(heading("Films against stills", f"{o.size} px, {o.frames} frames, recipe {o.recipe}"))
    print(table(["", "E_warp", "of stills", "loss", "seconds a frame"], lines))


if __name__ == "__main__":
    main()
