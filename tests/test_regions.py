"""Several styles, masks, what is kept and what is hidden: laws first, then the command line."""

import json
from itertools import islice, permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import impasto
from conftest import TINY, random_image, smooth_picture, tiny_weights
from impasto.apps.batch import Batch, Layout, pairs_in
from impasto.apps.cli import main
from impasto.encoder import ARCHITECTURES, Encoder
from impasto.errors import CheckpointError, ImageError, SettingsError
from impasto.images import Picture
from impasto.images.resampling import whiteness
from impasto.images.spaces import colour_space
from impasto.objective import Features, blend_statistics, measure_statistics
from impasto.objective.style_losses import find_style_loss, matching
from impasto.objective.tiles import Tiling, min_tile
from impasto.run.checkpoint import Checkpoint
from impasto.run.inputs import Inputs
from impasto.run.objective import objective_for
from impasto.run.provenance import show_record
from impasto.run.regions import Region, StylePart, regions
from impasto.run.run import Run
from impasto.run.sources import Sources
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.variants import STYLE_LOSSES
from reference import gram, to_caffe, vgg
from support.networks import depths

VGG19 = ARCHITECTURES["vgg19"]
NET, CAFFE, MANY = TINY["vgg19"], colour_space("caffe"), 10**9
TAPS = {"relu1_1": 1.0, "conv2_1": 0.5, "relu3_1": 2.0}
LOSSES = STYLE_LOSSES.names()
BARE = {"style_loss": "gram", "weighting": "absolute"}
ALONE = {"content_weight": 0, "tv_weight": 0, "style_layers": TAPS, **BARE}
QUICK = {"size": 48, "iterations": 3, "precision": "fp32", "threads": 1, "tile": "off"}
QUICK["encoder"] = "tiny"


def soft_mask(height, width, seed=0):
    """Weights between 0 and 1 that change from pixel to pixel."""
    return random_image(height, width, seed)[0]


def objective(canvas, styles, areas, tiling=Tiling(), content=None, **overrides):  # noqa: B008 (frozen)
    """The style term alone, with a tiny network, of a canvas like this one (3, h, w)."""
    pair = StageInputs((canvas.shape[2], canvas.shape[1]), content, tuple(styles), tuple(areas))
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    chosen = Settings.of(**{**ALONE, **overrides})
    return objective_for(encoder, pair, chosen, CAFFE, tiling=tiling)


def everywhere(*shares, where=None):
    """A region of all of so many styles, or some of it."""
    return Region(tuple(StylePart(n, share) for n, share in enumerate(shares)), where)


def assert_equal(one, other, tolerance=1e-10):
    torch.testing.assert_close(one.loss, other.loss, rtol=tolerance, atol=0)
    assert (one.gradient - other.gradient).norm() <= tolerance * other.gradient.norm()


# --- laws and oracles of the objective ------------------------------------------------------------


def features(rgb):
    weights = tiny_weights()
    return vgg(weights.layers, depths(weights.architecture), to_caffe(rgb))


def at_tap(where, tap):
    """A mask's mean over the pixels of each position."""
    return torch.nn.functional.avg_pool2d(where[None], NET.stride(tap))[0]


def weighted_gram(f, where):
    return gram(f * where.sqrt()) / where.sum()


def transcription(rgb, styles, areas):
    """Σ weight · area · mean(((G - A)/C)²) over taps and regions; A is of all a region's models."""
    f, a = features(rgb), [features(style) for style in styles]
    total = rgb.new_zeros(())
    for tap, weight in TAPS.items():
        for area in areas:
            g = weighted_gram(f[tap], at_tap(area.where, tap))
            goal = sum(
                m.share * weighted_gram(a[m.index][tap], at_tap(m.where, tap)) for m in area.parts
            )
            apart = ((g - goal) / f[tap].shape[1]) ** 2
            total = total + 100 * weight * area.where.mean() * apart.mean()
    return total


