"""Colours kept, matched and taken away: laws, published values, and scikit-image's ΔE."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import random_image, smooth_picture
from impasto.images import read, resize, samples
from impasto.images.colour_transfer import (
    Palette,
    histogram_matched,
    luminance,
    matched_lightness,
    recoloured,
    with_colours_of,
)
from impasto.images.effects.base import applied
from impasto.images.oklab import from_oklab, to_oklab
from impasto.settings.variants import EFFECTS
from support.colours import colour_error, quantiles
from support.devices import pretended_device

sides = st.integers(1, 9)


def grey_picture(*levels):
    return torch.tensor(levels, dtype=torch.float64).expand(3, 1, len(levels)).contiguous()


def sample(name, size=(96, 80)):
    return resize(read(samples.sample(name)), size).pixels


@given(sides, sides, st.integers(0, 9))
def test_oklab_inverts(height, width, seed):
    rgb = random_image(height, width, seed)
    torch.testing.assert_close(from_oklab(to_oklab(rgb)), rgb, rtol=0, atol=1e-12)
    lab = random_image(height, width, seed) - torch.tensor([0.0, 0.5, 0.5]).view(3, 1, 1)
    torch.testing.assert_close(to_oklab(from_oklab(lab)), lab, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # CSS Color 4 and Ottosson's own code
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_of_published_colours(rgb, lab):
    picture = torch.tensor(rgb, dtype=torch.float32).view(3, 1, 1)
    assert to_oklab(picture).flatten().tolist() == pytest.approx(lab, abs=1e-5)


@given(sides, sides, st.floats(0, 1))
def test_lightness_is_the_paintings(height, width, strength):
    """To 0.08 where sRGB lacks the colour as light, and else to rounding."""
    painted, content = random_image(height, width, 1), random_image(height, width, 2)
    kept = with_colours_of(painted, content, strength)
    assert kept.min() >= 0
    assert kept.max() <= 1
    own, goal = to_oklab(painted), to_oklab(content)
    moved = (to_oklab(kept) - own)[0]
    assert moved.abs().max() < 0.08 + 1e-6
    assert (moved * (goal - own)[0]).min() > -1e-6  # towards the photograph's
    wanted = from_oklab(torch.cat([own[:1], own[1:].lerp(goal[1:], strength)]))
    fits = (wanted.amin(0) >= 0) & (wanted.amax(0) <= 1)
    assert torch.where(fits, moved.abs(), 0).max() < 1e-3


def test_strength_is_how_far_the_colours_move():
    painted, content = 0.5 + 0.2 * random_image(9, 7, 1), 0.5 + 0.2 * random_image(9, 7, 2)
    start, goal = to_oklab(painted)[1:], to_oklab(content)[1:]
    for strength in (0.25, 1.0):
        moved = to_oklab(with_colours_of(painted, content, strength))[1:]
        torch.testing.assert_close(moved, start.lerp(goal, strength), rtol=0, atol=1e-6)
    assert torch.equal(with_colours_of(painted, content, 0), painted)
    torch.testing.assert_close(with_colours_of(painted, painted), painted, rtol=0, atol=1e-6)


def test_what_srgb_lacks_keeps_its_hue_and_as_much_chroma_as_there_is():
    """Red at nearly black and nearly white: on the gamut's border, on the line of red's hue."""
    painted = grey_picture(0.02, 0.3, 0.97)
    red = torch.tensor([1.0, 0, 0], dtype=torch.float64).view(3, 1, 1).expand(3, 1, 3)
    kept = with_colours_of(painted, red)
    hue, goal = (torch.atan2(x[2], x[1]) for x in map(to_oklab, (kept, red)))
    torch.testing.assert_close(hue, goal, rtol=0, atol=1e-3)
    assert (torch.minimum(kept.amin(0), 1 - kept.amax(0)) < 1e-3).all()
    assert (to_oklab(kept)[1:].square().sum(0).sqrt() > 0.01).all()


def test_a_grey_photograph_takes_colours_away():
    painted, grey = random_image(9, 7), luminance(random_image(9, 7, 1))
    torch.testing.assert_close(
        with_colours_of(painted, grey), luminance(painted), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("photo", "style"), [("astronaut", "swirl"), ("chelsea", "glass")])
def test_colours_are_the_photographs(photo, style):
    """As in a painting, lightness is the style's in part, and colours are all its own."""
    content = sample(photo)
    painted = recoloured(content, sample(style)).clamp(0, 1).lerp(sample(style), 0.3)
    assert colour_error(painted, content) > 10
    assert colour_error(with_colours_of(painted, content), content) < 2


