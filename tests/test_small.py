"""Small results, painted larger and shrunk; flat photographs, which have no border to show."""

import pytest
import torch

import impasto
from conftest import smooth_picture
from impasto.images import Picture, resize
from impasto.images.spaces import SRGB
from impasto.run.inits import from_recoloured
from impasto.run.regions import Region, StylePart
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings

SMALL = {
    **{"recipe": "standard", "encoder": "tiny", "iterations": 3, "precision": "fp32"},
    **{"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1", "smallest": 64},
    "supersample_below": 64,
}


@pytest.mark.usefixtures("as_users_have_it")
def test_a_small_result_is_painted_larger_and_shrunk(photo, painting):
    run = impasto.Run(photo, painting, Settings.of(**SMALL, size=24))
    steps = list(run)
    assert {step.size for step in steps} == {(64, 53)}
    result = run.result().image
    assert result.size == run.inputs.size == (24, 20)
    assert run.picture(steps[-1]).size == (24, 20)
    expected = resize(steps[-1].picture(), (24, 20)).pixels
    torch.testing.assert_close(result.pixels, expected)


@pytest.mark.usefixtures("as_users_have_it")
def test_what_is_protected_is_the_photograph_at_the_results_size(photo, painting):
    protect = torch.zeros(40, 48)
    protect[:, :24] = 1
    run = impasto.Run(photo, painting, Settings.of(**SMALL, size=24), protect=protect)
    for _ in run:
        pass
    kept = resize(photo, (24, 20)).pixels[..., :11]
    torch.testing.assert_close(run.result().image.pixels[..., :11], kept)


@pytest.mark.usefixtures("as_users_have_it")
def test_alpha_has_the_results_size(photo, painting):
    clear = Picture(photo.pixels, torch.linspace(0, 1, 48).repeat(40, 1))
    result = impasto.stylize(clear, painting, **SMALL, size=24).image
    assert result.alpha.shape == (20, 24)


def first_canvas(content, strength=1.0):
    style = smooth_picture(60, 50, phase=2.0).pixels
    regions = (Region((StylePart(0, 1.0),)),)
    inputs = StageInputs((content.shape[2], content.shape[1]), content, (style,), regions)
    return from_recoloured(inputs, Settings.of(space="srgb", strength=strength), SRGB)


@pytest.mark.parametrize("colour", [(1, 1, 1), (0, 0, 0), (0.2, 0.4, 0.8)])
def test_a_flat_photograph_begins_with_clouds(colour):
    canvas = first_canvas(torch.tensor(colour).float().view(3, 1, 1).expand(3, 64, 96))
    clouds = canvas - canvas.mean((1, 2), keepdim=True)
    assert float(clouds.square().mean().sqrt()) == pytest.approx(15 / 255, rel=1e-2)
    border = torch.ones(64, 96, dtype=torch.bool)
    border[3:-3, 3:-3] = False
    assert clouds[:, border].std() < 1.5 * clouds[:, ~border].std()


def test_a_form_has_no_clouds():
    noisy = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    noisy[..., :48] = 0.5
    canvas = first_canvas(noisy)
    assert canvas[..., 8:40].std((1, 2)).min() > 10 / 255
    flat = first_canvas(torch.full((3, 64, 96), 0.5), strength=0.0)
    torch.testing.assert_close(flat, torch.full((3, 64, 96), 0.5))
    form = first_canvas(torch.rand(3, 64, 96), strength=1.0)
    assert torch.isfinite(form).all()