def test_equals_its_transcription():
    shapes = (45, 51), (38, 59), (52, 37)
    rgb, *styles = (random_image(*shape, n) for n, shape in enumerate(shapes))
    ours, first, second = (soft_mask(*shape, n + 5) for n, shape in enumerate(shapes))
    areas = (
        Region((StylePart(0, 0.3, first), StylePart(1, 0.7, second)), ours),
        Region((StylePart(1, 1.0, 1 - second),), 1 - ours),
    )
    leaf = rgb.clone().requires_grad_()
    expected = transcription(leaf, styles, areas)
    (gradient,) = torch.autograd.grad(expected, leaf)
    found = objective(rgb, styles, areas, style_weight=100)(CAFFE.from_srgb(rgb))
    torch.testing.assert_close(found.loss, expected.detach(), rtol=1e-10, atol=0)
    in_srgb = found.gradient.flip(0) * 255  # caffe is BGR in 0-255
    assert (in_srgb - gradient).norm() < 1e-10 * gradient.norm()


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=4)
@given(size=st.tuples(*[st.integers(60, 110)] * 2), room=st.integers(0, 30))
def test_is_exact_in_windows(name, size, room):
    rgb, style, ours = random_image(*size, 1), random_image(57, 61, 2), soft_mask(*size, 3)
    part = StylePart(0, 1.0, soft_mask(57, 61, 4))
    areas = Region((part,), ours), Region((StylePart(0, 1.0),), 1 - ours)
    taps = {"conv1_1": 1.0, "conv2_1": 0.5, "conv3_1": 2.0}  # rows without ties
    whole = objective(rgb, [style], areas, style_loss=name, style_layers=taps)
    tile, canvas = min_tile(NET, taps) + room, CAFFE.from_srgb(rgb)
    assert_equal(whole.retiled(Tiling(tile, tapes=2))(canvas), whole(canvas), 1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_a_white_mask_is_none(name):
    rgb, style = random_image(48, 40, 1), random_image(41, 52, 2)
    white = Region((StylePart(0, 1.0, torch.ones(41, 52).double()),), torch.ones(48, 40).double())
    canvas = CAFFE.from_srgb(rgb)
    found = objective(rgb, [style], [white], style_loss=name)(canvas)
    assert_equal(found, objective(rgb, [style], [everywhere(1.0)], style_loss=name)(canvas))


def test_complementary_halves_pull_each_its_own_side():
    rgb, style = random_image(48, 64, 1), random_image(48, 48, 2)
    left = torch.zeros(48, 64, dtype=torch.float64)
    left[:, :32] = 1
    canvas = CAFFE.from_srgb(rgb)
    halves = [everywhere(1.0, where=left), everywhere(1.0, where=1 - left)]
    both = objective(rgb, [style], halves)(canvas)
    first, second = (objective(rgb, [style], [half])(canvas) for half in halves)
    torch.testing.assert_close(both.loss, first.loss + second.loss, rtol=1e-10, atol=0)
    torch.testing.assert_close(both.gradient, first.gradient + second.gradient)
    reach = NET.halos(TAPS)["image"].before
    assert not first.gradient[:, :, 32 + reach :].any()
    assert not second.gradient[:, :, : 32 - reach].any()


def test_a_region_that_no_position_sees_is_left_out_there():
    """A column that pooling cuts off, of canvas and of painting: no number becomes NaN."""
    rgb, style = random_image(41, 45, 1), random_image(39, 43, 2)
    canvas = CAFFE.from_srgb(rgb)
    ours, theirs = torch.zeros(41, 45).double(), torch.zeros(39, 43).double()
    ours[:, -1] = theirs[:, -1] = 1
    for name in LOSSES:
        for where, part in ((ours, None), (None, theirs), (ours, theirs)):
            area = Region((StylePart(0, 1.0, part),), where)
            found = objective(rgb, [style], [area], style_loss=name)(canvas)
            assert found.loss > 0
            assert torch.isfinite(found.gradient).all()
    half_there = Region((StylePart(0, 0.5, theirs), StylePart(1, 0.5)))
    assert objective(rgb, [style, rgb], [half_there])(canvas).loss.isfinite()


# --- mixtures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gram", "moments", "wasserstein"])
def test_a_mixture_is_both_pictures_positions(name):
    """Of 0.75 and 0.25: as if the first picture's positions were there three times as often."""
    encoder, loss = Encoder(tiny_weights(), dtype=torch.float64), find_style_loss(name)
    pictures = random_image(40, 48, 1), random_image(32, 56, 2)
    found = [measure_statistics(encoder, picture, TAPS, loss=loss) for picture in pictures]
    mixture = blend_statistics([(found[0], 0.75), (found[1], 0.25)])
    for tap in TAPS:
        rows = [encoder.features(p, [tap])[1][tap][0].flatten(1) for p in pictures]
        counts = torch.tensor([row.shape[1] for row in rows])
        weights = (torch.tensor([0.75, 0.25]).double() / counts).repeat_interleave(counts)
        both = torch.cat(rows, 1)
        torch.testing.assert_close(mixture[tap].mean, both @ weights, rtol=1e-10, atol=0)
        expected = (both * weights) @ both.T
        torch.testing.assert_close(mixture[tap].gram, expected, rtol=1e-10, atol=0)


def test_a_mixture_of_features_has_these_weights():
    loss, encoder = find_style_loss("sliced-wasserstein"), Encoder(tiny_weights())
    pictures = random_image(40, 48, 1).float(), random_image(32, 56, 2).float()
    found = [measure_statistics(encoder, picture, TAPS, loss=loss) for picture in pictures]
    mixture = blend_statistics([(found[0], 0.75), (found[1], 0.25)])
    assert isinstance(mixture["relu1_1"], Features)
    shares = mixture["relu1_1"].shares
    assert shares[: 40 * 48].sum() == pytest.approx(0.75, rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_halves_of_one_style_are_that_style(name, monkeypatch):
    monkeypatch.setattr(matching, "_CANDIDATES", 10**6)  # fewer would be others
    rgb, style = random_image(40, 48, 1), random_image(41, 37, 2)
    canvas, one = CAFFE.from_srgb(rgb), objective(rgb, [style], [everywhere(1.0)], style_loss=name)
    both = everywhere(0.5, 0.5)
    for blend in ("statistics", "losses"):
        found = objective(rgb, [style, style], [both], style_loss=name, style_blend=blend)(canvas)
        tolerance = 0.05 if name == "sliced-wasserstein" and blend == "statistics" else 1e-9
        torch.testing.assert_close(found.loss, one(canvas).loss, rtol=tolerance, atol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_blended_losses_are_the_sum_of_losses(name):
    rgb, styles = random_image(40, 48, 1), [random_image(41, 37, 2), random_image(36, 44, 3)]
    canvas, parts = CAFFE.from_srgb(rgb), (0.7, 0.3)
    alone = [objective(rgb, [s], [everywhere(1.0)], style_loss=name)(canvas) for s in styles]
    both = objective(rgb, styles, [everywhere(*parts)], style_loss=name, style_blend="losses")
    found = both(canvas)
    expected = sum(part * one.loss for part, one in zip(parts, alone, strict=True))
    torch.testing.assert_close(found.loss, expected, rtol=1e-10, atol=0)
    gradient = sum(part * one.gradient for part, one in zip(parts, alone, strict=True))
    assert (found.gradient - gradient).norm() < 1e-10 * gradient.norm()


def test_of_grams_both_blends_have_one_gradient():
    """Σ w (G - Aᵢ)² is (G - Σ w Aᵢ)² and a constant."""
    rgb, styles = random_image(40, 48, 1), [random_image(41, 37, 2), random_image(36, 44, 3)]
    canvas, area = CAFFE.from_srgb(rgb), everywhere(0.7, 0.3)
    found = [
        objective(rgb, styles, [area], style_blend=blend)(canvas)
        for blend in ("statistics", "losses")
    ]
    assert found[0].loss < found[1].loss
    difference = found[0].gradient - found[1].gradient
    assert difference.norm() < 1e-10 * found[0].gradient.norm()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("blend", ["statistics", "losses"])
def test_the_order_of_styles_does_not_matter(name, blend, monkeypatch):
    monkeypatch.setattr(matching, "_CANDIDATES", 10**6)  # fewer would be others
    rgb = random_image(40, 48, 1)
    styles = [(random_image(30 + n, 37, n), part) for n, part in enumerate((0.5, 0.3, 0.2))]
    taps = {"conv1_1": 1.0, "conv3_1": 2.0}  # rows without ties
    found = []
    for order in permutations(styles):
        pictures, parts = zip(*order, strict=True)
        area = everywhere(*parts)
        choices = {"style_loss": name, "style_blend": blend, "style_layers": taps}
        found.append(objective(rgb, pictures, [area], **choices)(CAFFE.from_srgb(rgb)))
    for other in found[1:]:
        assert_equal(other, found[0], 1e-9)


def test_strength_mixes_the_photographs_own_style():
    rgb, style = random_image(40, 48, 1), random_image(41, 37, 2)
    where, canvas = soft_mask(40, 48, 3), CAFFE.from_srgb(random_image(40, 48, 4))
    found = objective(rgb, [style], [everywhere(1.0, where=where)], content=rgb, strength=0.3)
    whole = StylePart(0, 0.3), StylePart(1, 0.7, where)
    other = objective(rgb, [style, rgb], [Region(whole, where)])
    assert_equal(found(canvas), other(canvas))
    none = objective(rgb, [style], [everywhere(1.0, where=where)], content=rgb, strength=0)
    assert none(CAFFE.from_srgb(rgb)).loss < 1e-20


# --- masks and maps -------------------------------------------------------------------------------


def grey(path, where):
    """A mask's file, of an array (h, w) in [0, 1]."""
    Image.fromarray((255 * np.asarray(where)).round().astype(np.uint8)).save(path)
    return str(path)


def sides(width, height):
    """Masks (h, w) of the left part and of the rest."""
    left = np.zeros((height, width))
    left[:, : width // 2] = 1
    return left, 1 - left


RED, GREEN, BLUE, BLACK = (220, 40, 30), (30, 200, 60), (20, 40, 210), (0, 0, 0)


def painted(size, *colours):
    """A map with a round region in each colour but the first, which is the ground."""
    image = Image.new("RGB", (size[0] * 8, size[1] * 8), colours[0])
    draw, count = ImageDraw.Draw(image), len(colours) - 1
    for n, colour in enumerate(colours[1:]):
        left, width = n * image.width / count, image.width / count
        draw.ellipse((left + width / 9, 40, left + width * 8 / 9, image.height - 40), fill=colour)
    return image


def saved(path, image, size, how=Image.Resampling.NEAREST):
    image.resize(size, how).save(path, **({"quality": 75} if path.suffix == ".jpg" else {}))
    return str(path)


def of(paintings=1, *, content_mask=(), style_mask=(), **overrides):
    """The regions of masks for so many styles, with masks (h, w)."""
    styles = [smooth_picture(8, 8)] * paintings
    sources = Sources.of(None, styles, content_masks=content_mask, style_masks=style_mask)
    found = regions(Settings.of(**overrides), sources, MANY)
    return tuple(
        region.mapped(lambda mask: None if mask is None else whiteness(mask)) for region in found
    )


def test_grey_masks_go_together_in_their_order(tmp_path):
    left, right = sides(40, 30)
    a, b = grey(tmp_path / "a.png", left), grey(tmp_path / "b.png", 0.5 * right)
    c, d = grey(tmp_path / "c.png", right), grey(tmp_path / "d.png", left)
    found = of(2, content_mask=(a, b), style_mask=(c, d))
    assert [[(m.index, m.share) for m in r.parts] for r in found] == [[(0, 1)], [(1, 1)]]
    for where, expected in (
        (found[0].where, left), (found[1].where, 0.5 * right),
        (found[0].parts[0].where, right), (found[1].parts[0].where, left),
    ):  # fmt: skip
        np.testing.assert_allclose(where.numpy(), expected, atol=1 / 255)
    one = of(1, content_mask=(a, b), style_mask=(c, d))
    assert [r.parts[0].index for r in one] == [0, 0]
    assert [r.parts[0].where for r in of(2, content_mask=(a, b))] == [None, None]
    (whole,) = of(2, style_mask=(c, d), style_weights=(3, 1))
    assert (whole.where, [m.share for m in whole.parts]) == (None, [0.75, 0.25])


def test_transparent_parts_of_a_mask_are_black(tmp_path):
    left, _ = sides(40, 30)
    rgba = np.dstack([np.ones((30, 40, 3)), left])
    Image.fromarray((255 * rgba).astype(np.uint8), "RGBA").save(tmp_path / "m.png")
    (found,) = of(content_mask=str(tmp_path / "m.png"))
    assert np.array_equal(found.where.numpy(), left)


@pytest.mark.parametrize("name", ["plain.png", "smooth.png", "lossy.jpg", "enlarged.png"])
@pytest.mark.parametrize("size", [(60, 48), (200, 150), (640, 480)])
def test_regions_are_matched_by_colour(tmp_path, name, size):
    """Though maps differ in size, were antialiased, enlarged or saved as JPEG."""
    how = Image.Resampling.NEAREST if name == "plain.png" else Image.Resampling.LANCZOS
    ours, theirs = painted((90, 60), BLACK, RED, GREEN), painted((50, 70), GREEN, BLACK, RED)
    if name == "enlarged.png":
        how = Image.Resampling.BICUBIC
        ours, theirs = (m.resize((160, 120), Image.Resampling.BOX) for m in (ours, theirs))
    content = saved(tmp_path / name, ours, size, how)
    style = saved(tmp_path / f"style {name}", theirs, (size[1], size[0]), how)
    found = of(content_mask=content, style_mask=style)
    assert len(found) == 3
    total = sum(region.where for region in found)
    assert torch.equal(total, torch.ones_like(total))
    exact = np.asarray(ours.convert("RGB").resize(size, how)).astype(int)
    aim = np.asarray(theirs.convert("RGB").resize(size[::-1], how)).astype(int)
    for region in found:
        (model,) = region.parts
        near = [c for c in (BLACK, RED, GREEN) if overlap(exact, c, region.where) > 0.75]
        assert len(near) == 1
        assert overlap(aim, near[0], model.where) > 0.75


def overlap(pixels, colour, where):
    """How much of a mask, and of where a map has this colour, is both."""
    there, where = np.abs(pixels - colour).sum(2) < 60, where.numpy() > 0.5
    return (there & where).sum() / (there | where).sum()


def test_maps_of_several_styles_share_a_colour(tmp_path):
    ours = saved(tmp_path / "o.png", painted((40, 40), BLACK, RED, GREEN), (60, 40))
    first = saved(tmp_path / "a.png", painted((40, 40), BLACK, RED), (50, 40))
    second = saved(tmp_path / "b.png", painted((40, 40), RED, GREEN), (50, 40))
    found = of(2, content_mask=ours, style_mask=(first, second), style_weights=(1, 3))
    shares = sorted([(m.index, m.share) for m in region.parts] for region in found)
    assert shares == [[(0, 0.25), (1, 0.75)], [(0, 1.0)], [(1, 1.0)]]


def test_a_colour_that_is_missing_is_named(tmp_path):
    ours = saved(tmp_path / "o.png", painted((40, 40), BLACK, RED, GREEN), (60, 40))
    theirs = saved(tmp_path / "t.png", painted((40, 40), BLACK, RED, BLUE), (60, 40))
    few = saved(tmp_path / "f.png", painted((40, 40), BLACK, RED), (60, 40))
    with pytest.raises(
        SettingsError, match=r"content mask has regions that no style.*#1ec83c; pai"
    ):
        of(content_mask=ours, style_mask=few)
    with pytest.raises(
        SettingsError, match=r"style mask has regions that no content.*#1ec83c; pai"
    ):
        of(content_mask=few, style_mask=ours)
    with pytest.raises(SettingsError, match="#1ec83c"):
        of(content_mask=ours, style_mask=theirs)
    with pytest.raises(SettingsError, match="#1ec83c"):  # there, but of a style that counts nothing
        of(2, content_mask=ours, style_mask=(few, ours), style_weights=(1, 0))


def test_what_does_not_belong_together_is_one_line(tmp_path):
    left, right = sides(40, 30)
    a, b = grey(tmp_path / "a.png", left), grey(tmp_path / "b.png", right)
    black = grey(tmp_path / "black.png", 0 * left)
    colours = saved(tmp_path / "c.png", painted((40, 40), BLACK, RED), (60, 40))
    refusals = [
        (1, {"style_weights": (1, 2)}, "style_weights has 2 for 1 styles; expected one for each"),
        (2, {"style_weights": (1,)}, "style_weights has 1 for 2"),
        (2, {"content_mask": (a, b), "style_mask": (a,)}, "2 content masks and 1 style masks"),
        (2, {"content_mask": (a,)}, "1 content masks for 2 styles"),
        (3, {"content_mask": (a, b)}, "2 content masks for 3 styles"),
        (2, {"content_mask": (a, b), "style_weights": (2, 1)}, "leave one of the two out"),
        (1, {"style_mask": (a, b)}, "2 style masks for 1 styles"),
        (1, {"content_mask": (a, black)}, "black.png: the mask is black; there is no region"),
        (1, {"style_mask": (black,)}, "black.png: the mask is black"),
        (1, {"content_mask": (colours,)}, "one map, with one style mask for each of the 1 styles"),
        (1, {"content_mask": (colours, a), "style_mask": (colours, a)}, "is one map"),
    ]
    for paintings, overrides, message in refusals:
        with pytest.raises(SettingsError, match=message) as error:
            of(paintings, **overrides)
        assert "\n" not in str(error.value)
    with pytest.raises(ImageError, match=r"missing.png: No such file"):
        of(content_mask=str(tmp_path / "missing.png"))
    with pytest.raises(SettingsError, match="style_weights are all 0"):
        Settings.of(style_weights=(0, 0))


# --- runs -----------------------------------------------------------------------------------------


def pixels(result):
    """(h, w, 3) as they are saved."""
    return np.asarray(result.image.to_pil())[..., :3]


@pytest.fixture
def halves(tmp_path):
    """Files of two masks of the photograph's size."""
    left, right = sides(48, 40)
    return grey(tmp_path / "left.png", left), grey(tmp_path / "right.png", right)


@pytest.fixture(scope="session")
def bars():
    return smooth_picture(40, 44, phase=2.5)


def read_in(content, styles, settings, **others):
    return Inputs.of(Sources.of(content, styles, **others), settings, MANY, VGG19)


def stylized(photo, styles, **overrides):
    return impasto.stylize(photo, styles, **{**QUICK, **overrides})


@pytest.mark.parametrize("blend", ["statistics", "losses"])
def test_a_weight_of_0_is_no_style(blend, photo, painting, bars):
    alone = stylized(photo, painting)
    both = stylized(photo, [painting, bars], style_weights=(1, 0), style_blend=blend)
    assert torch.equal(both.image.pixels, alone.image.pixels)
    other = stylized(photo, [bars, painting], style_weights=(0, 2), style_blend=blend)
    assert [s.loss for s in other.steps[1:]] == pytest.approx([s.loss for s in alone.steps[1:]])
    mixture = stylized(photo, [painting, bars], style_weights=(1, 1), style_blend=blend)
    assert not torch.equal(mixture.image.pixels, alone.image.pixels)


def test_a_folder_is_one_style_of_all_its_pictures(tmp_path, photo, painting, bars):
    (tmp_path / "styles").mkdir()
    painting.save(tmp_path / "styles" / "1.png")
    bars.save(tmp_path / "styles" / "2.png")
    (tmp_path / "styles" / "notes.txt").write_text("not a picture")
    pictures = [tmp_path / "styles" / name for name in ("1.png", "2.png")]
    folder, both = stylized(photo, tmp_path / "styles"), stylized(photo, pictures)
    assert torch.equal(folder.image.pixels, both.image.pixels)
    three = stylized(photo, [tmp_path / "styles", painting], style_weights=(2, 1))
    alike = stylized(photo, [*pictures, painting], style_weights=(1, 1, 1))
    assert torch.equal(three.image.pixels, alike.image.pixels)
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="none: holds no picture"):
        stylized(photo, str(tmp_path / "none"))
    mask = grey(tmp_path / "m.png", sides(40, 40)[0])
    with pytest.raises(SettingsError, match="a style mask is for one picture"):
        stylized(photo, tmp_path / "styles", style_masks=mask)


def test_each_style_has_its_own_scale(photo, painting, bars):
    chosen = Settings.of(**QUICK, style_scale="1.5,1")
    found = read_in(photo, [painting, bars], chosen)
    assert [max(size) for size in found.style_sizes((48, 40))] == [72, 48]
    with pytest.raises(SettingsError, match="style_scale has 2 for 1 styles"):
        stylized(photo, painting, style_scale=(1.5, 1))


def test_white_masks_change_nothing(tmp_path, photo, painting):
    white = grey(tmp_path / "w.png", np.ones((20, 24)))
    plain = stylized(photo, painting, scales=(0.75, 1))
    masked = stylized(photo, painting, scales=(0.75, 1), content_masks=white, style_masks=white)
    assert [s.loss for s in masked.steps] == pytest.approx([s.loss for s in plain.steps], rel=1e-5)


def test_regions_from_coarse_to_fine(halves, photo, painting, bars):
    """At every scale each half goes towards its own painting, and is nearer to it than the other's.

    Of colours alone: the recoloured photograph is where a run begins.
    """
    dark, light = (Picture(p.pixels * 0.3 + shift) for p, shift in ((painting, 0), (bars, 0.7)))
    chosen = {"content_masks": halves, "scales": "0.5,1", "content_weight": 0.1}
    steps = []
    result = impasto.stylize(photo, [dark, light], on_step=steps.append, **{**QUICK, **chosen})
    assert {step.scale for step in steps} == {24, 48}
    assert steps[-1].loss < steps[4].loss
    left, right = (half.mean() for half in result.image.pixels.split(24, 2))
    assert left < 0.4 < 0.6 < right
    swapped = stylized(photo, [light, dark], **{**chosen, "content_masks": halves[::-1]})
    assert np.abs(pixels(swapped).astype(int) - pixels(result)).mean() < 2


KEEPING = {
    "standard": {},
    "lbfgs": {"precondition": 0.4, "scales": "0.6,1"},
    "adam": {"optimiser": "adam", "learning_rate": 4.0, "precondition": 0},
    "clipped": {"clip": "gamut", "precondition": 0},
    "luminance": {"colour": "keep", "colour_method": "luminance"},
    "colours": {"colour": "keep"},
    "match": {"colour": "match", "init": "noise"},
    "finish": {"finish": "grain", "tones": "stretch"},
}


@pytest.mark.parametrize("name", KEEPING)
def test_what_is_kept_is_the_photograph(name, tmp_path, photo, painting):
    keep = np.zeros((40, 48))
    keep[5:30, :20] = 1
    overrides = {"protect": grey(tmp_path / "k.png", keep), "iterations": 5, **KEEPING[name]}
    found, own = pixels(stylized(photo, painting, **overrides)), np.asarray(photo.to_pil())
    assert np.array_equal(found[keep == 1], own[keep == 1])
    assert (found[keep == 0] != own[keep == 0]).mean() > 0.5


def test_what_is_kept_comes_to_the_results_size(tmp_path, photo, painting):
    """Within a mask of another size: its edge is soft then."""
    keep = grey(tmp_path / "k.png", sides(20, 16)[0])
    chosen = Settings.of(**{**QUICK, "size": 40}, scales="0.8,1")
    run = Run(photo, painting, chosen, protect=keep)
    for _ in run:
        pass
    found, own = pixels(run.result()), np.asarray(run.inputs.content.to_pil())
    assert np.array_equal(found[:, :18], own[:, :18])
    assert (found[:, 22:] != own[:, 22:]).mean() > 0.5


def test_what_is_kept_does_not_count_as_style(tmp_path, photo, painting):
    keep, left = np.zeros((40, 48)), sides(48, 40)[0]
    keep[:, 40:] = 0.25
    keep[:20] = 1
    chosen = {
        "protect": grey(tmp_path / "k.png", keep),
        "content_masks": grey(tmp_path / "l.png", left),
    }
    inputs = read_in(photo, painting, Settings.of(**QUICK), **chosen)
    (region,) = inputs.at(inputs.stages[0]).regions
    np.testing.assert_allclose(region.where.numpy(), (1 - keep) * left, atol=0.01)
    chosen["protect"] = grey(tmp_path / "all.png", keep * 0 + 1)
    result = stylized(photo, painting, **chosen)
    assert {step.terms["style"] for step in result.steps} == {0}
    assert np.array_equal(pixels(result), np.asarray(photo.to_pil()))


def test_to_keep_takes_a_photograph(tmp_path, painting):
    mask = grey(tmp_path / "k.png", np.ones((9, 9)))
    with pytest.raises(SettingsError, match="no content picture to protect"):
        Run(None, painting, Settings.of("texture"), protect=mask)


def with_hidden(picture, seed):
    """A picture of which a part is invisible, in colours that depend on the seed."""
    alpha = torch.ones(picture.height, picture.width)
    alpha[:, 30:] = 0.5
    alpha[8:25, 10:40] = 0
    noise = random_image(picture.height, picture.width, seed, torch.float32)
    return Picture(torch.where(alpha > 0, picture.pixels, noise), alpha)


HIDING = {
    "standard": {},
    "scaled": {"size": 40, "scales": "0.7,1"},
    "cropped": {"size": "40x40", "style_fit": "same"},
    "match": {"colour": "match"},
    "histogram": {"colour": "match", "colour_method": "histogram"},
    "luminance": {"colour": "keep", "colour_method": "luminance"},
    "features": {"style_loss": "sliced-wasserstein"},
}


@pytest.mark.parametrize("name", HIDING)
def test_what_is_hidden_counts_nowhere(name, photo, painting):
    first, second = with_hidden(photo, 1), with_hidden(photo, 2)
    results = [stylized(each, painting, **HIDING[name]) for each in (first, second)]
    assert torch.equal(results[0].image.pixels, results[1].image.pixels)
    assert [s.loss for s in results[0].steps] == [s.loss for s in results[1].steps]
    size = results[0].image.size
    assert results[0].image.alpha.shape == size[::-1]
    if size == first.size:
        assert torch.equal(results[0].image.alpha, first.alpha)
    others = [stylized(photo, with_hidden(painting, seed), **HIDING[name]) for seed in (1, 2)]
    assert torch.equal(others[0].image.pixels, others[1].image.pixels)
    assert others[0].image.alpha is None


def test_what_is_hidden_is_in_no_region(photo, painting):
    both = with_hidden(photo, 1), with_hidden(painting, 2)
    inputs = read_in(*both, Settings.of(**QUICK, style_scale=44 / 48))
    (region,) = inputs.at(inputs.stages[0]).regions
    assert torch.equal(region.where, both[0].alpha)
    assert torch.equal(region.parts[0].where, both[1].alpha)


def test_masks_have_no_rings(tmp_path, photo, painting):
    """Black is black and white is white at any size, but for an edge."""
    masks = grey(tmp_path / "m.png", sides(20, 16)[0])
    for size in (48, 31):
        chosen = Settings.of(**{**QUICK, "size": size})
        inputs = read_in(photo, painting, chosen, content_masks=masks)
        where = inputs.at(inputs.stages[0]).regions[0].where
        torch.testing.assert_close(where[:, : size // 2 - 2], torch.ones(len(where), size // 2 - 2))
        assert not where[:, size // 2 + 3 :].any()
        assert (where.diff(dim=1) < 1e-6).all()


def test_a_photograph_of_nothing_is_painted_all_the_same(photo, painting):
    nothing = Picture(photo.pixels, torch.zeros(40, 48))
    assert torch.isfinite(stylized(nothing, painting).image.pixels).all()


def test_a_painting_of_nothing_is_refused(photo, painting):
    with pytest.raises(ImageError, match="transparent all over"):
        stylized(photo, Picture(painting.pixels, torch.zeros(36, 44)))


def test_a_resumed_run_with_regions_is_uninterrupted(tmp_path, halves, photo, painting, bars):
    keep = grey(tmp_path / "keep.png", np.pad(np.ones((20, 20)), ((0, 20), (0, 28))))
    masks = {"content_masks": halves, "protect": keep}
    chosen = Settings.of(
        **QUICK | {"iterations": "4,4", "scales": "0.7,1", "style_scale": (1, 1.5)}
    )
    styles = [painting, bars]
    whole = Run(photo, styles, chosen, **masks)
    for _ in whole:
        pass
    for at in (2, 5, 7):
        first = Run(photo, styles, chosen, **masks)
        for _ in islice(first, at):
            pass
        first.checkpoint().save(tmp_path / "c.checkpoint")
        second = Run(
            photo, styles, chosen, **masks, resume=Checkpoint.load(tmp_path / "c.checkpoint")
        )
        for _ in second:
            pass
        assert torch.equal(second.result().image.pixels, whole.result().image.pixels)
    saved_run = Checkpoint.load(tmp_path / "c.checkpoint")
    with pytest.raises(CheckpointError, match="style 2 is '"):
        Run(photo, [painting, painting], chosen, **masks, resume=saved_run)
    with pytest.raises(CheckpointError, match="content_mask 1 is "):
        Run(photo, styles, chosen, content_masks=halves[::-1], protect=keep, resume=saved_run)
    grey(halves[1], 0.5 * sides(48, 40)[1])
    with pytest.raises(CheckpointError, match="content_mask 2 is '"):
        Run(photo, styles, chosen, **masks, resume=saved_run)
    grey(halves[1], sides(48, 40)[1])
    grey(keep, np.ones((40, 48)))
    with pytest.raises(CheckpointError, match="protect is '"):
        Run(photo, styles, chosen, **masks, resume=saved_run)


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with masks in it, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    Path("secret").mkdir()
    left, right = sides(48, 32)
    grey("secret/left.png", left)
    grey("secret/right.png", right)
    painted((40, 40), BLACK, RED).save("secret/map.png")
    return tmp_path


@pytest.fixture
def stylize(capsys):
    """`impasto stylize sample:coffee` in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        small = ("--size", "48", "--iterations", "2", "--precision", "fp32", "--threads", "1")
        with pytest.raises(SystemExit) as left:
            main(["stylize", "sample:coffee", *arguments, *small])
        return (left.value.code, *capsys.readouterr())

    return run


BOTH = ("sample:waves", "sample:ink")
LEFT, RIGHT = (("--content-mask", f"secret/{side}.png") for side in ("left", "right"))


def test_several_styles_at_the_command_line(folder, stylize):
    code, out, _ = stylize(*BOTH, "--style-weights", "2,1", "--style-scale", "1.5,1")
    assert (code, out) == (0, "wrote coffee_waves+ink.png\n")
    record = show_record("coffee_waves+ink.png")
    assert record["settings"]["style_weights"] == [2, 1]
    assert (record["style"]["name"], record["style 2"]["name"]) == ("waves.jpg", "ink.jpg")


def test_masks_at_the_command_line(folder, stylize):
    keep = ("--keep", "secret/left.png")
    report = ("--report", "out.html", "-o", "out.png")
    code, out, err = stylize(*BOTH, *LEFT, *RIGHT, *keep, *report)
    assert (code, out) == (0, "wrote out.png, out.html\n"), err
    assert "secret" not in Path("out.html").read_text("utf-8")
    record = show_record("out.png")
    names = [record[f"content_mask {number}"]["name"] for number in (1, 2)]
    assert (names, record["protect"]["name"]) == (["left.png", "right.png"], "left.png")
    assert "secret" not in json.dumps(record)
    assert str(folder) not in json.dumps(record)


def test_a_map_at_the_command_line(folder, stylize):
    masks = ("--content-mask", "secret/map.png", "--style-mask", "secret/map.png")
    code, _, err = stylize("sample:waves", *masks, "-o", "out.png")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*BOTH, "--style-weights", "2,1,3"), "--style-weights has 3 for 2 styles"),
        ((*BOTH, "--style-weights", "0,0"), "--style-weights are all 0"),
        ((*BOTH, "--style-weights", "2,x"), "--style-weights"),
        ((*BOTH, "--style-scale", "1,2,3"), "--style-scale has 3 for 2 styles"),
        ((*BOTH, *LEFT), "1 content masks for 2 styles"),
        ((*BOTH, *LEFT, *RIGHT, "--style-mask", "secret/left.png"), "and 1 style masks"),
        ((*BOTH, "--content-mask", "secret/map.png"), "one style mask for each"),
        ((*BOTH, "--keep", "secret/none.png"), "secret/none.png: No such file"),
        (("secret",), "style mask"),
    ],
)
def test_wrong_counts_are_one_line(arguments, message, folder, stylize):
    if arguments == ("secret",):
        arguments = ("secret", "--style-mask", "secret/left.png")
    code, out, err = stylize(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_no_mask_and_no_painting_of_a_folder_is_overwritten(folder, stylize):
    before = Path("secret/left.png").read_bytes()
    for arguments in (
        (*BOTH, *LEFT, *RIGHT),
        (*BOTH, "--style-mask", "secret/right.png", "--style-mask", "secret/left.png"),
        (*BOTH, "--keep", "secret/left.png"),
        ("secret",),
    ):
        code, _, err = stylize(*arguments, "-o", "secret/left.png")
        assert code == 2
        assert "secret/left.png: is also the input" in err
    assert Path("secret/left.png").read_bytes() == before


def test_several_styles_name_the_result(folder, stylize):
    """Dots in names and all."""
    smooth_picture(40, 40).save("a.1.png")
    smooth_picture(40, 40).save("b.2.png")
    assert stylize("a.1.png", "b.2.png", "-q")[0] == 0
    assert Path("coffee_a.1+b.2.png").exists()
    for folder in ("secret/", "./secret/."):
        assert stylize(folder, "-q")[0] == 0
        Path("coffee_secret.png").unlink()


def test_a_batch_needs_no_style_weights(folder):
    for number in (1, 2):
        smooth_picture(40, 33, phase=number).save(f"content_{number}.jpg")
        smooth_picture(34, 40, phase=number + 0.5).save(f"style_{number}.jpg")
    chosen = Settings.of(**{**QUICK, "size": 32})
    sources = {"protect": "secret/left.png"}
    entries = Batch(pairs_in("."), chosen, Layout(Path("out")), sources=sources)
    assert [entry.status for entry in entries] == ["done", "done"]


def test_a_map_without_areas_is_told(tmp_path):
    """Each of its colours is at a few pixels alone."""
    levels = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "noise.png")
    style = saved(tmp_path / "style.png", painted((40, 30), RED, GREEN), (40, 30))
    with pytest.raises(SettingsError, match=r"noise\.png: the map has no areas of one colour"):
        of(1, content_mask=(str(tmp_path / "noise.png"),), style_mask=(style,))
