"""The clips of the film benchmark: motion as it is said, and shots as they are."""

import sys
from pathlib import Path

import numpy as np
import pytest

from impasto.apps.film.shots import shots
from impasto.apps.film.warp import warped

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import film_scenes as scenes

SIZE, FRAMES = (96, 72), 8
LIGHT = {"fade": 40, "exposure": 8, "noise": 8}  # levels by which frames differ beside motion


@pytest.fixture(scope="module", params=scenes.SCENES)
def scene(request):
    return request.param, scenes.SCENES[request.param](SIZE, FRAMES)


def test_frames_are_the_ones_before_moved(scene):
    name, made = scene
    for n, (flow, shown) in enumerate(zip(made.flows, made.shown, strict=True), 1):
        if flow is None:
            continue
        assert shown.mean() > 0.5
        moved = warped(made.frames[n - 1].astype(np.float32), flow)
        off = np.abs(made.frames[n] - moved).mean(-1)[shown]
        assert np.median(off) < LIGHT.get(name, 2)


def test_every_cut_is_found_and_no_other(scene):
    _, made = scene
    assert tuple(seen.index for seen in shots(made.frames) if seen.begins) == made.starts


def test_ages_count_from_where_a_place_comes_into_sight():
    found = list(scenes.ages(scenes.SCENES["pan"](SIZE, 3)))
    right, down = scenes.STEP
    assert (found[0] == scenes.SETTLED).all()
    assert (found[2][:down] == 0).all()
    assert (found[2][:, :right] == 0).all()
    assert (found[2][down : 2 * down, 2 * right :] == 1).all()
    assert (found[2][2 * down :, 2 * right :] > scenes.SETTLED).all()
