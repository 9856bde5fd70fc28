"""Photographs with nothing in them: no frame along the border of what is painted."""

import sys
from pathlib import Path

import pytest
import torch

import impasto
from impasto import Picture, Settings

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
import judge

SIDE = 128
TWICE = 2.0  # the first step from the border inwards, over the others


def one_colour(*rgb):
    return torch.tensor(rgb)[:, None, None].expand(3, SIDE, SIDE).clone()


def small_object():
    picture = one_colour(1.0, 1.0, 1.0)
    picture[:, 50:80, 50:80] = torch.tensor([0.8, 0.2, 0.1])[:, None, None]
    return picture


FLAT = {
    "white": one_colour(1.0, 1.0, 1.0),
    "black": one_colour(0.0, 0.0, 0.0),
    "blue": one_colour(0.0, 0.3, 0.6),
    "gradient": torch.linspace(0.3, 0.8, SIDE).expand(3, SIDE, SIDE).clone(),
    "object": small_object(),
}


def painted(photograph, **fields):
    settings = Settings.of(size=SIDE, supersample_below=0, iterations=24, **fields)
    run = impasto.Run(Picture(photograph), "sample:swirl", settings)
    for _ in run:
        pass
    return run.result().image.pixels


@pytest.mark.parametrize("name", FLAT)
def test_a_flat_photograph_gets_no_frame(name):
    picture = painted(FLAT[name])
    assert judge.border_colour(picture, FLAT[name]) < TWICE
    assert judge.border_detail(picture, FLAT[name]) < TWICE


def test_the_measure_sees_the_frame_of_another_padding():
    picture = painted(FLAT["gradient"], padding="replicate")
    assert judge.border_detail(picture, FLAT["gradient"]) > TWICE
