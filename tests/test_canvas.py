"""The first canvas, the next scale's, and the picture that a canvas becomes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import random_image, smooth_picture
from impasto.errors import SettingsError
from impasto.images.colour_transfer import recoloured
from impasto.images.spaces import SPACES, SRGB
from impasto.run.canvas import enlarged, initial_canvas
from impasto.run.postprocess import TONES
from impasto.run.regions import Region, StylePart
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings

PLAIN = Settings.of(detail=0)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_noise_lies_around_mid_grey_with_the_spread_asked_for(space):
    pair = StageInputs((200, 150), None)
    for noise, spread in (("normal", 0.3), ("uniform", 0.3 / 3**0.5)):
        chosen = Settings.of(init="noise", noise=noise, noise_scale=0.3, space=space.name)
        canvas = initial_canvas(pair, chosen, space)
        assert canvas.shape == (3, 150, 200)
        assert canvas.std() == pytest.approx(spread, rel=0.02)
        grey = 0.5 if space == SRGB else 0.0
        assert canvas.mean() == pytest.approx(grey, abs=0.005)


@pytest.mark.parametrize("init", ["content", "recoloured"])
def test_an_init_that_needs_a_photograph_says_so(init):
    pair = StageInputs((8, 8), None, (random_image(8, 8),))
    with pytest.raises(SettingsError, match=f"init is '{init}', but there is no content picture"):
        initial_canvas(pair, Settings.of(init=init), SRGB)


def test_style_is_stretched_to_the_canvas():
    pair = StageInputs((20, 30), None, (smooth_picture(40, 40).pixels,))
    canvas = initial_canvas(pair, Settings.of(init="style"), SRGB)
    assert canvas.shape == (3, 30, 20)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_enlarged_shows_the_same_picture(space):
    small = smooth_picture(40, 30).pixels.double()
    large = enlarged(space.from_srgb(small), StageInputs((80, 60), None), PLAIN, space)
    back = enlarged(large, StageInputs((40, 30), None), PLAIN, space)
    assert large.shape == (3, 60, 80)
    assert (space.to_srgb(back) - small).abs().mean() < 0.02


def test_enlarged_drops_what_no_screen_shows():
    canvas = torch.full((3, 4, 4), 7.0)
    large = enlarged(canvas, StageInputs((8, 8), None), PLAIN, SRGB)
    torch.testing.assert_close(large, torch.ones(3, 8, 8))


@pytest.mark.parametrize("init", ["content", "recoloured"])
def test_enlarged_takes_up_detail(init):
    """The smaller photograph, enlarged with all of its detail, is the larger one."""
    photograph, style = random_image(60, 80) * 0.5 + 0.25, random_image(40, 50, 1) * 0.9
    pair = StageInputs((80, 60), photograph, (style,), (Region((StylePart(0, 1.0),)),))
    coloured = recoloured(photograph, style) if init == "recoloured" else photograph
    small = enlarged(coloured, StageInputs((40, 30), None), PLAIN, SRGB)
    errors = [
        (enlarged(small, pair, PLAIN.replaced(detail=part, init=init), SRGB) - coloured)
        .square().mean().sqrt().item()
        for part in (0, 0.5, 1)
    ]  # fmt: skip
    assert errors[0] > 0.05
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)
    assert errors[2] < 0.01


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_stretched_tones_fill_the_range_whatever_the_canvas(low, spread):
    rgb = low + spread * random_image(5, 7)
    shown = TONES["stretch"](rgb)
    assert (shown.min(), shown.max()) == (0, 1)
    order = rgb.flatten().argsort()
    assert (shown.flatten()[order].diff() >= 0).all()


def test_stretching_is_joint_over_the_channels():
    rgb = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
    assert TONES["stretch"](rgb).flatten().tolist() == pytest.approx([0, 0.5, 1])
    assert torch.equal(
        TONES["stretch"](rgb.mean() * torch.ones(3, 2, 2)), torch.full((3, 2, 2), 0.5)
    )


def test_clipped_tones():
    rgb = torch.tensor([-1.0, 0.25, 3.0]).view(3, 1, 1)
    assert TONES["clip"](rgb).flatten().tolist() == [0, 0.25, 1]
