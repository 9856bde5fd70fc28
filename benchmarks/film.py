"""How steady a film is, what it gives up for that, and what a frame costs.

    python benchmarks/film.py [--size 256] [--frames 8] [--steadiness 0 0.5 1]
    python benchmarks/film.py --every 1 2 4 --between 0 1 --steadiness 0.5
    python benchmarks/film.py --scenes circle --loop --frames 16
    python benchmarks/film.py --still 100 --size 64

Clips are made of bundled photographs, so that the true motion of every pixel is known: a camera
that pans, a disc that passes over a panning ground, and a camera that goes round in a circle. Each
is painted frame by frame, as stills that know nothing of each other, and as a film in each way. The
table has

- E_warp: mean squared difference of a frame from the one before, moved by the true motion, where
  both show the same; and its part of that of the stills; of a circle also that of its seam, where
  the first frame follows the last
- loss: of content, style and variation, without the temporal terms; in parts of the stills'
- processor seconds a frame of all threads, but a shot's first, in parts of a still's

With --still a photograph is repeated; the table has how far a frame's mean and its pixels are from
those of the tenth, and how much a frame differs from the one before it, in levels of 255.

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
from impasto.images.names import located
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
    seam: the same of the first frame, before which the last one is, in a clip that is a loop
    """

    frames: list[np.ndarray]
    flows: list[Flow]
    shown: list[np.ndarray]
    seam: tuple[Flow, np.ndarray] | None = None


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


SCENES: dict[str, Callable[[tuple[int, int], int], Scene]] = {
    "pan": pan,
    "disc": disc,
    "circle": circle,
}


@dataclass(frozen=True)
class Painted:
    """Canvases (3, h, w) of all frames, the losses, and processor seconds a frame but the first."""

    canvases: list[torch.Tensor]
    losses: list[float]
    seconds: float

    def unsteadiness(self, scene: Scene) -> float:
        """Mean over frames of E_warp."""
        pairs = zip(self.canvases, self.canvases[1:], scene.flows, scene.shown, strict=False)
        return fmean(e_warp(*each) for each in pairs)

    def at_seam(self, scene: Scene) -> float | None:
        """E_warp of the first frame, after the last."""
        return scene.seam and e_warp(self.canvases[-1], self.canvases[0], *scene.seam)


def e_warp(before: torch.Tensor, now: torch.Tensor, flow: Flow, shown: np.ndarray) -> float:
    """Mean squared difference of a frame from the one before, where that shows it too."""
    apart = (now - warped(before, flow)).square().mean(0)
    return float(apart[torch.from_numpy(shown)].mean())


def stills(scene: Scene, style: str, settings: Settings) -> Painted:
    """Each frame by itself."""
    canvases, losses, cache, taken = [], [], StyleCache(), []
    for frame in scene.frames:
        began = time.process_time()
        run = impasto.Run(picture_of(frame), style, settings, cache=cache)
        *_, last = run
        canvases.append(last.picture().pixels)
        losses.append(last.loss)
        taken.append(time.process_time() - began)
    return Painted(canvases, losses, fmean(taken[1:]))


def picture_of(frame: np.ndarray) -> Picture:
    """A frame (h, w, 3) uint8."""
    return Picture(torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255)


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
            began = began or time.process_time()
    taken = (time.process_time() - began) / (len(entries) - 1)
    entries.sort(key=lambda entry: entry.index)
    levels = (work.read(entry.index).astype(np.float32) / 65535 for entry in entries)
    canvases = [torch.from_numpy(each).permute(2, 0, 1) for each in levels]
    losses = [
        loss_of(canvas, frame, style, settings) if entry.loss is None else entry.loss
        for canvas, frame, entry in zip(canvases, scene.frames, entries, strict=True)
    ]
    return Painted(canvases, losses, taken)


def loss_of(canvas: torch.Tensor, frame: np.ndarray, style: str, settings: Settings) -> float:
    """What a still's loss is at a canvas."""
    settings = settings.replaced(scales=(1.0,), iterations=1)
    first: float = next(iter(impasto.Run(picture_of(frame), style, settings, init=canvas))).loss
    return first


