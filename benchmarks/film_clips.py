"""Clips that are files: scenes whose motion another estimator tells, and films that are timed.

scene = scene_of(Path("clip.mp4"), 192, first=199, frames=8)
rows = timed(10, "sample:waves", Settings.of(size=512), FilmSettings(), folder)
rows = grown(1000, "sample:waves", Settings.of(size=64), FilmSettings(), folder)
"""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

import impasto
from film_painting import picture_of
from film_scenes import Flow, Scene, stroll
from impasto import FilmRun, Settings
from impasto.apps.film.clip import Clip
from impasto.apps.film.reliability import confidence
from impasto.apps.film.shots import shots
from impasto.images import resize
from impasto.settings import FilmSettings
from memory import resident
from support import clips

__all__ = ["grown", "scene_of", "timed"]

FPS = 25


def scene_of(file: Path, longest: int, first: int, frames: int) -> Scene:
    """Frames of a clip at a size, their motion by DeepFlow, where that explains the frame.

    Where flows of both directions agree and colours differ, nothing is judged: DeepFlow takes a leg
    in motion blur for a thing that stands still, and finds it in both directions.

    SystemExit without OpenCV's contributed modules.
    """
    if not hasattr(cv2, "optflow"):
        raise SystemExit("--clips judges by DeepFlow; see --help for what to install")
    clip = Clip.open(file)
    scale = longest / max(clip.size)
    size = tuple(max(2, 2 * round(side * scale / 2)) for side in clip.size)
    levels = [frame.pixels for frame in clip.frames(first, first + frames)]
    small = [resize(picture_of(each), size).levels(8) for each in levels]
    begins = [seen.begins for seen in shots(small)][1:]
    flows: list[Flow | None] = []
    shown = []
    for (before, now), cut in zip(pairwise(small), begins, strict=True):
        back, forth = deep_flow(now, before), deep_flow(before, now)
        flows.append(None if cut else back)
        shown.append(confidence(now, before, back, forth) > 0.5)
    return Scene(small, flows, shown)


def deep_flow(one: np.ndarray, other: np.ndarray) -> Flow:
    """Flow (h, w, 2) from one frame to another (Weinzaepfel et al. 2013)."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
    return cv2.optflow.createOptFlow_DeepFlow().calc(*grey, None).astype(np.float32)


def timed(
    seconds: float, style: str, settings: Settings, how: FilmSettings, folder: Path
) -> list[list[str]]:
    """Table rows of a clip that is painted from file to file: wall and processor seconds.

    A still of one of its frames is painted before and after, with all that a still loads.
    """
    longest, count = settings.size, round(seconds * FPS)
    scene = stroll((longest, round(longest * 0.75) // 2 * 2), count)
    clip = clips.write(folder / "clip.mp4", np.stack(scene.frames), crf="12")
    middle = picture_of(scene.frames[count // 2])

    def still() -> None:
        *_, _ = impasto.Run(middle, style, settings)

    run = FilmRun(clip, style, folder / "painted.mp4", settings, how)
    before = _taken(still)
    began = _clocks()
    ends = [_clocks() for _ in run]
    run.write()
    whole, after = _clocks() - began, _taken(still)
    one = (before + after) / 2
    later = (ends[-1] - ends[0]) / max(1, count - 1)
    named = {
        "a still of it": one,
        "its first frame": ends[0] - began,
        "a later frame, mean": later,
        f"all {count} frames, and the file": whole,
    }
    return [
        [name, *(f"{value:.2f}" for value in taken), f"1/{one[1] / taken[1]:.1f}"]
        for name, taken in named.items()
    ]


def grown(
    count: int, style: str, settings: Settings, how: FilmSettings, folder: Path
) -> list[list[str]]:
    """Table rows of the memory that the process has after some of a film's frames, MB."""
    size = settings.size, round(settings.size * 0.75) // 2 * 2
    clip = clips.write(folder / "clip.mp4", np.stack(stroll(size, count).frames), crf="12")
    run = FilmRun(clip, style, folder / "painted.mp4", settings, how)
    held = [resident("self", "VmRSS") for _ in run]
    run.write()
    told = sorted({min(50, count), count // 2, count})
    return [[f"after frame {n}", f"{held[n - 1]:,.0f}"] for n in told]


def _clocks() -> np.ndarray:
    """Wall and processor seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def _taken(work: Callable[[], object]) -> np.ndarray:
    began = _clocks()
    work()
    return _clocks() - began
