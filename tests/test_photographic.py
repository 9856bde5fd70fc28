"""The effect `photographic` and the recipe `photoreal`: a guided filter, and what it is for."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import impasto
from conftest import random_image, smooth_picture
from impasto.errors import SettingsError
from impasto.images import Picture, fit, resize
from impasto.images.effects.photographic import guided, photographic
from impasto.run import Run
from impasto.settings import Settings, recipe

QUICK = {"size": 48, "iterations": 3, "precision": "fp32", "threads": 1, "encoder": "tiny"}


def around(y, x, reach, height, width):
    """The window around a pixel, as far as it is within."""
    return np.s_[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]


def transcribed(picture, guide, reach, ridge):
    """The guided filter as it is published, pixel by pixel: (h, w, 3) twice."""
    height, width, _ = guide.shape
    slopes, offsets = np.empty((height, width, 3, 3)), np.empty((height, width, 3))
    for y, x in np.ndindex(height, width):
        window = around(y, x, reach, height, width)
        p, g = picture[window].reshape(-1, 3), guide[window].reshape(-1, 3)
        spread = np.cov(g.T, bias=True) + ridge * np.eye(3)
        shared = (p - p.mean(0)).T @ (g - g.mean(0)) / len(g)
        slopes[y, x] = shared @ np.linalg.inv(spread)
        offsets[y, x] = p.mean(0) - slopes[y, x] @ g.mean(0)
    found = np.empty_like(guide)
    for y, x in np.ndindex(height, width):
        window = around(y, x, reach, height, width)
        slope = slopes[window].reshape(-1, 3, 3).mean(0)
        found[y, x] = slope @ guide[y, x] + offsets[window].reshape(-1, 3).mean(0)
    return found


@pytest.mark.parametrize("reach", [1, 3])
def test_it_is_the_published_filter(reach, monkeypatch):
    monkeypatch.setattr(f"{photographic.__module__}._REACH", reach / 11)
    picture, guide = random_image(9, 11, 1), random_image(9, 11, 2)
    expected = transcribed(*(x.permute(1, 2, 0).numpy() for x in (picture, guide)), reach, 0.02**2)
    found = guided(picture, guide).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_a_linear_function_of_the_photograph_stays():
    """But for the ridge, which matters where the photograph is flat."""
    guide = smooth_picture(96, 72).pixels.double()
    mix = torch.tensor([[0.2, 0.5, 0.1], [0.0, 0.4, 0.3], [0.6, -0.3, 0.2]], dtype=torch.float64)
    picture = torch.einsum("ij,jhw->ihw", mix, guide) + 0.1
    torch.testing.assert_close(guided(picture, guide), picture, rtol=0, atol=0.01)
    plain = torch.full_like(guide, 0.3)
    torch.testing.assert_close(guided(plain, guide), plain)


def test_the_filter_is_linear_in_the_picture():
    one, other, guide = (random_image(20, 30, seed) for seed in (1, 2, 3))
    mixed = guided(0.3 * one + 2 * other, guide)
    torch.testing.assert_close(mixed, 0.3 * guided(one, guide) + 2 * guided(other, guide))


def test_strokes_go_and_edges_stay():
    """The photograph has two flat halves; the painting roughens them, and moves their edge."""
    guide = torch.full((3, 100, 150), 0.3)
    guide[:, :, 75:] = 0.8
    painted = torch.where(guide.roll(1, 2) > 0.5, 0.2, 0.7)
    painted = painted + 0.1 * (random_image(100, 150, 4, torch.float32) - 0.5)
    found = guided(painted, guide)
    inside = found[:, 10:-10, 10:60]
    assert inside.std() < 0.2 * painted[:, 10:-10, 10:60].std()
    steps = found[:, 20:80].diff(dim=2)[:, :, 40:110].abs().mean((0, 1))
    assert int(steps.argmax()) == 74 - 40
    assert steps.max() > 0.3
    assert steps[:28].max() < 0.02


@given(
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    strength=st.floats(0, 1),
    seed=st.integers(0, 5),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_laws_for_any_size(height, width, strength, seed, dtype):
    picture, content = (random_image(height, width, n, dtype) for n in (seed, seed + 7))
    before = picture.clone()
    found = photographic(picture, strength, content)
    assert found.shape == picture.shape
    assert found.dtype == dtype
    assert ((found >= 0) & (found <= 1)).all()
    assert torch.equal(picture, before)
    assert torch.equal(photographic(picture, 0, content), picture)


def test_a_print_looks_like_its_preview():
    """The functions are found at one size, and lengths are parts of the picture's."""
    large = [smooth_picture(1200, 900, phase) for phase in (0.0, 1.0)]
    small = [fit(picture, 400) for picture in large]
    print_, preview = (guided(*(picture.pixels for picture in pair)) for pair in (large, small))
    shrunk = resize(Picture(print_.clamp(0, 1)), (400, 300)).pixels
    assert (shrunk - preview.clamp(0, 1)).abs().mean() < 0.01


# --- in a run -------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"colour": "keep"}, {"scales": "0.7,1"}, {"tile": "off"}])
def test_the_result_is_filtered_by_the_photograph(more, photo, painting):
    plain = impasto.stylize(photo, painting, **QUICK, **more)
    found = impasto.stylize(photo, painting, **QUICK, **more, finish="photographic")
    assert [step.loss for step in found.steps] == [step.loss for step in plain.steps]
    expected = photographic(plain.image.pixels, 0.5, fit(photo, 48).pixels)
    torch.testing.assert_close(found.image.pixels, expected, rtol=0, atol=1e-6)


def test_protected_pixels_are_the_photographs(photo, painting):
    protect = np.zeros((40, 48), np.float32)
    protect[:20] = 1
    settings = Settings.of(**QUICK, finish="photographic", finish_strength=1)
    run = Run(photo, painting, settings, protect=protect)
    *_, last = run
    torch.testing.assert_close(last.picture().pixels[:, :19], photo.pixels[:, :19])


def test_steps_carry_what_they_need(photo, painting):
    """To a preview, and to another process."""
    settings = Settings.of(**QUICK, finish="photographic")
    *_, last = Run(photo, painting, settings)
    again = pickle.loads(pickle.dumps(last))
    assert torch.equal(again.picture().pixels, last.picture().pixels)
    assert last.preview(24).size == (24, 20)


@pytest.mark.usefixtures("as_users_have_it")
def test_a_small_result_is_filtered_before_it_is_shrunk(photo, painting):
    settings = Settings.of("photoreal", **{**QUICK, "size": 64, "iterations": 1})
    run = Run(photo, painting, settings)
    *_, last = run
    assert max(last.size) > 64
    assert run.result().image.size == (64, 53)


def test_it_takes_a_photograph(painting):
    settings = Settings.of("texture", **{**QUICK, "finish": "photographic"})
    with pytest.raises(SettingsError, match="'photographic', which takes a content picture"):
        Run(None, painting, settings)


def test_photoreal_is_photographic_and_of_standards_making():
    ours, standard = recipe("photoreal").settings, recipe("standard").settings
    assert (ours["finish"], ours["finish_strength"]) == ("photographic", 1.0)
    assert ours["content_weight"] > 4 * standard["content_weight"]
    own = {"content_weight", "content_layers", "style_layers", "iterations"}
    same = {*standard} - own
    assert {name: ours[name] for name in same} == {name: standard[name] for name in same}
