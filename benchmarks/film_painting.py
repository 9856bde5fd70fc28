"""A scene painted as stills that know nothing of each other, and as a film."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image

import impasto
from film_scenes import Scene
from impasto import Picture, Settings
from impasto.apps.film.clip import Clip
from impasto.apps.film.driver import Film
from impasto.apps.film.events import FrameDone
from impasto.apps.film.sources import Sources
from impasto.apps.film.work import Work
from impasto.objective import StyleCache
from impasto.settings import FilmSettings

__all__ = ["Painted", "film", "picture_of", "stills"]


@dataclass(frozen=True)
class Painted:
    """Canvases (3, h, w) of all frames, losses; iterations and processor seconds of later frames.

    Both are means of all frames but the first.
    """

    canvases: list[torch.Tensor]
    losses: list[float]
    iterations: float
    seconds: float


def stills(scene: Scene, style: str, settings: Settings) -> Painted:
    """Each frame by itself."""
    canvases, losses, counts, cache, taken = [], [], [], StyleCache(), []
    for frame in scene.frames:
        began = time.process_time()
        run = impasto.Run(picture_of(frame), style, settings, cache=cache)
        *_, last = run
        canvases.append(last.picture().pixels)
        losses.append(last.loss)
        counts.append(last.done)
        taken.append(time.process_time() - began)
    return Painted(canvases, losses, fmean(counts[1:]), fmean(taken[1:]))


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
    return Painted(canvases, losses, fmean(e.iterations for e in entries[1:]), taken)


def loss_of(canvas: torch.Tensor, frame: np.ndarray, style: str, settings: Settings) -> float:
    """What a still's loss is at a canvas."""
    settings = settings.replaced(scales=(1.0,), iterations=1)
    first: float = next(iter(impasto.Run(picture_of(frame), style, settings, init=canvas))).loss
    return first
