"""The legibility term: its formula, where it acts, and what it does to lettering."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import impasto
from conftest import random_image
from impasto.apps.cli import main
from impasto.errors import SettingsError
from impasto.hardware.memory_model import Demand
from impasto.images import Picture
from impasto.images.morphology import dilated, eroded
from impasto.images.spaces import SPACES
from impasto.objective.terms import LegibilityTerm, legibility
from impasto.objective.terms.legibility import thin_parts
from impasto.objective.tiles import Tiling
from impasto.run import Run
from impasto.settings import Settings

LUMA = torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64).view(3, 1, 1)
QUICK = {"size": 64, "precision": "fp32", "threads": 1, "encoder": "tiny", "scales": "1"}


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 7, 11]))
def test_windows_by_rows_and_columns_are_square(height, width, window):
    plane = random_image(height, width)[0]
    square = torch.nn.functional.max_pool2d(plane[None], window, 1, window // 2)[0]
    assert torch.equal(dilated(plane, window), square)
    assert torch.equal(eroded(1 - plane, window), -dilated(plane - 1, window))


def light(picture):
    return (LUMA.to(picture) * picture).sum(0)


def lettered(width=64, height=48):
    """A grey wall with a dark edge, three light strokes and a dark one, 2 px wide."""
    picture = torch.full((3, height, width), 0.55)
    picture[:, :, 44:] = 0.2
    for left in (8, 14, 20):
        picture[:, 10:30, left : left + 2] = 0.95
    picture[:, 36:38, 8:30] = 0.1
    return Picture(picture)


# --- the formula ----------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("band", [2**20, 14, 1])
def test_it_is_its_formula(space, band, monkeypatch):
    """w Σ m (Δ(L - P) / 0.1)² / (h·w), by autograd, in bands of any height."""
    monkeypatch.setattr(legibility, "_BAND", band)
    photograph, space = random_image(9, 7, 1), SPACES[space]
    canvas = space.from_srgb(random_image(9, 7, 2)).requires_grad_()
    apart, where = light(space.to_srgb(canvas)) - light(photograph), thin_parts(light(photograph))
    down = (where[:-1] * (apart[1:] - apart[:-1]) ** 2).sum()
    across = (where[:, :-1] * (apart[:, 1:] - apart[:, :-1]) ** 2).sum()
    expected = 3.0 * 100 * (down + across) / (9 * 7)
    expected.backward()
    gradient = torch.ones_like(canvas)
    value = LegibilityTerm(photograph, 3.0, space).add(canvas.detach(), gradient)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient - 1, canvas.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("space", SPACES)
def test_lightness_as_a_whole_and_hue_are_free(space):
    """A canvas that is darker everywhere, and of other colours, has the same steps."""
    photograph, space = lettered().pixels.double(), SPACES[space]
    tint = torch.tensor([0.7152, -0.2126, 0.0], dtype=torch.float64).view(3, 1, 1)
    canvas = space.from_srgb(photograph - 0.2 + 0.1 * tint * random_image(48, 64)[:1])
    gradient = torch.zeros_like(canvas)
    value = LegibilityTerm(photograph, 1.0, space).add(canvas, gradient)
    assert value < 1e-20
    assert gradient.abs().max() < 1e-12


@given(height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 3))
def test_any_size(height, width, seed):
    photograph, canvas = random_image(height, width, seed), random_image(height, width, seed + 9)
    where, gradient = thin_parts(light(photograph)), torch.zeros_like(canvas)
    value = LegibilityTerm(photograph, 1.0, SPACES["srgb"]).add(canvas, gradient)
    assert where.shape == (height, width)
    assert ((where >= 0) & (where <= 1)).all()
    assert torch.isfinite(value)
    assert value >= 0
    assert torch.isfinite(gradient).all()
    assert abs(float(gradient.sum())) < 1e-6 * (1 + float(gradient.abs().sum()))


# --- where it acts --------------------------------------------------------------------------------


def test_thin_things_count_and_edges_do_not():
    where = thin_parts(light(lettered(320, 240).pixels))
    assert where[20, 9] > 0.7
    assert where[37, 20] > 0.7
    assert where[120, 44] == 0
    assert where[120, 160] == 0
    assert not thin_parts(torch.full((30, 40), 0.3)).any()


def test_dark_and_light_count_alike():
    plane = light(random_image(40, 60))
    torch.testing.assert_close(thin_parts(1 - plane), thin_parts(plane), rtol=0, atol=1e-12)


def test_faint_things_count_less():
    bold, faint = (thin_parts(0.5 + c * (light(lettered().pixels) - 0.5)) for c in (1, 0.2))
    assert faint[20, 9] < 0.4 * bold[20, 9]


def test_top_hats_are_opencvs():
    plane = light(random_image(200, 320, dtype=torch.float32)).numpy()
    box = np.ones((5, 5), np.uint8)  # 1/80 of 320 px is 4, and the next odd number 5
    hats = [cv2.morphologyEx(plane, how, box) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)]
    thin = np.maximum(*hats) ** 2
    thin = cv2.dilate(thin / (thin + 0.25**2), box)
    expected = cv2.blur(thin, (5, 5), borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(thin_parts(torch.from_numpy(plane)).numpy(), expected, atol=1e-5)


# --- in a run -------------------------------------------------------------------------------------


def correlation(picture, photograph, where):
    """Of the steps of lightness across, where the photograph has strokes."""
    mine, theirs = (light(x)[where].diff(dim=1) for x in (picture, photograph))
    return float((mine * theirs).sum() / (mine.norm() * theirs.norm()))


@pytest.mark.parametrize("scales", ["1", "0.6,1"])
@pytest.mark.parametrize("tile", ["off", "32"])
def test_lettering_stays(scales, tile, painting):
    """From noise, of which nothing but this term makes letters."""
    how = {**QUICK, "scales": scales, "tile": tile, "init": "noise", "noise_scale": 30}
    how |= {"content_weight": 0, "style_weight": 1, "iterations": 12, "detail": 0}
    how |= {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"}
    strokes, found = (slice(10, 30), slice(6, 24)), {}
    for weight in (0, 10):
        result = impasto.stylize(lettered(), painting, **how, legibility=weight)
        found[weight] = correlation(result.image.pixels, lettered().pixels, strokes)
    assert found[0] < 0.5
    assert found[10] > 0.9


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"colour": "keep", "colour_method": "luminance"},
        {"space": "imagenet", "optimiser": "adam", "learning_rate": 0.1},
        {"weighting": "absolute"},
    ],
)
def test_it_is_a_term_of_steps(more, painting):
    settings = Settings.of(**{**QUICK, "init": "style", "iterations": 6, "legibility": 10, **more})
    first, *_, last = Run(lettered(), painting, settings)
    assert [*first.terms] == ["content", "style", "variation", "legibility"]
    assert last.terms["legibility"] < first.terms["legibility"]
    assert last.line()["legibility"] == last.terms["legibility"]


def test_it_alone_is_something_to_minimise(painting):
    how = {"content_weight": 0, "style_weight": 0, "tv_weight": 0, "legibility": 10}
    run = Run(lettered(), painting, Settings.of(**{**QUICK, **how, "init": "style"}))
    first, *_, last = run
    assert last.loss < 0.1 * first.loss


def test_without_weight_there_is_no_such_term(painting):
    settings = Settings.of(**{**QUICK, "iterations": 0})
    (step,) = Run(lettered(), painting, settings)
    assert [*step.terms] == ["content", "style", "variation"]


def test_protected_pixels_stay_beside_it(painting):
    protect = np.zeros((48, 64), np.float32)
    protect[:, :32] = 1
    settings = Settings.of(**{**QUICK, "iterations": 3, "legibility": 10})
    run = Run(lettered(), painting, settings, protect=protect)
    *_, last = run
    torch.testing.assert_close(last.picture().pixels[..., :31], lettered().pixels[..., :31])


def test_it_takes_a_photograph(painting, tmp_path, monkeypatch, capsys):
    settings = Settings.of("texture", **{**QUICK, "legibility": 1})
    with pytest.raises(SettingsError, match="legibility term has a weight, but there is no cont"):
        next(iter(Run(None, painting, settings)))
    painting.save(tmp_path / "p.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["texture", "p.png", "--legibility", "1", "-o", "o.png"])
    assert "legibility term has a weight" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("wrong", [-1, float("nan"), "much"])
def test_wrong_weights_are_refused(wrong):
    with pytest.raises(SettingsError, match="legibility is"):
        Settings.of(legibility=wrong)


def test_the_memory_plan_has_a_place_for_it():
    size, device = (700, 500), torch.device("cpu")
    peaks = [
        Demand(Settings.of(legibility=w), size, size, torch.float32, device, 0).peak(Tiling(), 5)
        for w in (0, 1)
    ]
    planes = 2 * 4 * size[0] * size[1]  # lightness and map, float32
    assert planes <= peaks[1] - peaks[0] <= 2 * planes