@given(sides, sides)
def test_luminance_is_grey_and_as_light(height, width):
    rgb = random_image(height, width)
    grey = luminance(rgb)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    torch.testing.assert_close(to_oklab(grey)[0], to_oklab(rgb)[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(luminance(grey), grey, rtol=0, atol=1e-6)


def test_matched_lightness_has_contents_mean_and_deviation():
    style, content = random_image(20, 30), 0.4 + 0.2 * random_image(12, 15, 1)
    matched, goal = matched_lightness(style, content), luminance(content)
    assert matched.shape == style.shape
    assert matched.mean().item() == pytest.approx(goal.mean().item(), abs=1e-6)
    assert matched[0].std(correction=0).item() == pytest.approx(
        goal[0].std(correction=0).item(), rel=1e-6
    )
    torch.testing.assert_close(matched_lightness(style, style), luminance(style))


@given(sides, sides)
def test_matched_lightness_of_a_flat_or_tiny_style(height, width):
    content = random_image(8, 9)
    matched = matched_lightness(torch.full((3, height, width), 0.3), content)
    goal = luminance(content).mean().float().expand_as(matched)
    torch.testing.assert_close(matched, goal, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "goal"), [("astronaut", "swirl"), ("coffee", "ink")])
def test_histogram_matched_has_the_goals_distribution(name, goal):
    picture, goal = sample(name), sample(goal, (70, 90))
    matched = histogram_matched(picture, goal)
    assert matched.shape == picture.shape
    assert (quantiles(matched) - quantiles(goal)).abs().mean() < 0.003
    for seed in range(5):  # and along axes that were not matched
        axes = torch.linalg.qr(random_image(3, 1, seed).squeeze(2) - 0.5).Q
        assert (quantiles(matched, axes) - quantiles(goal, axes)).abs().mean() < 0.01
    assert torch.equal(matched, histogram_matched(picture, goal))


@given(sides, sides, st.integers(1, 4))
def test_histogram_matched_with_itself_is_itself(height, width, turns):
    for picture in (random_image(height, width), smooth_picture(width, height).pixels):
        matched = histogram_matched(picture, picture, turns)
        assert matched.dtype == picture.dtype
        torch.testing.assert_close(matched, picture, rtol=0, atol=1e-5)


def test_histogram_matched_keeps_equal_colours_equal():
    """Flat regions stay flat, whatever part of the picture they are."""
    picture = sample("rocket")
    picture[:, :40, :50] = torch.tensor([0.1, 0.6, 0.3]).view(3, 1, 1)
    patch = histogram_matched(picture, sample("dots"))[:, :40, :50].flatten(1)
    assert (patch.amax(1) - patch.amin(1)).max() < 1e-6


@given(sides, sides)
def test_histogram_matched_of_a_flat_picture_is_flat(height, width):
    matched = histogram_matched(torch.full((3, height, width), 0.3), random_image(6, 5))
    assert torch.isfinite(matched).all()
    assert (matched.amax((1, 2)) - matched.amin((1, 2))).max() < 1e-6


def test_strips_change_nothing(monkeypatch):
    """Pictures larger than a strip, whatever their layout."""
    painted, content = (smooth_picture(40, 30, phase).pixels for phase in (0, 1))
    turned = painted.flip(2).mT.contiguous().mT.flip(2)  # the same values, columns first
    functions = [with_colours_of, matched_lightness, histogram_matched, recoloured]
    whole = [function(painted, content) for function in functions]
    monkeypatch.setattr("impasto.images.colour_transfer._STRIP", 7)
    for function, expected in zip(functions, whole, strict=True):
        torch.testing.assert_close(function(turned, content), expected, rtol=0, atol=1e-6)


def on_both(function, *pictures):
    """Its results for pictures on the CPU, and on a device that has no float64."""
    with pytest.MonkeyPatch.context() as patch, pretended_device(patch) as device:
        there = function(*(picture.to(device) for picture in pictures))
        assert there.device == device
        return function(*pictures), there.cpu()


@pytest.mark.parametrize(
    "function",
    [
        with_colours_of,
        matched_lightness,
        histogram_matched,
        recoloured,
        lambda painted, _: luminance(painted),
        lambda painted, content: recoloured(painted, content, painted[0]),
        lambda painted, content: recoloured(painted, Palette.of(content, content[1])),
        *(
            lambda painted, content, name=name: applied(EFFECTS.get(name), painted, 0.7, content)
            for name in EFFECTS.names()
        ),
    ],
)
def test_a_device_without_float64_computes_the_same(function):
    painted, content = (smooth_picture(24, 20, phase).pixels for phase in (0, 1))
    here, there = on_both(function, painted, content)
    torch.testing.assert_close(there, here, rtol=0, atol=1e-6)


def test_a_palette_is_on_the_cpu():
    with pytest.MonkeyPatch.context() as patch, pretended_device(patch) as device:
        palette = Palette.of(smooth_picture(24, 20).pixels.to(device))
    assert palette.mean.device.type == palette.covariance.device.type == "cpu"
    assert palette.covariance.dtype == torch.float64


def test_pictures_recoloured_by_one_palette_are_mapped_alike():
    """A colour that two frames share stays one colour, whatever else is in them."""
    style, (first, second) = random_image(6, 7, 1), (random_image(5, 8, seed) for seed in (2, 3))
    second[:, 0, 0] = first[:, 0, 0]
    own = Palette.of(first)
    mapped = [recoloured(frame, style, own=own) for frame in (first, second)]
    torch.testing.assert_close(mapped[0], recoloured(first, style))
    torch.testing.assert_close(mapped[0][:, 0, 0], mapped[1][:, 0, 0])
