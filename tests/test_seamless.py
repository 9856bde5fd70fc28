"""Seamless pictures: rolled canvases have rolled gradients, tiled or whole, and edges join."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import impasto
from conftest import TINY, random_image, tiny_weights
from impasto.encoder import PADDINGS, POOLINGS, Encoder, Ends
from impasto.errors import SettingsError
from impasto.images import Picture, resize
from impasto.images.circles import continued, interpolated
from impasto.images.effects.grain import grain
from impasto.images.effects.relief import relief
from impasto.objective.terms.variation import VARIATIONS
from impasto.objective.tiles import Tiling, min_tile, windows
from impasto.run.canvas import resized
from impasto.run.sizes import stages_of
from impasto.settings import Settings
from support.objectives import full, make_objective

AXES = {"x": (False, True), "y": (True, False), "both": (True, True)}
NET, TAPS = TINY["vgg19"], ("relu1_1", "relu2_1", "relu3_2", "relu4_1")


def relative(a, b):
    return float((a - b).norm() / b.norm())


def circular_features(weights, image, taps, wraps):
    """By torch's own padding, for autograd: circular or zero along each axis."""
    x, features = image[None] * 255, {}
    x = x.flip(1) - torch.tensor([103.939, 116.779, 123.68], dtype=x.dtype).view(3, 1, 1)
    for operation in weights.architecture.path(taps):
        name = operation.name
        if name.startswith("conv"):
            modes = ["circular" if around else "constant" for around in wraps]
            x = torch.nn.functional.pad(x, (0, 0, 1, 1), modes[0])
            x = torch.nn.functional.pad(x, (1, 1, 0, 0), modes[1])
            x = torch.nn.functional.conv2d(x, *weights.layers[name])
        else:
            x = x.relu() if name.startswith("relu") else torch.nn.functional.max_pool2d(x, 2)
        features[name] = x
    return {tap: features[tap] for tap in taps}


@pytest.mark.parametrize("axes", AXES)
def test_circular_padding_is_that_of_autograd(axes):
    weights, image, wraps = tiny_weights(), random_image(24, 40), AXES[axes]
    encoder = Encoder(weights, dtype=torch.float64)
    leaf = image.clone().requires_grad_()
    expected = circular_features(weights, leaf, TAPS, wraps)
    tape, features = encoder.features(image, TAPS, ends=Ends(wraps=wraps))
    cotangents = {tap: torch.randn_like(f) for tap, f in features.items()}
    outputs = [expected[tap] for tap in TAPS]
    (gradient,) = torch.autograd.grad(outputs, leaf, [cotangents[tap] for tap in TAPS])
    for tap, f in features.items():
        assert relative(f, expected[tap].detach()) < 1e-12
    assert relative(encoder.pullback(tape, cotangents), gradient) < 1e-12


def objective(tiling, kind="l2-diagonal", **choices):
    made = make_objective(
        Encoder(tiny_weights(), dtype=torch.float64, **choices),
        None,
        random_image(41, 38, 2),
        style_weights=full(50.0, dict.fromkeys(TAPS, 1.0)),
        variation=(0.0, kind),
    )
    return made.retiled(tiling)


@settings(max_examples=25)
@given(
    axes=st.sampled_from(sorted(AXES)),
    size=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    shift=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    room=st.one_of(st.none(), st.integers(0, 40)),
    pooling=st.sampled_from(sorted(POOLINGS)),
    padding=st.sampled_from(PADDINGS),
)
def test_a_rolled_canvas_has_the_rolled_gradient(axes, size, shift, room, pooling, padding):
    """For shifts that all poolings divide; and tiles are the whole, with halos round the ends."""
    wraps, (height, width) = AXES[axes], (8 * side for side in size)
    tile = None if room is None else min_tile(NET, TAPS) + room
    canvas = random_image(height, width, 3) * 99
    moved = [8 * by * around for by, around in zip(shift, wraps, strict=True)]
    choices = {"pooling": pooling, "padding": padding}
    whole = objective(Tiling(wraps=wraps), **choices)(canvas)
    found = objective(Tiling(tile, wraps=wraps), **choices)(canvas.roll(moved, (1, 2)))
    assert relative(found.gradient, whole.gradient.roll(moved, (1, 2))) < 1e-9
    assert relative(found.loss, whole.loss) < 1e-10


