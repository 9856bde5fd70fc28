"""How pictures come to the sizes a run works at."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import smooth_picture
from impasto.encoder import ARCHITECTURES
from impasto.errors import ImageTooLarge, ImageTooSmall, SettingsError
from impasto.images import Picture, cropped, resize
from impasto.run.inputs import Inputs
from impasto.run.sources import Sources
from impasto.settings import Settings

MANY, VGG19 = 10**9, ARCHITECTURES["vgg19"]
SHALLOW = {"content_layers": "relu1_1", "style_layers": "relu1_1", "smallest": 1}


def inputs(content, style, **overrides):
    chosen = Settings.of(**{**SHALLOW, **overrides})
    return Inputs.of(Sources.of(content, style), chosen, MANY, VGG19)


def shape(tensor):
    return (tensor.shape[2], tensor.shape[1])


@pytest.mark.parametrize(
    ("overrides", "canvas", "style"),
    [
        ({"size": 48, "style_scale": 1}, (48, 40), (48, 24)),
        ({"size": 0, "style_scale": 1}, (96, 80), (96, 48)),
        ({"size": 48, "style_scale": 2}, (48, 40), (96, 48)),
        ({"size": "30x50", "style_scale": 1}, (30, 50), (50, 25)),
        ({"size": 48, "style_fit": "width", "style_scale": 1}, (48, 40), (48, 24)),
        ({"size": "30x50", "style_fit": "width", "style_scale": 1}, (30, 50), (30, 15)),
        ({"size": 48, "style_fit": "same", "style_scale": 1}, (48, 40), (48, 40)),
        ({"size": 48, "style_fit": "same", "style_scale": 0.5}, (48, 40), (24, 20)),
    ],
)
def test_sizes(overrides, canvas, style):
    found = inputs(smooth_picture(96, 80), smooth_picture(60, 30), **overrides)
    pair = found.at(found.stages[-1])
    assert (found.size, shape(pair.content), shape(pair.styles[0])) == (canvas, canvas, style)


@pytest.mark.usefixtures("as_users_have_it")
def test_what_is_too_small_to_paint_is_painted_larger():
    photo, painting = smooth_picture(96, 80), smooth_picture(60, 30)
    found = inputs(photo, painting, size=48, style_scale=1, smallest=64, supersample_below=64)
    pair = found.at(found.stages[0])
    assert (found.size, pair.size, shape(pair.styles[0])) == ((48, 40), (64, 53), (64, 32))
    assert found.content.size == (48, 40)
    assert found.origins["content"]["size"] == (48, 40)
    whole = inputs(photo, painting, size=48, scales="1", smallest=64, supersample_below=64)
    assert [stage.size for stage in whole.stages] == [(48, 40)]


def test_every_scale_has_its_own_pair():
    found = inputs(
        smooth_picture(96, 80), smooth_picture(60, 30),
        size="90x60", style_fit="same", style_scale=1, fit="stretch", scales="0.25,0.5,1",
    )  # fmt: skip
    pairs = [found.at(stage) for stage in found.stages]
    assert [pair.size for pair in pairs] == [(22, 15), (45, 30), (90, 60)]
    assert [shape(pair.styles[0]) for pair in pairs] == [(22, 15), (45, 30), (90, 60)]
    assert found.origins["content"]["size"] == (90, 60)


def test_stretch_keeps_the_whole_picture_and_crop_its_proportions():
    picture = smooth_picture(96, 40)
    stretched = inputs(picture, picture, size="40x40", fit="stretch").content.pixels
    assert torch.equal(stretched, resize(picture, (40, 40)).pixels)
    cropped = inputs(picture, picture, size="40x40", fit="crop").content.pixels
    assert torch.equal(cropped, picture.pixels[:, :, 28:68])


def test_a_size_of_one_number_never_crops():
    panorama = smooth_picture(300, 10)
    found = inputs(panorama, smooth_picture(40, 40), size=100, style_scale=1)
    assert torch.equal(found.content.pixels, resize(panorama, (100, 3)).pixels)


@settings(max_examples=60)
@given(*[st.integers(1, 40)] * 4)
def test_cropped_has_the_shape_asked_for_from_the_middle(width, height, across, down):
    ramp = np.linspace(0, 1, width, dtype=np.float32)[None, None].repeat(height, 1).repeat(3, 0)
    picture = Picture(torch.from_numpy(ramp), alpha=torch.ones(height, width))
    covered = resize(cropped(picture, (across, down)), (across, down))
    assert covered.size == (across, down)
    assert covered.alpha.shape == (down, across)
    if width > 1 and width % 2 == across % 2:
        assert abs(covered.pixels.mean() - 0.5) < 0.6 / (width - 1) + 0.02


def test_without_content_the_canvas_has_the_size_or_the_shape_of_the_style():
    bare = {"content_weight": 0, "init": "noise", "style_scale": 1}
    style = smooth_picture(60, 30)
    assert inputs(None, style, size=40, **bare).size == (40, 20)
    found = inputs(None, style, size="50x70", **bare)
    assert found.size == (50, 70)
    assert found.content is None
    assert "content" not in found.origins
    assert found.style.size == (70, 35)


def test_without_style():
    found = inputs(smooth_picture(60, 30), None, size=40, style_weight=0)
    assert (found.size, found.style) == ((40, 20), None)


def test_alpha_is_the_photographs_at_the_last_scale():
    photo = smooth_picture(40, 20)
    photo = Picture(photo.pixels, torch.linspace(0, 1, 40).repeat(20, 1))
    found = inputs(photo, photo, size=20, scales="0.5,1")
    assert found.alpha((20, 10)).shape == (10, 20)
    assert torch.equal(found.content.alpha, found.alpha((20, 10)))


def test_layers_without_weight_need_no_space():
    photo = smooth_picture(12, 12)
    weights = {"content_layers": "relu1_2", "style_layers": "relu1_1,relu5_1=0"}
    assert inputs(photo, photo, size=12, **weights).size == (12, 12)
    assert inputs(photo, photo, size=12, **weights, seamless="both").stages[-1].size == (12, 12)
    with pytest.raises(ImageTooSmall, match="relu5_1 needs"):
        inputs(photo, photo, size=12, **{**weights, "style_layers": "relu1_1,relu5_1=0.1"})


def test_what_cannot_be():
    photo = smooth_picture(96, 80)
    with pytest.raises(SettingsError, match="neither a content nor a style"):
        inputs(None, None)
    with pytest.raises(ImageTooLarge, match="300x100 px are 30000 pixels, and the limit is 9999"):
        Inputs.of(Sources.of(photo, photo), Settings.of(size="300x100"), 9_999, VGG19)
    with pytest.raises(ImageTooSmall, match="8x7 px at the smallest scale, but relu5_1 needs"):
        Inputs.of(Sources.of(photo, photo), Settings.of(size=64, scales="0.125,1"), MANY, VGG19)