def ways(o: argparse.Namespace) -> Iterator[tuple[str, FilmSettings]]:
    """The films to paint, by name."""
    for steadiness in o.steadiness:
        for every in o.every:
            for between in o.between if every > 1 else [0]:
                for loop in (False, True) if o.loop else (False,):
                    name = f"steadiness {steadiness}" + (f", every {every}" if every > 1 else "")
                    name += f", between {between}" if between else ""
                    fields = {"steadiness": steadiness, "every": every, "loop": loop}
                    how = FilmSettings.of(between_iterations=between, **fields)
                    yield name + (", loop" if loop else ""), how


def rows(name: str, style: str, o: argparse.Namespace, out: Path) -> Iterator[list[str]]:
    """Table rows of a scene: stills, then films."""
    size = o.size, round(o.size * 0.75) // 2 * 2
    scene = SCENES[name](size, o.frames)
    settings = Settings.of(o.recipe, size=size, supersample_below=0)
    say(f"{name}: stills")
    alone = stills(scene, style, settings)
    apart = alone.unsteadiness(scene)
    yield [f"{name}: stills", f"{apart:.2e}", "1.00", _seam(alone, scene, apart), "1.00", "1.00"]
    for way, how in ways(o):
        say(f"{name}: {way}")
        made = film(scene, style, settings, how, out / f"{name}-{way}".replace(" ", "-"))
        unsteady = made.unsteadiness(scene)
        later = zip(made.losses[1:], alone.losses[1:], strict=True)
        yield [
            f"{name}: film, {way}",
            f"{unsteady:.2e}",
            f"{unsteady / apart:.3f}",
            _seam(made, scene, apart),
            f"{fmean(one / other for one, other in later):.3f}",
            f"{made.seconds / alone.seconds:.3f}",
        ]


def _seam(painted: Painted, scene: Scene, apart: float) -> str:
    """E_warp of the seam in parts of the stills' mean."""
    at_seam = painted.at_seam(scene)
    return "" if at_seam is None else f"{at_seam / apart:.3f}"


def repeated(style: str, o: argparse.Namespace, out: Path) -> Iterator[list[str]]:
    """Table rows of a photograph that is repeated, some of its frames."""
    size = o.size, round(o.size * 0.75) // 2 * 2
    frame = next(ground("chelsea", size, 1))
    scene = Scene([frame] * o.still, [], [])
    settings = Settings.of(o.recipe, size=size, supersample_below=0, encoder=o.encoder)
    for way, how in ways(o):
        made = film(scene, style, settings, how, out / way.replace(" ", "-"))
        tenth = made.canvases[min(10, o.still - 1)]
        for index in sorted(
            {*range(1, 11), *range(20, o.still, 10), o.still - 1} & {*range(o.still)}
        ):
            now, before = made.canvases[index], made.canvases[index - 1]
            drift = 255 * float((now.mean((1, 2)) - tenth.mean((1, 2))).abs().max())
            away, moving = (255 * float((now - x).square().mean().sqrt()) for x in (tenth, before))
            yield [f"{way}: frame {index}", *(f"{x:.3f}" for x in (drift, away, moving))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--recipe", default="standard")
    parser.add_argument("--style", default="sample:waves")
    parser.add_argument("--steadiness", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=["pan", "disc"])
    parser.add_argument("--every", type=int, nargs="+", default=[1])
    parser.add_argument("--between", type=int, nargs="+", default=[0])
    parser.add_argument("--loop", action="store_true", help="paint loops too")
    parser.add_argument("--still", type=int, metavar="N", help="repeat a photograph N times")
    parser.add_argument("--encoder", default="vgg19", help="of the repeated photograph")
    parser.add_argument("--out", type=Path, help="keep the frames there")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, tuned_malloc((o.size, o.size)):
        out = o.out or Path(temporary)
        if o.still:
            names = ["", "drift of the mean", "rms from the tenth", "rms from the last"]
            lines = list(repeated(o.style, o, out))
        else:
            names = ["", "E_warp", "of stills", "seam", "loss", "seconds a frame"]
            lines = [row for name in o.scenes for row in rows(name, o.style, o, out)]
    print(heading("Films against stills", f"{o.size} px, {o.frames} frames, recipe {o.recipe}"))
    print(table(names, lines))


if __name__ == "__main__":
    main()