def test_content_is_compared_round_the_ends():
    canvas, content = 200 * random_image(32, 48, 1) - 100, random_image(32, 48, 2)

    def gradient(by, tile):
        made = make_objective(
            Encoder(tiny_weights(), dtype=torch.float64),
            content.roll(by, 2),
            content_weights={"relu3_2": 1.0},
            tiling=Tiling(tile, wraps=(False, True)),
        )
        return made(canvas.roll(by, 2)).gradient

    expected = gradient(0, None)
    for by, tile in product((0, 4, 20), (None, min_tile(NET, ["relu3_2"]))):
        assert relative(gradient(by, tile), expected.roll(by, 2)) < 1e-10


@pytest.mark.parametrize("axes", AXES)
def test_a_tile_at_the_border_has_its_halo_from_the_other_side(axes):
    picture = torch.arange(3 * 64 * 96, dtype=torch.float64).view(3, 64, 96)
    taps = ("relu3_1",)
    parts = windows((64, 96), NET, taps, min_tile(NET, taps) + 4, AXES[axes])
    rows, columns = parts[0].rows, parts[0].columns
    if axes == "both":
        assert (rows.low, columns.low) == (-NET.halos(taps)["image"].before,) * 2
    part = parts[0].of(picture)
    down = torch.arange(rows.low, rows.high) % 64
    across = torch.arange(columns.low, columns.high) % 96
    assert torch.equal(part, picture[:, down][:, :, across])
    added, counts = torch.zeros_like(picture), torch.zeros_like(picture)
    parts[0].add(torch.ones_like(part), added)
    places = (torch.arange(3)[:, None, None], down[:, None], across)
    counts.index_put_(places, added.new_ones(()), accumulate=True)
    assert torch.equal(added, counts)


