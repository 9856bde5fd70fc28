"""Finishes: laws of light and grain, for pictures of any size."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import random_image, smooth_picture
from impasto.images import resize
from impasto.images.effects import grain, light
from impasto.images.effects import relief as relief_module
from impasto.images.effects.base import applied, needs_content
from impasto.settings.variants import EFFECTS

LIGHTING = ["relief", "grain"]


def lightness(picture):
    return 0.2126 * picture[0] + 0.7152 * picture[1] + 0.0722 * picture[2]


def strokes(width=96, height=72):
    """Slanted strokes of several colours, some faint."""
    y, x = torch.meshgrid(torch.arange(height) / width, torch.arange(width) / width, indexing="ij")
    waves = [torch.sin(200 * (x + 0.6 * y) + 3 * torch.cos(9 * y) + c) for c in range(3)]
    return 0.5 + 0.3 * torch.stack(waves) * x


def correlation(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]


@settings(max_examples=80)
@given(
    name=st.sampled_from(LIGHTING),
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    strength=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_laws_for_any_size(name, height, width, strength, seed):
    picture = random_image(height, width, seed, torch.float32)
    before = picture.clone()
    found = EFFECTS.get(name)(picture, strength)
    assert found.shape == picture.shape
    assert found.dtype == picture.dtype
    assert ((found >= 0) & (found <= 1)).all()
    assert torch.equal(picture, before)
    assert torch.equal(found, EFFECTS.get(name)(picture, strength))
    assert abs(lightness(found).mean() - lightness(picture).mean()) < 0.01


@pytest.mark.parametrize("name", EFFECTS.names())
def test_no_strength_no_change(name):
    content = random_image(72, 96, dtype=torch.float32)
    assert torch.equal(applied(EFFECTS.get(name), strokes(), 0, content), strokes())


@pytest.mark.parametrize("name", EFFECTS.names())
def test_content_is_for_those_who_need_it(name):
    """Others look the same beside any content, and one that needs it is none without."""
    effect, content = EFFECTS.get(name), random_image(72, 96, dtype=torch.float32)
    beside, alone = (applied(effect, strokes(), 1, other) for other in (content, None))
    assert torch.equal(beside, alone) == (not needs_content(effect))
    assert torch.equal(alone, strokes()) == (name not in LIGHTING)


def test_none_changes_nothing():
    assert torch.equal(EFFECTS.get("none")(strokes(), 1), strokes())


@pytest.mark.parametrize("name", LIGHTING)
def test_mean_lightness_is_kept(name):
    change = lightness(EFFECTS.get(name)(strokes(), 1) - strokes())
    assert change.abs().max() > 0.05
    assert abs(change.mean()) < 1e-5


@pytest.mark.parametrize("name", LIGHTING)
def test_hue_and_saturation_are_kept(name):
    picture, found = strokes(), EFFECTS.get(name)(strokes(), 1)
    torch.testing.assert_close(found * picture.roll(1, 0), found.roll(1, 0) * picture)


@pytest.mark.parametrize("name", LIGHTING)
def test_half_the_strength_is_half_the_change(name):
    half, whole = (EFFECTS.get(name)(strokes(), strength) - strokes() for strength in (0.5, 1))
    torch.testing.assert_close(2 * half, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", LIGHTING)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_stay(name, value):
    picture = torch.full((3, 20, 30), value)
    assert torch.equal(EFFECTS.get(name)(picture, 1), picture)


@pytest.mark.parametrize("colour", [(0.5, 0.5, 0.5), (0.1, 0.6, 0.3)])
def test_flat_paint_has_no_relief(colour):
    picture = torch.tensor(colour)[:, None, None].repeat(1, 40, 50)
    torch.testing.assert_close(EFFECTS.get("relief")(picture, 1), picture, atol=1e-6, rtol=0)


def grid(side):
    """Rows and columns counted from the middle of a square, (side, side) each."""
    places = torch.arange(float(side)) - side // 2
    return torch.meshgrid(places, places, indexing="ij")


def test_relief_is_lit_from_the_upper_left():
    y, x = grid(401)
    dab = (0.4 + 0.3 * torch.exp(-(x * x + y * y) / 18)).expand(3, -1, -1)
    change = (EFFECTS.get("relief")(dab, 1) - dab)[0]
    assert change[197, 197] > 0.02
    assert change[203, 203] < -0.02
    torch.testing.assert_close(change, change.T, atol=1e-5, rtol=0)


def test_relief_is_combed_along_strokes(monkeypatch):
    """Specks that cross the strokes are levelled; the strokes stay."""
    y, x = grid(400)
    strokes = 0.5 + 0.1 * torch.sin(x + y / 2)
    specks = 0.1 * torch.randn(400, 400, generator=torch.Generator().manual_seed(0))
    plain, specked = (plane.expand(3, -1, -1) for plane in (strokes, strokes + specks))

    def likeness():
        changes = [EFFECTS.get("relief")(picture, 1) - picture for picture in (plain, specked)]
        return correlation(*changes)

    combed = likeness()
    monkeypatch.setattr(relief_module, "_combed", lambda height, *_: height)
    assert 1 - combed < (1 - likeness()) / 2


@pytest.mark.parametrize("sheet", [2048, 96])
def test_relief_looks_alike_at_any_size(monkeypatch, sheet):
    monkeypatch.setattr(light, "_LARGEST", sheet)
    small = smooth_picture(160, 120)
    large = resize(small, (480, 360))
    changes = [EFFECTS.get("relief")(p.pixels, 1) - p.pixels for p in (small, large)]
    shrunk = torch.nn.functional.interpolate(changes[1][None], (120, 160), mode="area")[0]
    assert correlation(changes[0], shrunk) > 0.95
    assert 0.8 < shrunk.std() / changes[0].std() < 1.25


def test_grain_is_fine_and_strongest_in_the_middle():
    tones = [torch.full((3, 64, 64), value) for value in (0.05, 0.5, 0.97)]
    dark, middle, light = (EFFECTS.get("grain")(tone, 1) - tone for tone in tones)
    assert middle.std() > 3 * max(dark.std(), light.std())
    assert torch.equal(middle[0], middle[1])
    assert 0.1 < correlation(middle[0, :, 1:], middle[0, :, :-1]) < 0.5
    assert abs(correlation(middle[0, :, 4:], middle[0, :, :-4])) < 0.05


def test_grain_grows_with_the_picture(monkeypatch):
    monkeypatch.setattr(light, "_LARGEST", 64)
    monkeypatch.setattr(grain, "_GRAIN", 1 / 64)
    tone = torch.full((3, 64, 256), 0.5)
    change = (EFFECTS.get("grain")(tone, 1) - tone)[0]
    assert correlation(change[:, 2:], change[:, :-2]) > 0.8
    assert 0.02 < change.std() < 0.1
