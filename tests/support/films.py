"""Films that are painted in a moment: four small frames by the tiny network."""

import numpy as np

import impasto
from impasto.apps.film.clip import Clip
from support import clips

SIDE = 32
QUICK = {"size": SIDE, "smallest": SIDE, "encoder": "tiny", "iterations": 3,
         "frame_iterations": 2, "open_iterations": 2, "least_iterations": 1}  # fmt: skip


def four_frames(folder):
    """The file of four frames, with a cut before the fourth."""
    size = (SIDE * 3 // 4, SIDE)
    parts = [clips.pan((1, 1), n, size, photo) for n, photo in ((3, "astronaut"), (1, "coffee"))]
    frames = clips.joined(*parts).frames
    return clips.write(folder / "clip.mkv", frames, codec="ffv1", pixels="bgr0")


def painted(clip, styles="sample:swirl", output="out.mkv", **overrides):
    return impasto.film(clip, styles, output, **{**QUICK, **overrides})


def levels_of(path):
    return np.stack([frame.pixels for frame in Clip.open(path).frames()])


def run_of(clip, styles="sample:swirl", output="out.mkv", **options):
    settings = {name: value for name, value in QUICK.items() if "_iter" not in name}
    following = {name: value for name, value in QUICK.items() if "_iter" in name}
    settings |= {name: options.pop(name) for name in ("style_weights",) if name in options}
    made = impasto.Settings.of(**settings), impasto.FilmSettings.of(**following)
    return impasto.FilmRun(clip, styles, output, *made, **options)