@pytest.mark.parametrize(("name", "axes"), [*product(VARIATIONS, AXES)])
def test_variation_round_the_ends(name, axes):
    """Rolled canvases have the same variation, and its gradient is autograd's."""
    wraps, canvas = AXES[axes], random_image(9, 12)
    moved = [by * around for by, around in zip((4, 5), wraps, strict=True)]
    gradient, rolled = torch.zeros_like(canvas), torch.zeros_like(canvas)
    loss = VARIATIONS[name].add(canvas, 0.3, gradient, wraps)
    again = VARIATIONS[name].add(canvas.roll(moved, (1, 2)), 0.3, rolled, wraps)
    torch.testing.assert_close(again, loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(rolled, gradient.roll(moved, (1, 2)), rtol=1e-12, atol=1e-15)
    step = 1e-6 * random_image(9, 12, 4)
    there = VARIATIONS[name].add(canvas + step, 0.3, torch.zeros_like(canvas), wraps)
    back = VARIATIONS[name].add(canvas - step, 0.3, torch.zeros_like(canvas), wraps)
    expected = 2 * (gradient * step).sum()
    torch.testing.assert_close(there - back, expected, rtol=1e-5, atol=1e-12)


def test_variation_of_a_torus_by_hand():
    x = random_image(5, 7)
    down, across = x.roll(-1, 1) - x, x.roll(-1, 2) - x
    found = VARIATIONS["l1-sum"].add(x, 1.0, torch.zeros_like(x), (True, True))
    torch.testing.assert_close(found, down.abs().sum() + across.abs().sum())
    falling, rising = x.roll((-1, -1), (1, 2)) - x, x.roll((-1, 1), (1, 2)) - x
    near = 2 / 3 * (down.square().mean() + across.square().mean())
    far = 2 / 12 * (falling.square().mean() + rising.square().mean())
    found = VARIATIONS["l2-diagonal"].add(x, 1.0, torch.zeros_like(x), (True, True))
    torch.testing.assert_close(found, near + far)


@given(
    source=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    target=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
@settings(max_examples=30)
def test_resizing_goes_round_the_ends(source, target):
    """Of seven periods, which the filter never leaves, the middle one is what a circle becomes."""
    plane = random_image(*source)
    size = (7 * target[1], 7 * target[0])
    middle = (..., slice(3 * target[0], 4 * target[0]), slice(3 * target[1], 4 * target[1]))
    found = resized(plane, target[::-1], (True, True))
    expected = resized(plane.repeat(1, 7, 7), size)[middle]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert found.shape == (3, *target)


@pytest.mark.parametrize("band", [1 << 24, 1])
def test_lanczos_goes_round_the_ends(band, monkeypatch):
    from impasto.images import resampling

    monkeypatch.setattr(resampling, "WHOLE", band)
    monkeypatch.setattr(resampling, "BAND", 40)
    pixels = random_image(20, 24, dtype=torch.float32)
    three = resize(Picture(pixels.repeat(1, 3, 3)), (3 * 21, 3 * 17)).pixels[:, 17:34, 21:42]
    found = resize(Picture(pixels), (21, 17), (True, True)).pixels
    torch.testing.assert_close(found, three, rtol=0, atol=1e-5)


def test_an_open_axis_is_as_it_was():
    plane = random_image(7, 9)
    expected = torch.nn.functional.interpolate(plane[None], size=(5, 20), mode="bilinear")[0]
    assert torch.equal(interpolated(plane, (5, 20), (False, False), mode="bilinear"), expected)
    assert torch.equal(continued(plane, (0, 1), (False, False))[..., 0], plane[..., 0])


@pytest.mark.parametrize("effect", [relief, grain])
@pytest.mark.parametrize("axes", AXES)
def test_effects_go_round_the_ends(effect, axes):
    """An effect of a rolled picture is the rolled effect; grain, the same at every place, joins."""
    wraps, picture = AXES[axes], random_image(40, 56)
    by = [11 * around for around in wraps]
    moved = picture.roll(by, (1, 2))
    found = effect(picture, 0.8, wraps)
    if effect is relief:
        torch.testing.assert_close(effect(moved, 0.8, wraps), found.roll(by, (1, 2)))
    flat = torch.full((3, 64, 64), 0.3)
    grains = grain(flat, 1.0, wraps)
    for axis, around in zip((1, 2), wraps, strict=True):
        step = (grains.roll(-1, axis) - grains).abs().mean(tuple({0, 1, 2} - {axis}))
        assert not around or step[-1] < 2 * step[:-1].max()


def test_canvases_are_on_the_grid_and_the_result_is_not():
    chosen = Settings.of("texture", seamless="x", scales=(0.5, 1.0), iterations=1)
    stages = stages_of(chosen, (100, 50), NET)
    assert [stage.size for stage in stages] == [(64, 25), (112, 50)]
    both = chosen.replaced(seamless="both")
    assert [stage.size for stage in stages_of(both, (100, 50), NET)] == [(64, 32), (112, 64)]


def test_a_circle_off_the_grid_is_refused():
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    with pytest.raises(SettingsError, match="circle of 20 px; expected a multiple of 8"):
        encoder.features(random_image(24, 20), TAPS, ends=Ends(wraps=(False, True)))


@pytest.mark.parametrize("axes", AXES)
def test_the_edges_of_a_texture_join(axes):
    """The step across the wrapped edge is that of neighbours inside; without, it is far larger."""
    style = random_image(48, 48, 1, torch.float32)
    style = torch.nn.functional.avg_pool2d(style[None].repeat(1, 1, 3, 3), 9, 1)[0] * 2 - 0.5
    chosen = {"encoder": "tiny", "size": (52, 60), "iterations": 30, "init": "noise"}
    common = {**chosen, "scales": (1.0,), "content_weight": 0.0, "style_weight": 100.0}
    ratios = {}
    for seamless in ("none", axes):
        settings = Settings.of("texture", seamless=seamless, **common)
        run = impasto.Run(None, Picture(style.clamp(0, 1)), settings)
        for _ in run:
            pass
        picture = run.result().image
        assert picture.size == (52, 60)
        ratios[seamless] = [_ratio(picture.pixels, axis) for axis in (1, 2)]
    for ratio, around in zip(ratios[axes], AXES[axes], strict=True):
        assert not around or 0.6 < ratio < 1.6


def _ratio(pixels, axis):
    """Mean difference across the wrapped edge over that of neighbours inside."""
    step = (pixels.roll(-1, axis) - pixels).abs().mean(tuple({0, 1, 2} - {axis}))
    return float(step[-1] / step[:-1].mean())


def test_a_photograph_with_its_detail_and_a_mask(photo, painting):
    """Content, several scales, a mask and an effect, all round the ends, at a size off the grid."""
    chosen = {"encoder": "tiny", "size": (50, 41), "iterations": 2, "seamless": "both"}
    made = {"scales": (0.5, 1.0), "detail": 0.5, "finish": "relief", "tile": 120}
    mask = Picture(torch.ones(3, 20, 30))
    result = impasto.stylize(photo, painting, protect=mask, **chosen, **made)
    assert result.image.size == (50, 41)
